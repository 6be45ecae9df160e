from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, StringConstraints

from core.tenants.schemas import In

Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=6, max_length=32)]


class Confirm(In):
    code: Code


class FactorStarted(BaseModel):
    """Put either into an authenticator app; both are shown this once."""

    secret: str
    otpauth_uri: str


class RecoveryCodes(BaseModel):
    """Each is good for one log-in without the authenticator. They are shown this once."""

    recovery_codes: list[str]


class FactorOut(BaseModel):
    active: bool
    recovery_codes_left: int

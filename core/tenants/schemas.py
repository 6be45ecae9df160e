from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints, field_validator

from core.kit.money import CURRENCIES
from core.kit.passwords import NewPassword

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]


class In(BaseModel):
    """A body that somebody sends: fields that we do not know are refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class SignUp(In):
    company: Name
    slug: Slug = Field(description="The company's short name in addresses: lower-case letters, digits and hyphens")
    name: Name
    email: EmailStr
    password: NewPassword
    locale: Literal["pt-BR", "en-US", "en-GB"] = "pt-BR"
    time_zone: str = "America/Sao_Paulo"
    currency: str = "BRL"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("not a time zone of the IANA database, such as America/Sao_Paulo")
        return value

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        if value not in CURRENCIES:
            raise ValueError(f"one of {', '.join(sorted(CURRENCIES))}")
        return value


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    roles: list[str]
    team: str | None
    region: str | None
    is_active: bool
    last_login_at: datetime | None


class Me(UserOut):
    tenant_id: UUID
    permissions: list[str]


class TenantOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    slug: str
    plan: str
    locale: str
    time_zone: str
    currency: str
    autonomy: str
    created_at: datetime


class TenantChange(In):
    name: Name | None = None
    autonomy: Literal["suggest", "approve", "act"] | None = Field(
        None, description="What the follow-up agent may do by itself"
    )

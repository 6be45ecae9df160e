from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from core.kit.money import CURRENCIES
from core.kit.passwords import NewPassword

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("not a time zone of the IANA database, such as America/Sao_Paulo")
    return value


def _known_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError(f"one of {', '.join(sorted(CURRENCIES))}")
    return value


Locale = Literal["pt-BR", "en-US", "en-GB"]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Currency = Annotated[str, AfterValidator(_known_currency)]
Picture = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https://[^\s\"'<>]+$")]


class In(BaseModel):
    """A body that somebody sends: fields that we do not know are refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class SignUp(In):
    company: Name
    slug: Slug = Field(description="The company's short name in addresses: lower-case letters, digits and hyphens")
    name: Name
    email: EmailStr
    password: NewPassword
    locale: Locale = "pt-BR"
    time_zone: TimeZone = "America/Sao_Paulo"
    currency: Currency = "BRL"


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    roles: list[str]
    team: str | None
    region: str | None
    avatar_url: str | None
    is_active: bool
    is_sso: bool = Field(description="Comes by the company's identity provider, or was made by its directory")
    last_login_at: datetime | None


class Me(UserOut):
    tenant_id: UUID
    permissions: list[str]


class MeChange(In):
    """Only what is named changes; `avatar_url` may be null."""

    name: Name = Field(default="", validate_default=False)
    avatar_url: Picture | None = None


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
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    currency: Currency | None = Field(None, description="Of deals that come without one; those that are there stay")
    autonomy: Literal["suggest", "approve", "act"] | None = Field(
        None, description="What the follow-up agent may do by itself"
    )

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.tenants.schemas import In, Slug

Domain = Annotated[
    str,
    StringConstraints(
        to_lower=True, max_length=253, pattern=r"^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$"
    ),
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
GroupRoles = Annotated[
    dict[Text, Annotated[str, StringConstraints(max_length=32)]],
    Field(max_length=200, description="Which role each group gives; groups that are not named give none"),
]
Claim = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Domains = Annotated[list[Domain], Field(min_length=1, max_length=50, description="E-mail domains that may come in")]


class ProviderIn(In):
    slug: Slug = Field(description="The provider's short name in addresses")
    issuer: Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://[^\s?#]+$")] = Field(
        description="Its issuer, exactly as its discovery document says it"
    )
    client_id: Text
    client_secret: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None, description="Kept sealed and never shown again; leave it out for a public client"
    )
    allowed_domains: Domains
    groups_claim: Claim | None = Field(None, description="The claim of the ID token that lists groups")
    group_roles: GroupRoles = Field(default_factory=dict)
    creates_users: bool = Field(True, description="Whether somebody who is not known yet becomes a user")
    is_enabled: bool = True


class ProviderChange(In):
    """The issuer stays: identities are bound to it. For another issuer make another provider."""

    client_id: Text | None = None
    client_secret: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    allowed_domains: Domains | None = None
    groups_claim: Claim | None = None
    group_roles: GroupRoles | None = None
    creates_users: bool | None = None
    is_enabled: bool | None = None


class ProviderOut(BaseModel):
    """`redirect_uri` is to be registered at the provider; `start_url` is where people begin."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    slug: str
    issuer: str
    client_id: str
    allowed_domains: list[str]
    groups_claim: str | None
    group_roles: dict[str, str]
    creates_users: bool
    is_enabled: bool
    created_at: datetime
    redirect_uri: str = ""
    start_url: str = ""


class SsoSettingsIn(In):
    sso_only: bool = Field(False, description="Whether users of single sign-on are refused when they send a password")
    default_role: Annotated[str, StringConstraints(max_length=32)] = Field(
        "SDR", description="What somebody gets whose groups give no role"
    )
    group_roles: GroupRoles = Field(default_factory=dict)


class SsoSettingsOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    sso_only: bool
    default_role: str
    group_roles: dict[str, str]

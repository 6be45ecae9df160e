"""What goes over the wire about notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from core.notifications.rules import KINDS

Kind = Annotated[str, Field(json_schema_extra={"enum": sorted(KINDS)})]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Way = Literal["email", "slack", "push"]


class NotificationOut(BaseModel):
    """`seq` rises with time: open the stream with `after` set to the last that was seen."""

    seq: int
    id: UUID
    kind: str
    subject: UUID
    deal_id: UUID | None
    text: str
    created_at: datetime
    read_at: datetime | None


class Read(BaseModel):
    """Either the ids of some, or the number up to which all were read."""

    model_config = ConfigDict(extra="forbid")

    ids: list[UUID] = Field([], max_length=500)
    up_to: int | None = Field(None, ge=0, le=2**63 - 1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Read:
        if bool(self.ids) == (self.up_to is not None):
            raise ValueError("send either `ids` or `up_to`")
        return self


class Counted(BaseModel):
    unread: int


class Wanted(BaseModel):
    """How to be told. Times are of the tenant's day; `digest_at` collects everything for once a day."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    muted: list[Kind] = Field([], max_length=len(KINDS))
    ways: list[Way] = Field(["email"], max_length=3)
    quiet_from: ClockTime | None = None
    quiet_until: ClockTime | None = None
    digest_at: ClockTime | None = None

    @field_validator("muted")
    @classmethod
    def _known(cls, kinds: list[str]) -> list[str]:
        if unknown := sorted(set(kinds) - KINDS.keys()):
            raise ValueError(f"there is no kind {', '.join(unknown)}; there are {', '.join(sorted(KINDS))}")
        return sorted(set(kinds))

    @model_validator(mode="after")
    def _both_ends(self) -> Wanted:
        if (self.quiet_from is None) != (self.quiet_until is None) or (self.quiet_from or "") == self.quiet_until:
            raise ValueError("quiet hours have two different ends: send `quiet_from` and `quiet_until`, or neither")
        return self


class PushIn(BaseModel):
    """As `PushSubscription.toJSON()` gives it in a browser."""

    model_config = ConfigDict(extra="forbid")

    class Keys(BaseModel):
        model_config = ConfigDict(extra="forbid")

        p256dh: str = Field(pattern=r"^[A-Za-z0-9_-]{87}=?$")
        auth: str = Field(pattern=r"^[A-Za-z0-9_-]{22}(==)?$")

    endpoint: str = Field(pattern=r"^https://[^\s/]+/\S*$", max_length=2000)
    keys: Keys
    expiration_time: float | None = Field(None, alias="expirationTime", description="Milliseconds since 1970; not kept")


class PushOut(BaseModel):
    id: UUID


class PushKey(BaseModel):
    """For `pushManager.subscribe({applicationServerKey})`."""

    public_key: str


class SlackIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str = Field(pattern=r"^https://[^\s/@]+/\S+$", max_length=500, description="Of an incoming webhook")


class SlackOut(BaseModel):
    connected: bool


class Announcement(BaseModel):
    """To one person, or to all who work here."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    user_id: UUID | None = None


class Told(BaseModel):
    told: int

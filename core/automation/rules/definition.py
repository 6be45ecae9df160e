"""What a rule says. It is kept as it was written, in versions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from core.automation.rules.fields import Trigger

TaskKind = Literal["send_email", "create_crm_task", "notify_user", "schedule_meeting"]
TASKS = ("send_email", "create_crm_task", "notify_user", "schedule_meeting")
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Wait(BaseModel):
    """Only after this time, and not at all where the customer answers before. Exactly one of both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    working_days: int | None = Field(None, ge=1, le=60, description="In the company's calendar and time zone")
    hours: int | None = Field(None, ge=1, le=1440)

    @model_validator(mode="after")
    def _one_of_both(self) -> Wait:
        if (self.working_days is None) == (self.hours is None):
            raise ValueError("send either `working_days` or `hours`")
        return self


class Task(BaseModel):
    """A task for the deal's owner, done as far as the company's autonomy allows. `{deal}` in `text`: its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: TaskKind
    text: Line | None = Field(None, description="Title; null: a usual one")
    template: Literal["follow_up", "objection", "re_engage"] | None = Field(None, description="Of what is written")
    priority: int = Field(3, ge=1, le=5, description="1 is most urgent")
    due_in_working_days: int = Field(0, ge=0, le=60)


class Tell(BaseModel):
    """A notification, to the deal's owner or to all who work here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["notify"]
    text: Line | None = None
    to: Literal["owner", "everyone"] = "owner"


class Battlecard(BaseModel):
    """What to say about the competitors that were named, to the deal's owner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["battlecard"]


Action = Annotated[Task | Tell | Battlecard, Field(discriminator="kind")]


class AtMost(BaseModel):
    """How often a rule may fire within so many days, for one deal or for all together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: int = Field(1, ge=1, le=1000)
    days: int = Field(1, ge=1, le=365)
    per: Literal["deal", "company"] = "deal"


class Definition(BaseModel):
    """When `on` happens to a deal, after `wait`, where `condition` holds then: `actions`.

    `condition` is JsonLogic; null: always. In its quiet hours, of the company's day, a rule waits until they are over.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    on: Trigger
    wait: Wait | None = None
    condition: dict[str, Any] | None = None
    actions: list[Action] = Field(min_length=1, max_length=6)
    quiet_from: ClockTime | None = None
    quiet_until: ClockTime | None = None
    at_most: AtMost = AtMost()

    @model_validator(mode="after")
    def _whole(self) -> Definition:
        if (self.quiet_from is None) != (self.quiet_until is None) or (self.quiet_from or "") == self.quiet_until:
            raise ValueError("quiet hours have two different ends: send `quiet_from` and `quiet_until`, or neither")
        kinds = [action.kind for action in self.actions]
        if len(kinds) != len(set(kinds)):
            raise ValueError("each kind of action can stand once in a rule")
        return self

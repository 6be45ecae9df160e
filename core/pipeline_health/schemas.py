"""Pipeline health as it goes over the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from core.kit.money import CURRENCIES
from core.pipeline_health.repository import Dimension

Month = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
Key = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]*$")]


def _known_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("is no currency of ISO 4217")
    return value


Currency = Annotated[str, AfterValidator(_known_currency), Field(description="ISO 4217")]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PartOut(Out):
    """Some of the open deals. `share`: of their value; of their number where they have none."""

    deals: int
    cents: int
    share: float


class AgeOut(PartOut):
    """`to_days`: null: and older."""

    from_days: int
    to_days: int | None


class EndsOut(Out):
    """Of all who came into the stage, also those that are still in it (Kaplan-Meier with several ends): the share that
    went `ahead`, was lost (`behind`), went `back`, and of which it is open. `median_days`: half of them left within it;
    null where fewer than half did."""

    ahead: float
    behind: float
    back: float
    undecided: float
    median_days: int | None
    stays: int


class StageOut(Out):
    """`waited_days`: mean, of the open ones. `usual_days`: in which half of all leave it. `overtime`: cents × days that
    its deals have waited beyond that; the stage with most is the bottleneck."""

    stage: str
    name: str
    open: PartOut
    stalled: PartOut
    waited_days: float | None
    usual_days: int | None
    overtime: int
    conversion: EndsOut | None


class CoverageOut(Out):
    """`won_cents`: in the target's months. `due_cents`: open, and expected to close in them. `times`: how often that
    covers what is still missing; null without a target, and where it is met."""

    won_cents: int
    due_cents: int
    target_cents: int | None
    times: float | None


class GroupOut(Out):
    """One group of deals in one currency. `stalled`: without a sign of life for longer than asked. `overdue`: past
    their expected day. `pushed`: it was put off, by `pushed_days` on average. `velocity_cents`: what the open deals
    bring a day, at the win rate, value and length of those that closed."""

    key: str | None
    name: str
    currency: str
    open_deals: int
    open_cents: int
    stalled: PartOut
    overdue: PartOut
    pushed: PartOut
    pushed_days: float | None
    age_days: float | None
    ages: list[AgeOut]
    won_deals: int
    lost_deals: int
    win_rate: float | None
    cycle_days: float | None
    velocity_cents: float | None
    stages: list[StageOut]
    bottleneck: str | None
    coverage: CoverageOut


class HealthOut(Out):
    """`since` and `until`: the months of what ended. `target_first` and `target_last`: those that coverage is of.
    `kept`: the sums are kept up to date as deals change; else they were added up for this answer."""

    at: datetime
    today: date
    by: Dimension
    stalled_after_days: int
    since: str
    until: str
    target_first: str
    target_last: str
    kept: bool
    groups: list[GroupOut]


class PointOut(Out):
    on: date
    at: datetime
    currency: str
    figures: dict[str, Any]


class HistoryOut(Out):
    """One line to plot for each currency, oldest first; of each day the last look."""

    by: Dimension
    key: str | None
    points: list[PointOut]


class TargetIn(BaseModel):
    """What a group is to win in a month. `key`: of the group; empty for `all`."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["all", "seller", "team", "segment", "region"]
    key: Key = ""
    currency: Currency
    month: Month
    value_cents: Annotated[int, Field(ge=0, le=10**15)]


class TargetOut(Out):
    by: str
    key: str
    currency: str
    month: str
    value_cents: int
    set_by: UUID
    set_at: datetime


class TargetsOut(Out):
    targets: list[TargetOut]

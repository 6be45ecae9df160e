from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from core.deals.schemas import Cents, Label
from core.forecasting.rollup.pipeline import Dimension
from core.kit.money import CURRENCIES

Month = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


def _known_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError(f"one of {', '.join(sorted(CURRENCIES))}")
    return value


Currency = Annotated[str, AfterValidator(_known_currency), Field(description="ISO 4217")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=1000)]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class FiguresOut(Out):
    """`expected`: won so far, expected of open deals (`…_open_…`), and of deals not opened yet (`…_new_…`, as the year
    before tells). 9 times of 10 the end lies from `low` to `high`; `p10`: 1 time of 10 it is less."""

    won_cents: int
    won_count: int
    expected_open_cents: int
    expected_new_cents: int
    expected_cents: int
    expected_count: float
    low_cents: int
    p10_cents: int
    p50_cents: int
    p90_cents: int
    high_cents: int
    count_low: int
    count_p50: int
    count_high: int


class OverrideBrief(Out):
    """A person's own number beside the model's."""

    id: UUID
    value_cents: int
    version: int
    reason: str
    user_id: UUID
    at: datetime


class MonthOut(BaseModel):
    month: str
    figures: FiguresOut
    override: OverrideBrief | None


class GroupOut(BaseModel):
    """`key`: a seller's id, or the name of a team, segment or region; null for deals that have none, and for `all`.
    `name` is for people. `total`: all months together. `unknown_…`: open deals that have no forecast yet and are in
    no figure."""

    key: str | None
    name: str
    currency: str
    open_count: int
    open_cents: int
    unknown_count: int
    unknown_cents: int
    months: list[MonthOut]
    total: FiguresOut


class CorrelationOut(BaseModel):
    """Of two deals' outcomes in the same month, as learnt from `months` of closed deals; 0 months: assumed."""

    mean: float
    low: float
    high: float
    months: int
    text: str


class RollupOut(BaseModel):
    """Amounts of different currencies stand in groups of their own and are never added."""

    at: datetime
    by: Dimension
    first_month: str
    months: int
    time_zone: str
    correlation: CorrelationOut
    draws: int
    groups: list[GroupOut]


class OverrideIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: Dimension
    key: Label | None = Field(None, description="As in the roll-up; null for `all` and for deals that have none")
    currency: Currency | None = Field(None, description="The tenant's own where left out")
    month: Month
    value_cents: Cents
    reason: Reason


class WithdrawIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason


class OverrideOut(Out):
    """One version. `value_cents` null: the number was taken back."""

    id: UUID
    by: Dimension
    key: str | None
    currency: str
    month: str
    version: int
    value_cents: int | None
    reason: str
    user_id: UUID
    at: datetime
    model_expected_cents: int
    model_p10_cents: int
    model_p50_cents: int
    model_p90_cents: int


class OverrideHistory(BaseModel):
    """All versions of the number that a version belongs to, newest first; the first one counts."""

    versions: list[OverrideOut]


class SnapshotOut(Out):
    id: UUID
    at: datetime
    kind: str
    day: date


class SnapshotAsked(BaseModel):
    """It is there in a moment, at `GET /v1/forecasts/snapshots/{id}`."""

    id: UUID


class SnapshotFigure(FiguresOut):
    """`month` null: all months together."""

    key: str | None
    name: str
    currency: str
    month: str | None


class SnapshotFigures(SnapshotOut):
    by: Dimension
    correlation: CorrelationOut
    figures: list[SnapshotFigure]


class ScoreOut(Out):
    """Of months that are over, at one distance. WAPE: misses over what was won; bias above 0: too hopeful (both null
    where nothing was won). Pinball loss as a share of what was won; of a person's number only where he gave one.
    `coverage_…`: how often the interval held what came."""

    months: int
    wape: float | None
    bias: float | None
    pinball_p10: float | None
    pinball_p50: float | None
    pinball_p90: float | None
    coverage_80: float | None
    coverage_90: float | None


class OverrideScoreOut(Out):
    """Over the months that have a person's number: his misses, and the model's in the very same months."""

    months: int
    wape: float | None
    bias: float | None
    pinball_p50: float | None
    model_wape: float | None
    model_bias: float | None


class PointOut(BaseModel):
    """One month: what was told at that distance, and what came."""

    month: str
    told_at: datetime
    expected_cents: int
    low_cents: int
    high_cents: int
    override_cents: int | None
    actual_cents: int


class AccuracyRow(BaseModel):
    key: str | None
    name: str
    currency: str
    days_before_end: int
    model: ScoreOut
    override: OverrideScoreOut | None
    points: list[PointOut]


class AccuracyOut(BaseModel):
    """`days_before_end`: how long before the end of its month a number was told."""

    by: Dimension
    first_month: str | None
    last_month: str | None
    rows: list[AccuracyRow]


class DealScoresOut(Out):
    """The odds of deals that are closed now, by the model that gave them: the last ones at least `lead_days` before the
    end. Brier and log loss: less is better; `base_brier`: of who knows only the share won. `low` and `high` are the
    mean interval, which should hold `won`. `off_days`: the median deal closed so much later than expected."""

    model: str
    version: str
    deals: int
    won: float
    expected: float
    low: float
    high: float
    brier: float
    base_brier: float
    log_loss: float
    date_coverage: float
    off_days: float


class EffectOut(BaseModel):
    """All deals of one kind of change together."""

    kind: str
    text: str
    cents: int
    deals: int


class DealEffectOut(BaseModel):
    """What one deal did to the figure, in parts that add up to `cents`; `because`: what moved its odds."""

    deal_id: UUID
    name: str
    cents: int
    before_cents: int
    after_cents: int
    parts: dict[str, int]
    because: list[str]


class ChangesOut(BaseModel):
    """Why the expected value (won and open) differs between two moments: `after` is `before` plus all effects, to the
    cent."""

    since: datetime
    until: datetime
    currency: str
    first_month: str
    months: int
    before_cents: int
    after_cents: int
    effects: list[EffectOut]
    deals: list[DealEffectOut]
    next_cursor: str | None


def blank(value: Any) -> Any:
    """`None` where the database holds an empty key."""
    return value or None

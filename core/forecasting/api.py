from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel

from core.datascience.predictions import words
from core.deals import repository as deals
from core.forecasting import repository, rules
from core.forecasting.model import Forecast
from core.forecasting.refresh import predict
from core.forecasting.said import Language
from core.kit.errors import Conflict, NotFound
from core.kit.ids import new_id
from core.kit.pages import Page, Paging
from core.kit.web import CurrentTx, TenantRoute, allow
from core.ports import Reason

router = APIRouter(prefix="/v1", tags=["forecasting"], route_class=TenantRoute)
SEE = allow("can_view_forecasts")
MOST_REASONS = 6


class ReasonOut(BaseModel):
    """`impact` in log-odds: above 0 speaks for winning."""

    feature: str
    value: float | None
    impact: float
    text: str


class ForecastOut(BaseModel):
    """The odds of a deal. Intervals are 90 %: those of odds and value for the mean of deals like this one, that of the
    date for the deal itself. `basis` says what the model was fitted on. `status`: `won` or `lost` once the deal is
    closed; `retrained` where another version of the model has predicted since, else `predicted`."""

    id: UUID
    status: rules.Status
    deal_id: UUID
    at: datetime
    cause_type: str
    probability: float
    low: float
    high: float
    risk: str
    expected_close_on: date
    close_on_low: date
    close_on_high: date
    expected_value_cents: int
    value_low_cents: int
    value_high_cents: int
    basis: str
    basis_text: str
    model: str
    version: str
    reasons: list[ReasonOut]


class DealForecast(BaseModel):
    """The forecast now, the one before it, and what made the difference."""

    now: ForecastOut
    before: ForecastOut | None
    change: float | None
    changed_by: list[ReasonOut]


@router.get("/deals/{deal_id}/forecast", dependencies=[SEE], summary="Will it close, when, and why")
async def read_forecast(deal_id: UUID, tx: CurrentTx, language: Language) -> DealForecast:
    deal = await deals.deal(tx, deal_id)
    rows = await repository.latest(tx, deal_id)
    if not rows:
        raise NotFound("This deal has no forecast yet. POST to this address makes one.")
    return _pair(rows, deal.outcome, language)


@router.post(
    "/deals/{deal_id}/forecast", status_code=201, dependencies=[allow("can_generate_forecast")],
    summary="Predict anew, now",
)  # fmt: skip
async def make_forecast(deal_id: UUID, tx: CurrentTx, language: Language, request: Request) -> DealForecast:
    deal = await deals.deal(tx, deal_id)
    if deal.outcome is not None:
        raise Conflict(f"This deal is closed ({deal.outcome}); there is nothing to predict.")
    await predict(tx, [deal], new_id(), "REQUEST", request.app.state.services.predictor)
    return _pair(await repository.latest(tx, deal_id), None, language)


@router.get("/forecasts", dependencies=[SEE], summary="The newest forecast of each deal")
async def list_forecasts(tx: CurrentTx, page: Paging, language: Language) -> Page[ForecastOut]:
    rows = await repository.of_deals(tx, page)
    cursor = str(rows[-1].deal_id) if len(rows) == page.limit else None
    outcomes = await repository.outcomes(tx, [row.deal_id for row in rows])
    shown = [_shown(row, rules.status(outcomes[row.deal_id], row), language) for row in rows]
    return Page(items=shown, next_cursor=cursor)


def _pair(rows: list[Forecast], outcome: str | None, language: str) -> DealForecast:
    now, before = rows[0], rows[1] if len(rows) > 1 else None
    shown = _shown(now, rules.status(outcome, now), language)
    if before is None:
        return DealForecast(now=shown, before=None, change=None, changed_by=[])
    changed = rules.change(_reasons(before), _reasons(now))
    return DealForecast(
        now=shown,
        before=_shown(before, rules.status(outcome, before, now), language),
        change=now.probability - before.probability,
        changed_by=[_reason(reason, language) for reason in changed[:MOST_REASONS]],
    )


def _reasons(row: Forecast) -> tuple[Reason, ...]:
    return tuple(Reason(**reason) for reason in row.reasons)


def _reason(reason: Reason, language: str) -> ReasonOut:
    return ReasonOut(
        feature=reason.feature, value=reason.value, impact=reason.impact, text=words.explain(reason, language)
    )


def _shown(row: Forecast, status: rules.Status, language: str) -> ForecastOut:
    names = [name for name in ForecastOut.model_fields if name not in ("status", "reasons", "basis_text")]
    return ForecastOut(
        status=status,
        **{name: getattr(row, name) for name in names},
        basis_text=words.basis(row.basis, language),
        reasons=[_reason(reason, language) for reason in _reasons(row)[:MOST_REASONS]],
    )

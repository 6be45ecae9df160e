"""A deal's rows as the history that features are built from."""

from __future__ import annotations

from datetime import date

from core.deals.repository import Story
from core.forecasting.features import Activity, DealHistory, StageChange


def history(story: Story) -> DealHistory:
    deal = story.deal
    return DealHistory(
        value_cents=deal.value_cents,
        currency=deal.currency,
        segment=deal.segment,
        region=deal.region,
        source=deal.source,
        opened_at=deal.opened_at,
        stage_changes=tuple(
            StageChange(at=change.at, stage=change.after[0]) for change in story.changes if change.field == "stage"
        ),
        activities=tuple(
            Activity(
                at=row.at, kind=row.kind, direction=row.direction, sentiment=row.sentiment, objections=row.objections,
                unanswered_objections=row.unanswered_objections, competitors=row.competitors,
                has_next_step=row.has_next_step, buying_signals=row.buying_signals,
            )
            for row in story.activities
        ),
        expected_close_on=deal.expected_close_on,
        closed_at=deal.closed_at,
        won=None if deal.outcome is None else deal.outcome == "won",
        value_was=tuple((c.at, int(c.before[0])) for c in story.changes if c.field == "value_cents"),
        expected_close_was=tuple(
            (c.at, date.fromisoformat(c.before[0]) if c.before[0] else None)
            for c in story.changes
            if c.field == "expected_close_on"
        ),
        deal_id=deal.id,
    )  # fmt: skip

"""A deal as it was known at a moment: later changes taken back, and nothing that was only written down later."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import inspect

from core.deals import rules
from core.deals.model import Activity, Deal
from core.deals.repository import Story

_IDS = ("contact_id", "owner_id")


def as_known(story: Story, at: datetime) -> Story:
    """The deal in it is a copy that belongs to no session."""
    row = {column.key: getattr(story.deal, column.key) for column in inspect(Deal).column_attrs}
    for change in reversed(story.changes):
        if change.at > at and change.before[0] is not None:
            row[change.field] = _read(change.field, change.before[0])
        elif change.at > at:
            row[change.field] = None
    changes = [change for change in story.changes if change.at <= at]
    stages = [change for change in changes if change.field == "stage"]
    if stages:
        row["stage"] = stages[-1].after[0]
    row["outcome"] = rules.outcome(row["stage"]) if row["stage"] else None
    row["closed_at"] = stages[-1].at if stages and row["outcome"] else None
    return Story(Deal(**row), changes, [one for one in story.activities if known(one, at)])


def known(activity: Activity, at: datetime) -> bool:
    return activity.at <= at and (activity.recorded_at or activity.at) <= at


def _read(field: str, value: Any) -> Any:
    if field in _IDS:
        return UUID(value)
    return date.fromisoformat(value) if field == "expected_close_on" else value

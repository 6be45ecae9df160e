"""What is known of a whole tenant beside the pipeline itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.forecasting.rollup.correlation import Correlation
from core.forecasting.rollup.pipeline import Position
from core.forecasting.rollup.timing import UNKNOWN, WinTiming


@dataclass(frozen=True, slots=True)
class Outlook:
    """How deals move together, how long wins take, since when the tenant has deals (None: not known), and those won in
    the time of `to_come.asked_since`. All but the last is learnt from everybody's deals and stored with each snapshot.
    """

    correlation: Correlation
    timing: WinTiming = UNKNOWN
    known_since: date | None = None
    won: Sequence[Position] = ()

    def to_json(self) -> dict[str, Any]:
        since = self.known_since.isoformat() if self.known_since else None
        return {**self.correlation.to_json(), "timing": self.timing.to_json(), "known_since": since}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Outlook:
        since = raw["known_since"]
        day = date.fromisoformat(since) if since else None
        return cls(Correlation.from_json(raw), WinTiming.from_json(raw["timing"]), day)

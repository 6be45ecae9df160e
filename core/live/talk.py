"""Who talks how much, how fast and for how long, kept up as utterances end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.live.heard import Heard
from core.ports import Side

_A_WORD_OR_TWO = 2  # from the other side do not end a monologue


@dataclass(slots=True)
class Share:
    """Of one side so far: seconds of speech, words, seconds of the longest monologue."""

    talk_s: float = 0.0
    words: int = 0
    longest_s: float = 0.0


@dataclass(slots=True)
class Talk:
    """Costs the same however long the call is. `state` and `of` carry it from one host to the next."""

    sides: dict[str, Share] = field(default_factory=dict)
    speaker: str | None = None  # of the monologue that goes on
    since_s: float = 0.0

    def add(self, final: Heard) -> None:
        """Take an utterance that is over."""
        if not final.words:
            return
        start_s, end_s, side = final.words[0].start_s, final.words[-1].end_s, final.side.value
        mine = self.sides.setdefault(side, Share())
        mine.talk_s += end_s - start_s
        mine.words += len(final.words)
        if side != self.speaker:
            if self.speaker is not None and len(final.words) <= _A_WORD_OR_TWO:
                return
            self.speaker, self.since_s = side, start_s
        mine.longest_s = max(mine.longest_s, end_s - self.since_s)

    def measured(self) -> dict[str, dict[Side, float]]:
        """The fields of `wire.Metrics`."""
        whole_s = sum(side.talk_s for side in self.sides.values())
        each = [(Side(name), side) for name, side in sorted(self.sides.items())]
        return {
            "talk_share": {name: round(side.talk_s / whole_s, 4) if whole_s else 0.0 for name, side in each},
            "words_per_minute": {
                name: round(60 * side.words / side.talk_s, 1) if side.talk_s else 0.0 for name, side in each
            },
            "longest_monologue_s": {name: round(side.longest_s, 2) for name, side in each},
        }

    def state(self) -> dict[str, Any]:
        sides = {name: [side.talk_s, side.words, side.longest_s] for name, side in self.sides.items()}
        return {"sides": sides, "speaker": self.speaker, "since_s": self.since_s}

    @classmethod
    def of(cls, state: dict[str, Any]) -> Talk:
        sides = {name: Share(*values) for name, values in state["sides"].items()}
        return cls(sides, state["speaker"], state["since_s"])

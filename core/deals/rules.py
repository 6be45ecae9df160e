"""The stages of a deal and what follows from them."""

from __future__ import annotations

from typing import Literal

OPEN_STAGES = ("prospecting", "qualification", "discovery", "proposal", "negotiation")
CLOSED_STAGES = ("closed_won", "closed_lost")
STAGES = OPEN_STAGES + CLOSED_STAGES

Stage = Literal["prospecting", "qualification", "discovery", "proposal", "negotiation", "closed_won", "closed_lost"]


def outcome(stage: str) -> str | None:
    """`won` or `lost`; None while the deal is open."""
    return {"closed_won": "won", "closed_lost": "lost"}.get(stage)

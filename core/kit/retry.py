"""How long to wait before the next try."""

from __future__ import annotations

import random


def backoff_s(attempt: int, *, base_s: float = 0.5, most_s: float = 300.0) -> float:
    """Exponential with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"); `attempt` from 0."""
    return random.uniform(0.5, 1.0) * min(most_s, base_s * 2.0**attempt)

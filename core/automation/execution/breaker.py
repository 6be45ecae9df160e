"""A circuit breaker (Nygard, Release It!, 2018): who fails again and again is left alone, then tried once."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.ports import Clock


class Breaker:
    """Of one destination, in this process."""

    def __init__(self, clock: Clock, *, failures: int = 5, cool_s: float = 60.0) -> None:
        self._clock = clock
        self._most = failures
        self._cool = timedelta(seconds=cool_s)
        self._failed = 0
        self._until: datetime | None = None

    def wait_s(self) -> float:
        """Seconds until a try is worth it; 0: now. One that is let through after the pause keeps others out."""
        if self._failed < self._most or self._until is None:
            return 0.0
        now = self._clock.now()
        if now < self._until:
            return (self._until - now).total_seconds()
        self._until = now + self._cool
        return 0.0

    def succeeded(self) -> None:
        self._failed, self._until = 0, None

    def failed(self) -> None:
        self._failed += 1
        self._until = self._clock.now() + self._cool

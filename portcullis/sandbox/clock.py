"""The time that the local clouds see."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> float:
        """Return seconds since the Unix epoch."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time()


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: float) -> None:
        """Stand at `start`, seconds since the Unix epoch."""
        self._now = start

    def now(self) -> float:
        """Return seconds since the Unix epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move by `seconds`; negative moves back, as a stepped clock does."""
        self._now += seconds

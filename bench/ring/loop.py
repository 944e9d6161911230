"""Discrete events: things happen at their times, in order, and nothing is waited for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Generator
from typing import TypeAlias

Action: TypeAlias = Callable[[], object]
Process: TypeAlias = Generator[float, None, None]
"""Does something, yields the seconds until it goes on, and so on."""


class Loop:
    """A queue of events. `now` is true time, in seconds since the epoch."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Action]] = []

    def at(self, when: float, action: Action) -> None:
        """Let `action` happen at `when`, or now where that is past; what is due together happens as asked."""
        heapq.heappush(self._queue, (max(when, self.now), next(self._order), action))

    def after(self, seconds: float, action: Action) -> None:
        """Let `action` happen in so many seconds."""
        self.at(self.now + seconds, action)

    def spawn(self, process: Process) -> None:
        """Begin a process now."""

        def resume() -> None:
            try:
                self.after(next(process), resume)
            except StopIteration:
                return

        self.after(0, resume)

    def run(self, until: float) -> None:
        """Let everything happen that is due by `until`."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = until

"""The token buckets of SpikeArrest policies, in memory as in a message processor.

A rate of N per period is one token every period/N; up to `burst` tokens gather. What real fault bodies show of the
burst (60 per minute: 6.0; 12 and fewer: 1.0) is N/10, at least 1; that it holds for every N is an inference.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_BUCKETS = 65536
_ROUNDING = 1e-6
"""Of a token: times are binary fractions, and the last bit must not cost a request its place."""


@dataclass(frozen=True)
class Rate:
    """So many messages per period of so many seconds."""

    messages: int
    seconds: int

    @property
    def burst(self) -> float:
        """How many tokens gather at most."""
        return float(max(1, self.messages // 10))

    def __str__(self) -> str:
        return (
            f"MessageRate{{messagesPerPeriod={self.messages}, periodInMicroseconds={self.seconds * 1_000_000}, "
            f"maxBurstMessageCount={self.burst}}}"
        )


class Spikes:
    """Buckets by key; a bucket that is full again is forgotten when room is needed."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str, rate: Rate, weight: int, now: float) -> bool:
        """Take `weight` tokens at `now`, seconds since the epoch; tell whether there were enough.

        A message heavier than the bucket is let through by a full one, and those after it wait the longer.
        """
        tokens, since = self._buckets.get(key, (rate.burst, now))
        tokens = min(rate.burst, tokens + max(0.0, now - since) * rate.messages / rate.seconds)
        allowed = tokens + _ROUNDING >= min(weight, rate.burst)
        if len(self._buckets) >= MAX_BUCKETS and key not in self._buckets:
            self._buckets.clear()
        self._buckets[key] = (tokens - weight if allowed else tokens, now)
        return allowed

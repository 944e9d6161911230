"""The counters behind `ratelimit` bindings.

https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/: a namespace and a period count together,
key by key, in windows of fixed length. One sandbox stands for one Cloudflare location.
"""

from __future__ import annotations

from portcullis.sandbox.clock import Clock
from portcullis.sandbox.store import JsonObject

_SWEEP_COUNTERS = 10_000


class RateLimiter:
    """Counts in memory; counters do not outlive the sandbox, as Cloudflare's do not outlive their window."""

    def __init__(self, clock: Clock) -> None:
        """Begin and end windows by `clock`."""
        self._clock = clock
        self._counts: dict[tuple[str, int, int, str], int] = {}

    def limit(self, call: JsonObject) -> bool:
        """Count one call of `{namespace, limit, period, key}`, period in seconds; tell whether it is within."""
        period = int(call["period"])
        window = int(self._clock.now() // period)
        counter = (str(call["namespace"]), period, window, str(call["key"]))
        self._sweep()
        count = self._counts.get(counter, 0)
        if count >= int(call["limit"]):
            return False
        self._counts[counter] = count + 1
        return True

    def _sweep(self) -> None:
        """Forget windows that have ended, once there are many."""
        if len(self._counts) < _SWEEP_COUNTERS:
            return
        now = self._clock.now()
        self._counts = {key: count for key, count in self._counts.items() if key[2] == int(now // key[1])}

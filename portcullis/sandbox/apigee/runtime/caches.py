"""The caches of PopulateCache, LookupCache, InvalidateCache and ResponseCache, in memory as in a message processor."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.clock import Clock

MAX_ENTRIES = 4096
"""Over all caches; the entry that was used longest ago makes room."""

MAX_VALUE_BYTES = 256 * 1024
"""Apigee's own limit for one cached value."""


@dataclass(frozen=True)
class _Entry:
    value: Value
    until: float


class Caches:
    """Values by (cache, key), each with a life by the sandbox's clock.

    A cache is named by whoever uses it, as `ORGANIZATION/ENVIRONMENT/NAME`; nothing has to make it first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    def get(self, cache: str, key: str) -> Value:
        """Return the value, a message as a copy of its own; `None` where there is none or its life is over."""
        entry = self._entries.get((cache, key))
        if entry is None:
            return None
        if self._clock.now() >= entry.until:
            del self._entries[cache, key]
            return None
        self._entries.move_to_end((cache, key))
        return entry.value.copy() if isinstance(entry.value, Message) else entry.value

    def put(self, cache: str, key: str, value: Value, seconds: float) -> bool:
        """Keep a value for `seconds`; tell whether it was small enough to be kept."""
        size = len(value.content) if isinstance(value, Message) else len(str(value).encode())
        if size > MAX_VALUE_BYTES:
            return False
        kept = value.copy() if isinstance(value, Message) else value
        self._entries[cache, key] = _Entry(kept, self._clock.now() + seconds)
        self._entries.move_to_end((cache, key))
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return True

    def remove(self, cache: str, key: str) -> None:
        """Forget one value."""
        self._entries.pop((cache, key), None)

    def remove_prefix(self, cache: str, prefix: str) -> None:
        """Forget every value of the cache whose key starts with `prefix`."""
        for known in [k for k in self._entries if k[0] == cache and k[1].startswith(prefix)]:
            del self._entries[known]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

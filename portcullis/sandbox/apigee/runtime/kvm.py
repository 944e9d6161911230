"""Key value maps: what the management API and the policy write, and how long the runtime remembers what it read."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.sandbox.clock import Clock
from portcullis.sandbox.store import Store

ENTRIES = "apigee.kvm_entries"
VALUES = "apigee.kvm_values"
"""What a policy has written as several values; the entry, as the management API shows it, holds them with commas."""

MAX_CACHED = 4096


@dataclass(frozen=True)
class Scope:
    """Which map: `owner` is `O/E` for an environment, `O/-` for an organization, `O/apis/P` for a proxy."""

    owner: str
    map_name: str

    def key(self, entry: str) -> str:
        """Return the key of an entry's document."""
        return f"{self.owner}/{self.map_name}/{entry}"


class KeyValueMaps:
    """Reads through a cache that the sandbox's clock expires; a write of the policy is seen at once."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cache: dict[str, tuple[float, tuple[str, ...]]] = {}

    def get(self, scope: Scope, entry: str, expiry_seconds: float) -> tuple[str, ...]:
        """Return the values, none where there is no entry; what was found is remembered (-1: for good)."""
        key = scope.key(entry)
        cached = self._cache.get(key)
        if cached is not None and self._clock.now() < cached[0]:
            return cached[1]
        document = self._store.get(ENTRIES, key)
        if document is None:
            self._cache.pop(key, None)
            return ()
        value = str(document["value"])
        several = self._store.get(VALUES, key) or {}
        values = tuple(several["values"]) if several.get("value") == value else (value,)
        self._remember(key, values, expiry_seconds)
        return values

    def put(self, scope: Scope, entry: str, values: tuple[str, ...], expiry_seconds: float) -> None:
        """Write an entry."""
        key, value = scope.key(entry), ",".join(values)
        self._store.put(ENTRIES, key, {"name": entry, "value": value})
        if len(values) > 1:
            self._store.put(VALUES, key, {"value": value, "values": list(values)})
        else:
            self._store.delete(VALUES, key)
        self._remember(key, values, expiry_seconds)

    def delete(self, scope: Scope, entry: str) -> None:
        """Delete an entry; one that is not there is no error."""
        key = scope.key(entry)
        self._cache.pop(key, None)
        self._store.delete(ENTRIES, key)
        self._store.delete(VALUES, key)

    def has(self, scope: Scope, entry: str) -> bool:
        """Tell whether the entry is stored, whatever is remembered of it."""
        return self._store.get(ENTRIES, scope.key(entry)) is not None

    def forget_lost(self) -> None:
        """Forget what is remembered of organizations that are gone: after a reset nothing of before is seen."""
        here = {key for key, _ in self._store.items("apigee.organizations")}
        self._cache = {key: value for key, value in self._cache.items() if key.partition("/")[0] in here}

    def _remember(self, key: str, values: tuple[str, ...], seconds: float) -> None:
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[key] = (float("inf") if seconds < 0 else self._clock.now() + seconds, values)

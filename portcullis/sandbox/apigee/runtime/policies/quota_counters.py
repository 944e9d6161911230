"""The counters of quotas, in the store, so that a restart forgets none."""

from __future__ import annotations

from portcullis.sandbox.apigee.runtime.context import Place
from portcullis.sandbox.apigee.runtime.policies.quota_windows import Window
from portcullis.sandbox.store import Store

COLLECTION = "runtime.quota_counters"
MAX_MOMENTS = 4096
"""How many moments a rolling window keeps apart; the oldest are put together."""


def counter_key(place: Place, name: str, identifier: str) -> str:
    """Return the key of a counter: `name` is the policy's, or the name that policies of a proxy share."""
    return f"{place.organization}/{place.environment}/{place.bundle}/{name}/{identifier}"


def begun(store: Store, key: str) -> float | None:
    """Return when the counter began, or `None` where there is none."""
    document = store.get(COLLECTION, key)
    return None if document is None else float(document["start"])


def used(store: Store, key: str, window: Window) -> int:
    """Return how much of the counter is used in the window."""
    return sum(weight for at, weight in _calls(store, key) if window.start <= at < window.end)


def count(store: Store, key: str, window: Window, at: float, weight: int) -> None:
    """Add to the counter at a moment of the window, and forget what was before the window."""
    calls: dict[float, int] = {}
    for moment, counted in [*_calls(store, key), (at, weight)]:
        if moment >= window.start:
            calls[moment] = calls.get(moment, 0) + counted
    moments = sorted(calls.items())
    while len(moments) > MAX_MOMENTS:
        (_, first), (moment, second) = moments[:2]
        moments[:2] = [(moment, first + second)]
    store.put(COLLECTION, key, {"start": window.start, "calls": moments})


def give_back(store: Store, key: str, amount: int) -> None:
    """Take an amount off the counter, from the newest calls first; one that is not there stays so."""
    document = store.get(COLLECTION, key)
    if document is None:
        return
    kept: list[tuple[float, int]] = []
    for moment, weight in reversed(_calls(store, key)):
        taken = min(weight, amount)
        amount -= taken
        if weight > taken:
            kept.append((moment, weight - taken))
    store.put(COLLECTION, key, {**document, "calls": kept[::-1]})


def _calls(store: Store, key: str) -> list[tuple[float, int]]:
    document = store.get(COLLECTION, key) or {}
    return [(float(at), int(weight)) for at, weight in document.get("calls", [])]

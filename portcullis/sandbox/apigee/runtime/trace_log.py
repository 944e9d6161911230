"""The last requests that went through the runtime, masked as they are kept."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.context import Place
from portcullis.sandbox.apigee.runtime.masking import Masking
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.trace import Trace
from portcullis.sandbox.store import JsonObject, Store

KEPT = 100
"""Requests; the oldest makes room."""

DEBUG_MASKS = "apigee.debugmasks"


@dataclass(frozen=True)
class Passage:
    """One request that is over: what it was, where it went and what came of it."""

    place: Place
    endpoint: str
    started: float
    milliseconds: float
    request: Message
    answer: Message
    trace: Trace


class TraceLog:
    """Keeps passages as the JSON that is shown; values are masked by the debug mask of that moment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: deque[JsonObject] = deque(maxlen=KEPT)

    def record(self, passage: Passage) -> None:
        """Keep a passage."""
        place = passage.place
        mask = self._store.get(DEBUG_MASKS, f"{place.organization}/{place.environment}/debugmask") or {}
        masking = Masking(mask)
        events = masking.events(passage.trace.events)
        self._kept.append(
            {
                "id": passage.trace.message_id,
                "organization": place.organization,
                "environment": place.environment,
                "proxy": place.bundle,
                "revision": place.revision,
                "endpoint": passage.endpoint,
                "started": int(passage.started * 1000),
                "milliseconds": round(passage.milliseconds, 3),
                "verb": passage.request.verb,
                "path": masking.text(passage.request.path),
                "status": passage.answer.status,
                "events": events,
            }
        )

    def all(self) -> list[JsonObject]:
        """Return every passage that is kept, the oldest first."""
        return list(self._kept)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

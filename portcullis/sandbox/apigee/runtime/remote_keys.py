"""JSON Web Key Sets that VerifyJWT fetches by URI, remembered for 300 seconds as Apigee does."""

from __future__ import annotations

from portcullis.sandbox.apigee.runtime.exchange import Exchange, ExchangeError, Timeouts
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.clock import Clock

LIFE_SECONDS = 300
TIMEOUT_SECONDS = 10.0
MAX_BYTES = 1024 * 1024
MAX_CACHED = 256


class RemoteKeysError(Exception):
    """The key set could not be fetched."""


class RemoteKeys:
    """Fetches key sets as targets are called: over the sandbox's network, or from loopback."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._cache: dict[str, tuple[float, str]] = {}

    async def fetch(self, uri: str) -> str:
        """Return the text of the key set at `uri`; raises `RemoteKeysError`."""
        cached = self._cache.get(uri)
        if cached is not None and self._clock.now() < cached[0]:
            return cached[1]
        timeouts = Timeouts(TIMEOUT_SECONDS, TIMEOUT_SECONDS)
        try:
            answer = await self._exchange.send(Message("request"), uri, timeouts, max_bytes=MAX_BYTES)
        except ExchangeError as error:
            raise RemoteKeysError(f"{error.failure} while fetching {uri}") from None
        if not 200 <= answer.status < 300:
            raise RemoteKeysError(f"{uri} answered {answer.status}")
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[uri] = (self._clock.now() + LIFE_SECONDS, answer.text)
        return answer.text

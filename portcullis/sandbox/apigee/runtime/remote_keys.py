"""JSON Web Key Sets that VerifyJWT fetches by URI, remembered for 300 seconds as Apigee does."""

from __future__ import annotations

import httpx

from portcullis.sandbox.clock import Clock
from portcullis.sandbox.network import Network

LIFE_SECONDS = 300
TIMEOUT_SECONDS = 10.0
MAX_BYTES = 1024 * 1024
MAX_CACHED = 256


class RemoteKeysError(Exception):
    """The key set could not be fetched."""


class RemoteKeys:
    """Fetches key sets over the sandbox's network."""

    def __init__(self, network: Network, clock: Clock) -> None:
        self._network = network
        self._clock = clock
        self._cache: dict[str, tuple[float, str]] = {}

    async def fetch(self, uri: str) -> str:
        """Return the text of the key set at `uri`; raises `RemoteKeysError`."""
        cached = self._cache.get(uri)
        if cached is not None and self._clock.now() < cached[0]:
            return cached[1]
        try:
            answer = await self._network.send("GET", uri, timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RemoteKeysError(f"{type(error).__name__} while fetching {uri}") from None
        if not answer.is_success or len(answer.content) > MAX_BYTES:
            raise RemoteKeysError(f"{uri} answered {answer.status_code}")
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[uri] = (self._clock.now() + LIFE_SECONDS, answer.text)
        return answer.text

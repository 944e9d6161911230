"""HTTP as the official providers do it: JSON requests, bounded retries, errors that can be shown to anybody."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx

from engine.providers.values import JsonObject

TIMEOUT_SECONDS = 120.0
MAX_MESSAGE_CHARACTERS = 4000
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE", "HEAD"})
# A request that was answered so was not carried out, whatever its method.
_REFUSED_FOR_NOW = frozenset({429, 503})
_BROKEN = frozenset({500, 502, 504})


class ApiError(Exception):
    """The API refused a request, or could not be reached; the text can be shown.

    Attributes:
        status: the HTTP status; 0 when there was no answer.
        reason: what the API said.
    """

    def __init__(self, method: str, path: str, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        answered = f"HTTP {status}: " if status else ""
        super().__init__(f"{method} {path}: {answered}{reason}")

    @property
    def gone(self) -> bool:
        """Whether the thing that the request was about does not exist."""
        return self.status == 404


@dataclass(frozen=True)
class Dialect:
    """How one cloud's API speaks.

    Attributes:
        error: what an error body says, in words; "" when it says nothing that can be read.
        unwrap: the resource's document out of a successful answer's.
    """

    error: Callable[[JsonObject], str]
    unwrap: Callable[[JsonObject], JsonObject] = lambda document: document


class RestSession:
    """A connection to a JSON API with a token (`tables.Session`).

    Connection errors are retried, and so are the answers 429 and 503; 500, 502 and 504 only for methods that can be
    repeated. Five attempts in all, with 0.5, 1, 2 and 4 s between them.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        dialect: Dialect,
        *,
        query: Mapping[str, str] | None = None,
        pauses_seconds: tuple[float, ...] = _PAUSES_SECONDS,
    ) -> None:
        """Connect to `base_url` with `headers` (never shown) and `query` on every JSON request."""
        self._base_url = base_url.rstrip("/")
        self._dialect = dialect
        self._query = dict(query or {})
        self._pauses = pauses_seconds
        self._secrets = [part for value in headers.values() for part in value.split() if len(part) > 3]
        # What is on this machine is reached directly, whatever proxy the environment names.
        local = httpx.URL(self._base_url).host in {"127.0.0.1", "localhost", "::1"}
        self._client = httpx.Client(headers=dict(headers), timeout=TIMEOUT_SECONDS, trust_env=not local)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: bytes | None = None,
        content_type: str = "",
    ) -> JsonObject:
        """Send a request and return the answer's document ({} for an empty answer).

        Raises:
            ApiError: the API refused, answered something that is no JSON, or could not be reached.
        """
        response = self.send(method, path, query=query, body=body, content=content, content_type=content_type)
        if not response.content.strip():
            return {}
        document = _parse(response)
        if document is None:
            raise ApiError(method, path, response.status_code, "the answer is no JSON: is this the API's address?")
        return self._dialect.unwrap(document)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: bytes | None = None,
        content_type: str = "",
    ) -> httpx.Response:
        """Send a request and return a successful answer as it is.

        Raises:
            ApiError: the API refused or could not be reached.
        """
        request = self._client.build_request(
            method,
            f"{self._base_url}/{path.lstrip('/')}",
            params={**({} if content is not None else self._query), **(query or {})},
            content=content if content is not None else (None if body is None else json.dumps(body).encode()),
            headers={"Content-Type": content_type or "application/json"} if (body, content) != (None, None) else {},
        )
        for pause in self._pauses:
            try:
                response = self._client.send(request)
            except httpx.TransportError as error:
                if not _may_repeat(method, error):
                    raise self._unreachable(method, path, error) from None
            else:
                if not _passing(method, response):
                    return self._accepted(method, path, response)
            time.sleep(pause)
        try:
            return self._accepted(method, path, self._client.send(request))
        except httpx.TransportError as error:
            raise self._unreachable(method, path, error) from None

    def _accepted(self, method: str, path: str, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        raise ApiError(method, path, response.status_code, self._reason(response))

    def _unreachable(self, method: str, path: str, error: httpx.TransportError) -> ApiError:
        return ApiError(method, path, 0, self._shown(f"cannot reach {self._base_url}: {type(error).__name__} {error}"))

    def _reason(self, response: httpx.Response) -> str:
        document = _parse(response)
        said = self._dialect.error(document) if document is not None else ""
        return self._shown(said or response.text.strip() or response.reason_phrase)

    def _shown(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:MAX_MESSAGE_CHARACTERS]}…"


def _passing(method: str, response: httpx.Response) -> bool:
    """Whether the refusal may pass on its own, and the request may be sent again."""
    return response.status_code in _REFUSED_FOR_NOW or (response.status_code in _BROKEN and method in _IDEMPOTENT)


def _may_repeat(method: str, error: httpx.TransportError) -> bool:
    """Whether the request cannot have been carried out, or may be twice."""
    return method in _IDEMPOTENT or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _parse(response: httpx.Response) -> JsonObject | None:
    try:
        document = response.json()
    except ValueError:
        return None
    return cast("JsonObject", document) if isinstance(document, dict) else None

"""The API as an ASGI app: authentication, routing on the raw path, and taking back what the edge refuses."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portcullis.sandbox.cloudflare.api import (
    deployments,
    dns,
    domains,
    identities,
    kv,
    routes,
    scripts,
    secrets,
    versions,
    workers,
)
from portcullis.sandbox.cloudflare.api.answers import (
    AUTHENTICATION,
    BAD_IDENTIFIER,
    INTERNAL,
    INVALID,
    TOO_LARGE,
    ApiError,
    error_response,
    invalid,
    not_emulated,
    to_response,
)
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint
from portcullis.sandbox.cloudflare.api.changes import Changes
from portcullis.sandbox.cloudflare.edge.errors import EdgeRejected
from portcullis.sandbox.store import Store

ENDPOINTS: tuple[Endpoint, ...] = (
    *workers.ENDPOINTS,
    *versions.ENDPOINTS,
    *deployments.ENDPOINTS,
    *scripts.ENDPOINTS,
    *secrets.ENDPOINTS,
    *kv.ENDPOINTS,
    *routes.ENDPOINTS,
    *domains.ENDPOINTS,
    *dns.ENDPOINTS,
    *identities.ENDPOINTS,
)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

_PREFIX = ("client", "v4")
_IDENTIFIER = re.compile(r"[0-9a-f]{32}")
# The shapes that the official provider accepts (provider.go); the sandbox takes any token of that shape.
_TOKEN = re.compile(r"[0-9A-Za-z_-]{40,80}")
_KEY = re.compile(r"[0-9A-Za-z_-]{37,60}")

_log = logging.getLogger(__name__)


def create_app(
    store: Store, on_change: Callable[[], Awaitable[None]], now: Callable[[], float] = time.time
) -> Starlette:
    """Return the app.

    Args:
        store: where everything is kept.
        on_change: awaited after each call that changes what the edge must run. If it raises, the call's changes are
            taken back: `EdgeRejected` is answered as an invalid upload (400, code 10021), anything else as 500.
        now: the time, seconds since the epoch.
    """
    api = _Api(store, on_change, now)
    return Starlette(routes=[Route("/{path:path}", api.answer, methods=METHODS)])


class _Api:
    def __init__(self, store: Store, on_change: Callable[[], Awaitable[None]], now: Callable[[], float]) -> None:
        self._store = store
        self._on_change = on_change
        self._now = now
        # One call at a time: a refused change is taken back before the next call sees it.
        self._turn = asyncio.Lock()

    async def answer(self, request: Request) -> Response:
        try:
            _authenticate(request)
            endpoint, params = _find(request)
            body = await _read(request, endpoint.limit)
            async with self._turn:
                return to_response(await self._run(endpoint, self._call(request, params, body)))
        except ApiError as error:
            return error_response(error)
        except Exception:
            _log.exception("%s failed", request.method)
            return error_response(ApiError(500, INTERNAL, "an error of the sandbox itself; its log says more"))

    async def _run(self, endpoint: Endpoint, call: Call) -> Any:
        try:
            result = endpoint.handler(call)
            if endpoint.edge:
                await self._on_change()
        except EdgeRejected as problem:
            call.data.undo()
            raise invalid(str(problem), INVALID) from None
        except BaseException:
            call.data.undo()
            raise
        return result

    def _call(self, request: Request, params: dict[str, str], body: bytes) -> Call:
        seconds = self._now()
        return Call(
            params=params,
            query=dict(request.query_params),
            body=body,
            content_type=request.headers.get("content-type", ""),
            data=Changes(self._store),
            seconds=seconds,
            time=datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        )


def _authenticate(request: Request) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if _TOKEN.fullmatch(token.strip()):
            return
        raise ApiError(403, AUTHENTICATION, "Authentication error: an API token has 40 to 80 letters, digits, - and _")
    if request.headers.get("x-auth-email") and _KEY.fullmatch(request.headers.get("x-auth-key", "")):
        return
    raise ApiError(401, AUTHENTICATION, "Authentication error: send an API token as `Authorization: Bearer …`")


def _find(request: Request) -> tuple[Endpoint, dict[str, str]]:
    """Find the endpoint on the raw path: in a KV key, an encoded slash stays in its segment."""
    path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1").partition("?")[0]
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    if tuple(segments[:2]) == _PREFIX:
        for endpoint in ENDPOINTS:
            params = _match(endpoint.template.split("/"), segments[2:])
            if params is not None and endpoint.method == request.method:
                _check_identifiers(params, path)
                return endpoint, params
    raise not_emulated(f"{request.method} {path}")


def _match(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    params: dict[str, str] = {}
    for expected, actual in zip(template, segments, strict=True):
        if expected.startswith("{"):
            params[expected[1:-1]] = actual
        elif expected != actual:
            return None
    return params


def _check_identifiers(params: dict[str, str], path: str) -> None:
    for name in ("account", "zone"):
        if name in params and not _IDENTIFIER.fullmatch(params[name]):
            raise invalid(f"Could not route to {path}: the {name}'s id must be 32 hexadecimal digits", BAD_IDENTIFIER)


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise ApiError(413, TOO_LARGE, f"the body is larger than {limit} bytes")
    return bytes(body)

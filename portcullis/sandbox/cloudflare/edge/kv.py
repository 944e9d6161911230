"""What stands behind a Worker's KV bindings: the wire protocol of workerd's `kvNamespace` over the sandbox's store.

Wire: `GET|PUT|DELETE /{key}?urlencoded=true`, `GET /` to list, `POST /bulk/get` (workerd src/workerd/api/kv.c++).
Limits: https://developers.cloudflare.com/kv/platform/limits/. Writes are seen at once, everywhere, and there is no
limit of one write a second for a key; a Worker that counts on either behaves differently at Cloudflare.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from portcullis.sandbox.clock import Clock, SystemClock
from portcullis.sandbox.cloudflare.edge.bindings import NAMESPACE_HEADER, RATELIMIT_HEADER
from portcullis.sandbox.cloudflare.edge.ratelimit import RateLimiter
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import JsonObject, Store

VALUES = "cf.kv"
META = "cf.kv_meta"

KV_HOSTNAME = "kv.cloudflare.internal"
"""What faults call Workers KV; no Worker can fetch from it."""

OPERATION_SECONDS = 30.0
MAX_KEY_BYTES = 512
MAX_METADATA_BYTES = 1024
MAX_VALUE_BYTES = 25 * 1024 * 1024
MIN_EXPIRATION_SECONDS = 60
MIN_CACHE_TTL_SECONDS = 30
MAX_LIST_KEYS = 1000
MAX_BULK_KEYS = 100


class _RefusedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def create_kv(store: Store, clock: Clock | None = None, network: Network | None = None) -> Starlette:
    """Return the app that workerd's KV and rate limit bindings talk to.

    The namespace comes in a header that workerd sets. `clock` tells when keys expire and when counting starts anew.
    A fault of `network` on `KV_HOSTNAME` makes KV slow, down (503 to every operation) or wrong.
    """
    kv = _Kv(store, clock or SystemClock())
    limiter = RateLimiter(clock or SystemClock())

    async def handle(request: Request) -> Response:
        try:
            if RATELIMIT_HEADER in request.headers:
                return JSONResponse({"success": limiter.limit(await _json(request))})
            if network is not None:
                await _suffer(network)
            return await kv.answer(request)
        except _RefusedError as refused:
            return Response(str(refused), refused.status, media_type="text/plain")

    return Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "PUT", "POST", "DELETE"])])


async def _suffer(network: Network) -> None:
    try:
        injected = await network.apply_fault(KV_HOSTNAME, OPERATION_SECONDS)
    except httpx.TransportError:
        raise _RefusedError(503, "KV is down") from None
    if injected is not None:
        raise _RefusedError(injected.status_code, injected.text)


@dataclass(frozen=True)
class _Namespace:
    """One namespace of the store; an expired key is not there, and is deleted when it is met."""

    store: Store
    id: str
    now: float

    def get(self, key: str) -> tuple[bytes, JsonObject] | None:
        meta = self.store.get(META, self._key(key)) or {}
        if _expired(meta, self.now):
            self.delete(key)
            return None
        value = self.store.get_blob(VALUES, self._key(key))
        return None if value is None else (value, meta)

    def put(self, key: str, value: bytes, meta: JsonObject) -> None:
        self.store.put_blob(VALUES, self._key(key), value)
        self.store.put(META, self._key(key), meta)

    def delete(self, key: str) -> None:
        self.store.delete_blob(VALUES, self._key(key))
        self.store.delete(META, self._key(key))

    def list(self, prefix: str) -> list[tuple[str, JsonObject]]:
        """Return key and metadata in the order of the keys' UTF-8 bytes."""
        start = len(self._key(""))
        found = [(key[start:], meta) for key, meta in self.store.items(META, self._key(prefix))]
        return sorted((item for item in found if not _expired(item[1], self.now)), key=lambda item: item[0].encode())

    def _key(self, key: str) -> str:
        return f"{self.id}/{key}"


class _Kv:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        namespace = self._namespace(request)
        raw_path: bytes = request.scope["raw_path"]
        path = raw_path.decode("ascii")
        if request.method == "POST":
            if path != "/bulk/get":
                raise _RefusedError(404, "no such operation")
            return _bulk_get(namespace, await _json(request))
        if path == "/" and request.method == "GET":
            return _list(namespace, dict(request.query_params))
        key = _key(path)
        if request.method == "GET":
            return _get(namespace, key, dict(request.query_params))
        if request.method == "PUT":
            return await self._put(namespace, key, request)
        namespace.delete(key)
        return Response()

    def _namespace(self, request: Request) -> _Namespace:
        namespace_id = request.headers.get(NAMESPACE_HEADER, "")
        if self._store.get("cf.kv_namespaces", namespace_id) is None:
            raise _RefusedError(400, f"namespace {namespace_id} does not exist")
        return _Namespace(self._store, namespace_id, self._clock.now())

    async def _put(self, namespace: _Namespace, key: str, request: Request) -> Response:
        meta = {
            "expiration": _expiration(dict(request.query_params), namespace.now),
            "metadata": _metadata(request.headers.get("cf-kv-metadata")),
        }
        namespace.put(key, await _body(request, MAX_VALUE_BYTES), meta)
        return Response()


def _get(namespace: _Namespace, key: str, query: dict[str, str]) -> Response:
    _check_cache_ttl(query.get("cache_ttl"))
    found = namespace.get(key)
    if found is None:
        return Response("Not Found", 404)
    value, meta = found
    headers: dict[str, str] = {}
    if meta.get("expiration") is not None:
        headers["CF-Expiration"] = str(meta["expiration"])
    if meta.get("metadata") is not None:
        headers["CF-KV-Metadata"] = json.dumps(meta["metadata"])
    return Response(value, headers=headers, media_type="application/octet-stream")


def _bulk_get(namespace: _Namespace, query: JsonObject) -> Response:
    keys, kind = query.get("keys"), query.get("type", "text")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_BULK_KEYS:  # pyright: ignore[reportUnknownArgumentType]
        raise _RefusedError(400, f"1 to {MAX_BULK_KEYS} keys can be read at once")
    if kind not in ("text", "json"):
        raise _RefusedError(400, f'"{kind}" is not a valid type. Use "json" or "text"')
    _check_cache_ttl(query.get("cacheTtl"))
    answer: JsonObject = {}
    size = 0
    for key in keys:  # pyright: ignore[reportUnknownVariableType]
        found = namespace.get(str(key))  # pyright: ignore[reportUnknownArgumentType]
        size += len(found[0]) if found else 0
        answer[str(key)] = _bulk_value(found, kind, with_metadata=bool(query.get("withMetadata")))  # pyright: ignore[reportUnknownArgumentType]
    if size > MAX_VALUE_BYTES:
        raise _RefusedError(413, f"the values are over {MAX_VALUE_BYTES} bytes together")
    return JSONResponse(answer)


def _bulk_value(found: tuple[bytes, JsonObject] | None, kind: str, *, with_metadata: bool) -> Any:
    if found is None:
        return None
    text = found[0].decode("utf-8", "replace")
    try:
        value = json.loads(text) if kind == "json" else text
    except ValueError:
        raise _RefusedError(400, "At least one of the requested keys corresponds to a non-json value") from None
    return {"value": value, "metadata": found[1].get("metadata")} if with_metadata else value


def _list(namespace: _Namespace, query: dict[str, str]) -> Response:
    limit = _number(query.get("key_count_limit", str(MAX_LIST_KEYS)), "key_count_limit")
    if not 1 <= limit <= MAX_LIST_KEYS:
        raise _RefusedError(400, f"Invalid key_count_limit of {limit}: it is at least 1 and at most {MAX_LIST_KEYS}")
    after = _cursor(query.get("cursor", ""))
    keys = [item for item in namespace.list(query.get("prefix", "")) if item[0].encode() > after]
    page = keys[:limit]
    answer: JsonObject = {
        "keys": [_listed(key, meta) for key, meta in page],
        "list_complete": len(keys) <= limit,
        "cacheStatus": None,
    }
    if len(keys) > limit:
        answer["cursor"] = base64.urlsafe_b64encode(page[-1][0].encode()).decode()
    return JSONResponse(answer)


def _listed(key: str, meta: JsonObject) -> JsonObject:
    listed: JsonObject = {"name": key}
    if meta.get("expiration") is not None:
        listed["expiration"] = meta["expiration"]
    if meta.get("metadata") is not None:
        # workerd parses it out of a string.
        listed["metadata"] = json.dumps(meta["metadata"])
    return listed


def _key(path: str) -> str:
    key = unquote(path.removeprefix("/"))
    size = len(key.encode("utf-8", "replace"))
    if not key or key in (".", ".."):
        raise _RefusedError(400, "a key is not empty, `.` or `..`")
    if size > MAX_KEY_BYTES:
        raise _RefusedError(414, f"UTF-8 encoded length of {size} exceeds key length limit of {MAX_KEY_BYTES}.")
    return key


def _expiration(query: dict[str, str], now: float) -> int | None:
    """Return when the key expires, seconds since the epoch."""
    if "expiration_ttl" in query:
        seconds = _number(query["expiration_ttl"], "expiration_ttl")
        if seconds < MIN_EXPIRATION_SECONDS:
            raise _RefusedError(400, f"Invalid expiration_ttl of {seconds}. Expiration TTL must be at least 60.")
        return math.floor(now) + seconds
    if "expiration" in query:
        moment = _number(query["expiration"], "expiration")
        if moment < math.floor(now) + MIN_EXPIRATION_SECONDS:
            raise _RefusedError(400, f"Invalid expiration of {moment}. It must be at least 60 seconds in the future.")
        return moment
    return None


def _metadata(header: str | None) -> Any:
    if header is None:
        return None
    if len(header.encode("latin-1", "replace")) > MAX_METADATA_BYTES:
        raise _RefusedError(413, f"Metadata is over {MAX_METADATA_BYTES} bytes.")
    try:
        # Header values are bytes; workerd writes the JSON into them as UTF-8.
        return json.loads(header.encode("latin-1").decode("utf-8"))
    except ValueError:
        raise _RefusedError(400, "Metadata must be valid JSON") from None


def _check_cache_ttl(value: Any) -> None:
    if value not in (None, "") and _number(str(value), "cache_ttl") < MIN_CACHE_TTL_SECONDS:
        raise _RefusedError(400, f"Invalid cache_ttl of {value}. Cache TTL must be at least {MIN_CACHE_TTL_SECONDS}.")


def _cursor(text: str) -> bytes:
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _RefusedError(400, "Invalid cursor") from None


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**53)):
        raise _RefusedError(400, f"Invalid {name} of {text[:20]}. It must be a whole number.")
    return int(text)


def _expired(meta: JsonObject, now: float) -> bool:
    return meta.get("expiration") is not None and meta["expiration"] <= now


async def _json(request: Request) -> JsonObject:
    try:
        document = json.loads(await _body(request, MAX_BULK_KEYS * 4 * MAX_KEY_BYTES))
    except ValueError:
        raise _RefusedError(400, "the body is not JSON") from None
    if not isinstance(document, dict):
        raise _RefusedError(400, "the body is not a JSON object")
    return document  # pyright: ignore[reportUnknownVariableType]


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _RefusedError(413, f"Value length of {len(body)} exceeds limit of {limit}.")
    return bytes(body)

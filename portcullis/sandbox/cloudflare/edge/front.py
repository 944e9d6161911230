"""The `gateway` listener: Cloudflare's front line, which finds the Worker and tells it who calls."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from portcullis.sandbox.cloudflare.edge.config import CF_HEADER
from portcullis.sandbox.cloudflare.edge.manager import Edge
from portcullis.sandbox.cloudflare.edge.process import WorkerdProcess
from portcullis.sandbox.cloudflare.edge.relay import (
    STREAM_LIMIT_BYTES,
    BodyTooLargeError,
    ClientGoneError,
    Header,
    RequestBody,
    answer,
    end_to_end,
    pass_on,
    raw_target,
    until_gone,
)
from portcullis.sandbox.loopback import is_loopback

MAX_URL_BYTES = 16 * 1024
"""https://developers.cloudflare.com/workers/platform/limits/#request-and-response-limits, like the next one."""

MAX_HEADER_BYTES = 128 * 1024
RESTART_SECONDS = 10.0
"""How long a request waits for a workerd that has died and is being restarted."""

_COLO = "LCL"
_AUTHORITY = re.compile(rb"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]*)?")
_ABSOLUTE_FORM = re.compile(rb"https?://(?P<authority>[^/?#]*)(?P<path>.*)", re.IGNORECASE | re.DOTALL)
_OWN_HEADERS = frozenset((b"x-forwarded-proto", b"cdn-loop", b"host"))


class _RefusedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True)
class _Address:
    hostname: str
    target: bytes


def create_front(edge: Edge) -> ASGIApp:
    """Return the app that answers for every hostname deployed.

    The Worker sees `https://<hostname><path>?<query>`, path and query to the byte, with Cloudflare's own headers
    (https://developers.cloudflare.com/fundamentals/reference/http-headers/) and none that a client made up. A loopback
    `Host` stands for the only hostname deployed. What no Worker answers for is 530 with error 1016, as there is no
    origin behind the sandbox's edge.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        ray = f"{secrets.token_hex(8)}-{_COLO}"
        own: list[Header] = [(b"cf-ray", ray.encode()), (b"server", b"cloudflare")]
        body = RequestBody(scope, receive, STREAM_LIMIT_BYTES)
        try:
            await until_gone(body, _exchange(edge, scope, body, send, ray, own))
        except _RefusedError as refused:
            await answer(send, refused.status, refused.text, own)

    return app


async def _exchange(edge: Edge, scope: Scope, body: RequestBody, send: Send, ray: str, own: list[Header]) -> None:
    _check_sizes(scope)
    address = _address(edge, scope)
    lease = edge.lease(address.hostname, address.target.decode("ascii"))
    if lease is None:
        raise _RefusedError(530, f"error code: 1016\nno Worker is deployed for {address.hostname} and this path")
    with lease as process:
        if not await process.wait_ready(RESTART_SECONDS):
            raise _RefusedError(503, "the Worker's runtime is being restarted; see logs/workerd.log")
        request = _request(process, scope, address, body, ray)
        try:
            await pass_on(edge.client, request, send, own)
        except BodyTooLargeError:
            raise _RefusedError(413, f"the request's body is over {STREAM_LIMIT_BYTES} bytes") from None
        except ClientGoneError:
            return
        except httpx.TransportError:
            raise _RefusedError(502, "the Worker's runtime broke off; see logs/workerd.log") from None


def _check_sizes(scope: Scope) -> None:
    if len(raw_target(scope)) > MAX_URL_BYTES:
        raise _RefusedError(414, f"the URL is over {MAX_URL_BYTES} bytes")
    if sum(len(name) + len(value) + len(b": \r\n") for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        raise _RefusedError(431, f"the headers are over {MAX_HEADER_BYTES} bytes")


def _address(edge: Edge, scope: Scope) -> _Address:
    """Return where the request goes: by its target if that is a whole URL (RFC 9112 §3.2.2), else by `Host`."""
    target = raw_target(scope)
    if b"#" in target:
        # workerd would cut the target there: the Worker would see another path than the one that was routed.
        raise _RefusedError(400, "a request's URL has no fragment")
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is not None:
        path = absolute["path"]
        return _Address(_hostname(edge, absolute["authority"]), path if path.startswith(b"/") else b"/" + path)
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if not target.startswith(b"/") or len(hosts) != 1:
        raise _RefusedError(400, "the request has no path, or not exactly one Host header")
    return _Address(_hostname(edge, hosts[0]), target)


def _hostname(edge: Edge, authority: bytes) -> str:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise _RefusedError(400, "the Host header is not a hostname")
    hostname = match["host"].decode("latin-1").strip("[]").lower().rstrip(".")
    if not is_loopback(hostname):
        return hostname
    deployed = edge.hostnames()
    if len(deployed) == 1:
        return deployed[0]
    if not deployed:
        raise _RefusedError(530, "error code: 1016\nno Worker is deployed on any hostname")
    raise _RefusedError(404, f"several hostnames are deployed; send one of them as Host: {', '.join(deployed)}")


def _request(process: WorkerdProcess, scope: Scope, address: _Address, body: RequestBody, ray: str) -> httpx.Request:
    # The request line carries the whole URL and the connection's headers are workerd's own: no client library on the
    # way may spell a path anew.
    return httpx.Request(
        scope["method"],
        process.url,
        headers=[*_headers(scope, address.hostname, ray)],
        content=body.chunks() if body.exists else None,
        extensions={"target": b"https://" + address.hostname.encode("latin-1") + address.target},
    )


def _headers(scope: Scope, hostname: str, ray: str) -> list[Header]:
    client: str = scope["client"][0] if scope.get("client") else "127.0.0.1"
    incoming = end_to_end(scope["headers"])
    hops = [value for name, value in incoming if name == b"x-forwarded-for"]
    kept = [
        (name, value)
        for name, value in incoming
        if not name.startswith(b"cf-") and name not in _OWN_HEADERS and name != b"x-forwarded-for"
    ]
    cf: dict[str, Any] = {"colo": _COLO, "httpProtocol": f"HTTP/{scope['http_version']}", "tlsVersion": "TLSv1.3"}
    return [
        (b"host", hostname.encode("latin-1")),
        *kept,
        (b"cdn-loop", b"cloudflare; loops=1"),
        (b"cf-connecting-ip", client.encode()),
        (b"cf-ray", ray.encode()),
        (b"cf-visitor", b'{"scheme":"https"}'),
        (b"x-forwarded-for", b", ".join([*hops, client.encode()])),
        (b"x-forwarded-proto", b"https"),
        (CF_HEADER.encode(), json.dumps(cf).encode()),
    ]

"""The internet as Workers see it: each `fetch()` goes by its hostname to a listener of the sandbox.

A failure on the way is what it is for a Worker on Cloudflare: not an exception but an answer that the edge makes up,
with `error code: N` for a body.
- A name that does not resolve is 530 with error 1016 ("the Fetch API call will fail with status code 530 (1016)",
  https://developers.cloudflare.com/workers/platform/known-issues/#fetch-api-in-cname-setup).
- Refused, unreachable, cut and late answers are 521, 522, 520 and 524
  (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/).
"""

from __future__ import annotations

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from portcullis.sandbox.cloudflare.edge.config import SCHEME_HEADER
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
from portcullis.sandbox.network import Network, UnknownHostError

PROXY_READ_SECONDS = 100.0
"""Cloudflare answers 524 for an origin that has said nothing for so long."""

_SCHEME = SCHEME_HEADER.encode()


def create_outbound(network: Network) -> ASGIApp:
    """Return the app that workerd's `globalOutbound` talks to."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = RequestBody(scope, receive, STREAM_LIMIT_BYTES)
        await until_gone(body, _exchange(network, scope, body, send))

    return app


async def _exchange(network: Network, scope: Scope, body: RequestBody, send: Send) -> None:
    try:
        headers: list[Header] = scope["headers"]
        host = next((value for name, value in headers if name == b"host"), b"").decode("ascii")
        url = httpx.URL(f"http://{host}/")
        request = _request(network, scope, headers, url, body)
        injected = await network.apply_fault(url.host, PROXY_READ_SECONDS)
        if injected is not None:
            await answer(send, injected.status_code, injected.text)
        else:
            await pass_on(network.client, request, send)
    except (UnknownHostError, httpx.InvalidURL, UnicodeDecodeError):
        await answer(send, 530, "error code: 1016")
    except (httpx.TransportError, BodyTooLargeError) as problem:
        status = _status(problem)
        await answer(send, status, f"error code: {status}")
    except ClientGoneError:
        return


def _request(network: Network, scope: Scope, headers: list[Header], url: httpx.URL, body: RequestBody) -> httpx.Request:
    """Return the request to the listener that answers for the host, target and headers as workerd sent them."""
    addressed = network.build_request(scope["method"], str(url), [], None, PROXY_READ_SECONDS)
    return httpx.Request(
        scope["method"],
        addressed.url,
        headers=[(name, value) for name, value in end_to_end(headers) if name != _SCHEME],
        content=body.chunks() if body.exists else None,
        extensions={**addressed.extensions, "target": raw_target(scope)},
    )


def _status(problem: Exception) -> int:
    """Return Cloudflare's status for what went wrong on the way to an origin."""
    if isinstance(problem, BodyTooLargeError):
        return 413
    if isinstance(problem, httpx.ConnectTimeout):
        return 522
    if isinstance(problem, httpx.ConnectError):
        return 521
    if isinstance(problem, httpx.TimeoutException):
        return 524
    return 520

"""One HTTP exchange passed on, both bodies streamed: what the front and the outbound listener have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence

import httpx
from starlette.types import Receive, Scope, Send

Header = tuple[bytes, bytes]

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
    )
)
"""RFC 9110 §7.6.1, and `Expect`, which the server here has answered."""

STREAM_LIMIT_BYTES = 100 * 1024 * 1024


class BodyTooLargeError(Exception):
    """The request's body is over the limit."""


class ClientGoneError(Exception):
    """The client closed its connection before the exchange was over."""


class RequestBody:
    """The body of a request as it comes in, and the news that its client has gone."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        """Read from `receive`, at most `limit` bytes."""
        names = {name for name, _ in scope["headers"]}
        self.exists = b"content-length" in names or b"transfer-encoding" in names
        self._receive = receive
        self._limit = limit
        self._complete = asyncio.Event()

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the body; raises `BodyTooLargeError` and `ClientGoneError`."""
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self._limit:
                raise BodyTooLargeError
            if chunk:
                yield chunk
            if not message.get("more_body", False):
                self._complete.set()
                return

    async def client_gone(self) -> None:
        """Return once the client has closed its connection, after all of the body was read."""
        if self.exists:
            await self._complete.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def raw_target(scope: Scope) -> bytes:
    """Return path and query as they stood in the request line."""
    query: bytes = scope["query_string"]
    path: bytes = scope["raw_path"]
    return path + b"?" + query if query else path


def end_to_end(headers: Iterable[Header]) -> list[Header]:
    """Return the headers without those that concern one connection only; order, case and doubles stay."""
    headers = list(headers)
    named = {
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    }
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP | named]


async def until_gone(body: RequestBody, exchange: Awaitable[None]) -> None:
    """Run the exchange, and give it up when the client goes."""
    running = asyncio.ensure_future(exchange)
    gone = asyncio.ensure_future(body.client_gone())
    try:
        await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (running, gone):
            if not task.done():
                task.cancel()
        await asyncio.gather(running, gone, return_exceptions=True)
    if not running.cancelled():
        running.result()


async def pass_on(
    client: httpx.AsyncClient,
    request: httpx.Request,
    send: Send,
    extra_headers: Sequence[Header] = (),
) -> None:
    """Send the request and pass the answer on as it comes, `extra_headers` in place of its own of the same names.

    The answer is read once the request's body has been sent: a server that sends more than the buffers of a connection
    hold (some MB) before it has read the body stalls, and the client's write timeout ends the exchange.
    An answer that breaks off is broken off for the client too, never rounded off. Raises what httpx raises as long as
    nothing of the answer has been passed on, and `BodyTooLargeError` and `ClientGoneError` of the request's body.
    """
    response = await client.send(request, stream=True)
    try:
        own = list(extra_headers)
        replaced = {name for name, _ in own}
        kept = [(name, value) for name, value in end_to_end(response.headers.raw) if name.lower() not in replaced]
        headers = [*kept, *own]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        try:
            async for chunk in response.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx.TransportError:
            # The server closes the connection of an answer that was not completed.
            return
        await send({"type": "http.response.body", "body": b""})
    finally:
        await response.aclose()


async def answer(send: Send, status: int, text: str, extra_headers: Sequence[Header] = ()) -> None:
    """Answer with plain text."""
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=UTF-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *extra_headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

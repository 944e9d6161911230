"""The runtime's HTTP face."""

from __future__ import annotations

import logging
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from portcullis.sandbox.apigee.runtime.exchange import MAX_STREAMED_BYTES
from portcullis.sandbox.apigee.runtime.faults import Fault, body_too_big, default_body, reason_phrase
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.runtime import Outcome, Runtime
from portcullis.sandbox.apigee.runtime.trace import Trace

_LOG = logging.getLogger(__name__)

_NO_BODY = frozenset({204, 304})


def create_app(runtime: Runtime) -> ASGIApp:
    """Return the app: any method and path, led to a proxy by hostname and base path."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            outcome = await _answer(runtime, scope, receive)
        except Fault as fault:
            outcome = Outcome(_of_fault(fault), Trace(""))
        await _send(scope, send, outcome.answer)
        if outcome.post_client is not None:
            try:
                await outcome.post_client()
            except Exception:
                _LOG.exception("PostClientFlow failed")

    return app


async def _answer(runtime: Runtime, scope: Scope, receive: Receive) -> Outcome:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    host = next((value for name, value in headers if name == "host"), "")
    client = scope.get("client")
    hostname = _hostname(host)
    path = scope.get("raw_path", scope["path"].encode()).split(b"?")[0].decode("latin-1")
    limit = runtime.request_limit(hostname, path)
    request = Message(
        "request",
        headers=headers,
        content=await _body(receive, MAX_STREAMED_BYTES if limit is None else limit),
        verb=scope["method"],
        path=path,
        query=scope["query_string"].decode("latin-1"),
    )
    return await runtime.handle(request, hostname, client[0] if client else "", "https")


def _hostname(host: str) -> str:
    return host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0].lower()


async def _body(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message: Any = await receive()
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise body_too_big(413)
        parts.append(part)
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(parts)


def _of_fault(fault: Fault) -> Message:
    kind, body = default_body(fault)
    headers = [("Content-Type", kind)]
    return Message("response", status=fault.status, reason=reason_phrase(fault.status), headers=headers, content=body)


async def _send(scope: Scope, send: Send, answer: Message) -> None:
    body = b"" if answer.status in _NO_BODY or scope["method"] == "HEAD" else answer.content
    pairs = [(name, value) for name, value in answer.headers.pairs if name.lower() != "content-length"]
    headers = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in pairs]
    if answer.status not in _NO_BODY:
        headers.append((b"Content-Length", str(len(answer.content)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

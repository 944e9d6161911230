"""Calling a backend: target servers or a URL, timeouts, and what its answer means."""

from __future__ import annotations

import random
from urllib.parse import urlsplit

import httpx

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import (
    Fault,
    body_too_big,
    no_target_server,
    reason_phrase,
    target_broke_off,
    target_connect_timeout,
    target_error,
    target_timeout,
    target_unavailable,
)
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.model import Connection, Server

MAX_BODY_BYTES = 10 * 1024 * 1024
"""What Apigee buffers of a message without streaming."""

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "host",
        # The client unpacks what the target packed.
        "content-encoding",
        "accept-encoding",
    }
)


async def send_to_target(context: Context, target: Connection | str) -> None:
    """Send the request and put the answer into `response`; raises `Fault`."""
    connection = Connection(url=None) if isinstance(target, str) else target
    request = context.variables.messages["request"]
    for index, base in enumerate(_bases(context, target)):
        try:
            answer = await _send(context, connection, base, request)
        except Fault as fault:
            # Only a connection that was never made is tried on another server.
            last = index + 1 >= len(connection.servers) or not connection.retry
            if last or fault.name != "ServiceUnavailable":
                raise
            continue
        context.variables.messages["response"] = answer
        context.variables.fill({"target.received.end.timestamp": int(context.now * 1000)})
        context.trace.add("target", base, str(answer.status))
        if not connection.is_success(answer.status):
            raise target_error(answer.status, answer)
        return
    raise no_target_server()


def _bases(context: Context, target: Connection | str) -> list[str]:
    """Return the URLs to try, in order."""
    if isinstance(target, str):
        return [target]
    path = target.path.fill(context.lookup) if target.path else ""
    if target.url is not None:
        return [target.url.fill(context.lookup)]
    return [url + path for server in _in_order(target) if (url := _server_url(context, server)) is not None]


def _in_order(connection: Connection) -> list[Server]:
    """Return servers in the order to try them: by chance as their weights say, fallbacks last."""
    first = [server for server in connection.servers if not server.fallback]
    fallback = [server for server in connection.servers if server.fallback]
    weights = {server.name: server.weight if connection.algorithm == "Weighted" else 1 for server in first}
    first.sort(key=lambda server: random.random() ** (1 / max(weights[server.name], 1)), reverse=True)  # noqa: S311
    return [*first, *fallback]


def _server_url(context: Context, server: Server) -> str | None:
    place = context.place
    key = f"{place.organization}/{place.environment}/{server.name}"
    document = context.services.store.get("apigee.targetservers", key)
    if document is None or document.get("isEnabled", True) is False:
        return None
    tls = bool(document.get("sSLInfo", {}).get("enabled"))
    return f"{'https' if tls else 'http'}://{document['host']}:{document['port']}"


async def _send(context: Context, connection: Connection, base: str, request: Message) -> Message:
    url = _url(context, base, request)
    parts = urlsplit(url)
    context.variables.fill(
        {
            "target.url": url,
            "target.host": parts.hostname or "",
            "target.port": parts.port or (443 if parts.scheme == "https" else 80),
            "target.scheme": parts.scheme,
            "target.sent.start.timestamp": int(context.now * 1000),
        }
    )
    headers = [(name, value) for name, value in request.headers.pairs if name.lower() not in _HOP_BY_HOP]
    try:
        answer = await context.services.network.send(
            request.verb, url, headers, request.content or None, timeout=connection.io_timeout
        )
    except httpx.ConnectTimeout:
        raise target_connect_timeout() from None
    except httpx.TimeoutException:
        raise target_timeout() from None
    except httpx.ConnectError:
        raise target_unavailable() from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise target_broke_off() from None
    if len(answer.content) > MAX_BODY_BYTES:
        raise body_too_big(502)
    kept = [(n, v) for n, v in answer.headers.multi_items() if n.lower() not in _HOP_BY_HOP]
    return Message(
        "response",
        headers=kept,
        content=answer.content,
        status=answer.status_code,
        reason=answer.reason_phrase or reason_phrase(answer.status_code),
    )


def _url(context: Context, base: str, request: Message) -> str:
    """Return the target's URL with the path below the base path and the query, where they are to be copied."""
    own = context.variables.get("target.url")
    if isinstance(own, str):
        # A policy of the target's request flow may say where to go instead.
        return own
    suffix = "" if context.variables.get("target.copy.pathsuffix") is False else _suffix(context)
    query = "" if context.variables.get("target.copy.queryparams") is False else request.querystring
    joined = base.rstrip("/") + suffix
    if not query:
        return joined
    return f"{joined}&{query}" if "?" in joined else f"{joined}?{query}"


def _suffix(context: Context) -> str:
    suffix = context.variables.text("proxy.pathsuffix") or ""
    return suffix if suffix.startswith("/") or not suffix else f"/{suffix}"

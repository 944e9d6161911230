"""Calling a backend: target servers or a URL, another proxy, timeouts, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from portcullis.sandbox.apigee.runtime.balancing import Named
from portcullis.sandbox.apigee.runtime.connection import Connection, LocalConnection, SslInfo
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.exchange import ExchangeError, Timeouts, Tls
from portcullis.sandbox.apigee.runtime.faults import (
    no_target_server,
    reason_phrase,
    target_error,
    target_failed,
)
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.templates import Template
from portcullis.sandbox.apigee.runtime.tls import Settings, TlsError, settings_of, tls_of
from portcullis.sandbox.apigee.runtime.values import as_flag
from portcullis.sandbox.loopback import ADDRESS

_NOT_RETRIED = frozenset({"too_big", "bad_url"})
"""Failures that another server would not mend."""

UrlOf = Callable[[str], str]
"""From a server's or a connection's base URL to the URL of the request."""

Announce = Callable[[str], None]
"""Told the URL before it is called."""


async def send_to_target(context: Context, connection: Connection | LocalConnection, key: str) -> None:
    """Send the request to a target endpoint and put the answer into `response`; raises `Fault`."""
    request = context.variables.messages["request"]
    context.stamp("target.sent.start", "target.sent.end")
    if isinstance(connection, LocalConnection):
        suffix = _suffix(context) if _copies(context, "pathsuffix") else ""
        answer = await call_proxy(context, connection, request, suffix)
    else:
        answer = await _over_network(context, connection, request, key)
    answer.reason = answer.reason or reason_phrase(answer.status)
    context.variables.messages["response"] = answer
    context.stamp("target.received.start", "target.received.end")
    if not connection.is_success(answer.status):
        raise target_error(answer.status, answer)


def announce_target(context: Context, connection: Connection | LocalConnection) -> None:
    """Fill the variables that a policy of the target's request flow reads, and may replace (`target.url`)."""
    url = connection.url if isinstance(connection, Connection) else None
    filled = url.fill(context.lookup) if url is not None else None
    context.configured_url = filled
    context.variables.fill({"target.url": filled})


async def _over_network(context: Context, connection: Connection, request: Message, key: str) -> Message:
    wanted = context.variables.get("target.url")
    # A policy of the target's request flow may say where to go instead; with target servers it has no say.
    own = wanted if isinstance(wanted, str) and wanted != context.configured_url else ""

    def url_of(base: str) -> str:
        url = own if own and not connection.servers else _url(context, base, request)
        _fill_target(context, url)
        return url

    try:
        return await call_backend(context, connection, request, key, url_of)
    except ExchangeError as error:
        raise target_failed(error.failure, str(error)) from None


async def call_proxy(context: Context, connection: LocalConnection, request: Message, suffix: str) -> Message:
    """Call the proxy that a local connection names, without the network, at `suffix` below the connection's path.

    Raises `Fault` where there is none.
    """
    texts = [
        part.fill(context.lookup) if part else "" for part in (connection.proxy, connection.endpoint, connection.path)
    ]
    copied = request.copy()
    copied.path = texts[2].rstrip("/") + (f"/{suffix.lstrip('/')}" if suffix else "")
    return await context.call_proxy(texts[0], texts[1], copied, bool(texts[2]))


async def call_backend(context: Context, connection: Connection, request: Message, key: str, url_of: UrlOf) -> Message:
    """Call the URL or the servers of a connection; `key` names its load balancer.

    Raises `ExchangeError`, or the `Fault` of having no server to call.
    """
    path = connection.path.fill(context.lookup) if connection.path else ""
    if connection.url is not None:
        base = connection.url.fill(context.lookup)
        return await _exchange(context, connection, request, url_of(base + path), _tls(context, connection.ssl))
    return await _balanced(context, connection, request, key, lambda base: url_of(base + path))


async def _balanced(context: Context, connection: Connection, request: Message, key: str, url_of: UrlOf) -> Message:
    balancing = context.services.balancing
    servers: list[Named] = [(server.name.fill(context.lookup), server) for server in connection.servers]
    for name, _ in balancing.due(key, connection, servers):
        await _probe(context, connection, key, name)
    order = [one for one in balancing.order(key, connection, servers) if _document(context, one[0]) is not None]
    failed: list[str] = []
    for index, (name, server) in enumerate(order):
        last = index + 1 >= len(order) or not connection.retry
        context.variables.fill({"loadbalancing.targetserver": name, "loadbalancing.isfallback": server.fallback})
        try:
            with balancing.request(key, name):
                base, tls = _server(context, connection, name)
                answer = await _exchange(context, connection, request, url_of(base), tls)
        except ExchangeError as error:
            balancing.failed(key, connection, name)
            failed.append(name)
            context.variables.fill({"loadbalancing.failedservers": tuple(failed)})
            if last or error.failure in _NOT_RETRIED:
                raise
            continue
        if answer.status in connection.unhealthy:
            balancing.failed(key, connection, name)
            if not last:
                continue
        else:
            balancing.succeeded(key, name)
        return answer
    raise no_target_server()


async def _probe(context: Context, connection: Connection, key: str, name: str) -> None:
    """Ask a server that was taken out whether it is well again, as its health monitor does."""
    monitor, document = connection.monitor, _document(context, name)
    if monitor is None or document is None:
        return
    base, tls = _server(context, connection, name)
    if monitor.port is not None:
        base = f"{base.rpartition(':')[0]}:{monitor.port}"
    asked = Message("request", verb=monitor.verb, headers=monitor.headers)
    try:
        timeouts = Timeouts(monitor.timeout, monitor.timeout)
        answer = await context.services.exchange.send(asked, base + (monitor.path or "/"), timeouts, tls)
    except ExchangeError:
        context.services.balancing.still_down(key, name)
        return
    if monitor.path is None or answer.status in monitor.statuses:
        context.services.balancing.succeeded(key, name)
    else:
        context.services.balancing.still_down(key, name)


def _document(context: Context, name: str) -> dict[str, object] | None:
    """Return an enabled target server, or `None`."""
    place = context.place
    document = context.services.store.get("apigee.targetservers", f"{place.organization}/{place.environment}/{name}")
    return None if document is None or document.get("isEnabled", True) is False else document


def _server(context: Context, connection: Connection, name: str) -> tuple[str, Tls]:
    """Return a server's base URL and how TLS to it is made; raises `ExchangeError`."""
    place = context.place
    document = context.services.store.get("apigee.targetservers", f"{place.organization}/{place.environment}/{name}")
    if document is None:
        raise ExchangeError("refused", f"target server {name} is gone")
    settings = settings_of(document.get("sSLInfo") or {})
    if not settings.enabled and connection.ssl is not None:
        settings = _settings(context, connection.ssl)
    scheme = "https" if settings.enabled else "http"
    return f"{scheme}://{document['host']}:{document['port']}", _material(context, settings)


def _tls(context: Context, ssl: SslInfo | None) -> Tls:
    return Tls() if ssl is None else _material(context, _settings(context, ssl))


def _material(context: Context, settings: Settings) -> Tls:
    place = context.place
    try:
        return tls_of(context.services.store, f"{place.organization}/{place.environment}", settings)
    except TlsError as error:
        raise ExchangeError("tls", str(error)) from None


def _settings(context: Context, ssl: SslInfo) -> Settings:
    def text(part: Template | None) -> str:
        return part.fill(context.lookup).strip() if part is not None else ""

    return Settings(
        enabled=as_flag(text(ssl.enabled)),
        enforce=as_flag(text(ssl.enforce)),
        client_auth=as_flag(text(ssl.client_auth)),
        key_store=text(ssl.key_store),
        key_alias=text(ssl.key_alias),
        trust_store=text(ssl.trust_store),
        ignore_errors=as_flag(text(ssl.ignore_errors)),
        common_name=ssl.common_name,
    )


async def _exchange(context: Context, connection: Connection, request: Message, url: str, tls: Tls) -> Message:
    limit = connection.payloads.response
    timeouts = Timeouts(connection.connect_timeout, connection.io_timeout)
    try:
        answer = await context.services.exchange.send(request, url, timeouts, tls, limit)
    except ExchangeError as error:
        context.trace.add("target", url, error.failure)
        raise
    context.trace.add("target", url, str(answer.status))
    return answer


def _fill_target(context: Context, url: str) -> None:
    parts = urlsplit(url)
    context.variables.fill(
        {
            "target.url": url,
            "request.url": url,
            "target.host": parts.hostname or "",
            "target.port": _port(url),
            # Every hostname leads to a listener here.
            "target.ip": ADDRESS,
            "target.scheme": parts.scheme,
            "target.basepath": parts.path,
            "target.ssl.enabled": parts.scheme == "https",
        }
    )


def _port(url: str) -> int | None:
    parts = urlsplit(url)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None


def _url(context: Context, base: str, request: Message) -> str:
    """Return the target's URL with the path below the base path and the query, where they are to be copied."""
    suffix = _suffix(context) if _copies(context, "pathsuffix") else ""
    query = request.querystring if _copies(context, "queryparams") else ""
    plain, question, own = base.partition("?")
    joined = (plain.rstrip("/") + suffix if suffix else plain) + question + own
    if not query:
        return joined
    return f"{joined}&{query}" if question else f"{joined}?{query}"


def _copies(context: Context, what: str) -> bool:
    """`target.copy.pathsuffix` and `target.copy.queryparams` are true unless a policy has set them otherwise."""
    value = context.variables.get(f"target.copy.{what}")
    return value is None or as_flag(value)


def _suffix(context: Context) -> str:
    suffix = context.variables.text("proxy.pathsuffix") or ""
    return suffix if suffix.startswith("/") or not suffix else f"/{suffix}"

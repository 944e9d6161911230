"""Reading how a backend is reached: `<HTTPTargetConnection>` and `<LocalTargetConnection>`.

Target endpoints and ServiceCallout policies have the same elements.
"""

from __future__ import annotations

from collections.abc import Mapping

from portcullis.sandbox.apigee.runtime.connection import (
    BUFFERED,
    Connection,
    LocalConnection,
    Monitor,
    Payloads,
    Server,
    SslInfo,
)
from portcullis.sandbox.apigee.runtime.elements import Node
from portcullis.sandbox.apigee.runtime.readers import template
from portcullis.sandbox.apigee.runtime.templates import Template

_HTTP = """
URL
Path
LoadBalancer/Algorithm
LoadBalancer/RetryEnabled
LoadBalancer/MaxFailures
LoadBalancer/ServerUnhealthyResponse/ResponseCode
LoadBalancer/Server @name
LoadBalancer/Server/Weight
LoadBalancer/Server/IsFallback
LoadBalancer/Server/IsEnabled
SSLInfo/Enabled
SSLInfo/Enforce
SSLInfo/ClientAuthEnabled
SSLInfo/KeyStore
SSLInfo/KeyAlias
SSLInfo/TrustStore
SSLInfo/IgnoreValidationErrors
SSLInfo/CommonName @wildcardMatch
HealthMonitor/IsEnabled
HealthMonitor/IntervalInSec
HealthMonitor/TCPMonitor/ConnectTimeoutInSec
HealthMonitor/TCPMonitor/Port
HealthMonitor/HTTPMonitor/Request/Verb
HealthMonitor/HTTPMonitor/Request/Path
HealthMonitor/HTTPMonitor/Request/Port
HealthMonitor/HTTPMonitor/Request/Header @name
HealthMonitor/HTTPMonitor/Request/ConnectTimeoutInSec
HealthMonitor/HTTPMonitor/Request/SocketReadTimeoutInSec
HealthMonitor/HTTPMonitor/SuccessResponse/ResponseCode
Properties/Property @name
"""
_HTTP_IGNORED = """
Authentication
SSLInfo/Protocols
SSLInfo/Ciphers
SSLInfo/CRLStore
HealthMonitor/HTTPMonitor/Request/IsSSL
HealthMonitor/HTTPMonitor/Request/TrustAllSSL
HealthMonitor/HTTPMonitor/Request/Payload
HealthMonitor/HTTPMonitor/Request/IncludeHealthCheckIdHeader
HealthMonitor/HTTPMonitor/Request/UseTargetServerSSLInfo
HealthMonitor/HTTPMonitor/SuccessResponse/Header
"""
_LOCAL = """
APIProxy @revisionNumber
ProxyEndpoint
Path
Properties/Property @name
"""


def _below(path: str, declaration: str) -> str:
    return "\n".join(f"{path}/{line}" for line in declaration.split("\n") if line.strip())


SUPPORTED = "\n".join([_below("HTTPTargetConnection", _HTTP), _below("LocalTargetConnection", _LOCAL)])
"""The declaration of both connections, for the `elements` of whoever has them; to be used with `IGNORED`."""

IGNORED = _below("HTTPTargetConnection", _HTTP_IGNORED)

TARGET_PROPERTIES = frozenset(
    {
        "connect.timeout.millis",
        "io.timeout.millis",
        "success.codes",
        "request.streaming.enabled",
        "response.streaming.enabled",
        "request.payload.parse.limit",
        "response.payload.parse.limit",
    }
)
MAX_PAYLOAD = 30 * 1024 * 1024
"""The largest `request.payload.parse.limit` that Apigee takes."""

_ALGORITHMS = frozenset({"RoundRobin", "Weighted", "LeastConnections"})
_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}


def read_connection(node: Node, warnings: list[str]) -> Connection | LocalConnection:
    """Read the connection below `node`; raises `BundleError` where there is none, or it is wrong."""
    local = node.find("LocalTargetConnection")
    if local is not None:
        return _local(local)
    connection = node.find("HTTPTargetConnection")
    if connection is None:
        raise node.error("<HTTPTargetConnection> or <LocalTargetConnection> is missing")
    return _http(connection, read_properties(connection, TARGET_PROPERTIES, warnings))


def read_properties(connection: Node, known: frozenset[str], warnings: list[str]) -> dict[str, str]:
    """Return the properties that are known; each other one is a warning."""
    found: dict[str, str] = {}
    for item in connection.find_all("Properties/Property"):
        name = item.attribute("name")
        if name in known:
            found[name] = item.text
        else:
            warnings.append(f"{connection.where}: property {name} has no effect in this runtime")
    return found


def _local(node: Node) -> LocalConnection:
    parts = {name: _optional(node, name) for name in ("APIProxy", "ProxyEndpoint", "Path")}
    if parts["Path"] is None and parts["APIProxy"] is None:
        raise node.error("<LocalTargetConnection> needs a <Path>, or an <APIProxy> and its <ProxyEndpoint>")
    return LocalConnection(parts["APIProxy"], parts["ProxyEndpoint"], parts["Path"])


def _optional(node: Node, path: str) -> Template | None:
    found = node.find(path)
    return template(found, found.text) if found is not None and found.text else None


def _http(node: Node, properties: Mapping[str, str]) -> Connection:
    balancer = node.find("LoadBalancer")
    servers = tuple(_server(server) for server in balancer.children("Server")) if balancer else ()
    url = _optional(node, "URL")
    if url is None and not servers:
        raise node.error("<HTTPTargetConnection> needs a <URL> or a <LoadBalancer> with servers")
    algorithm = node.words("LoadBalancer/Algorithm", "RoundRobin")
    if algorithm not in _ALGORITHMS:
        raise node.error(f"<Algorithm> {algorithm!r} is none of {', '.join(sorted(_ALGORITHMS))}")
    codes = tuple(code.strip().lower() for code in properties.get("success.codes", "").split(",") if code.strip())
    return Connection(
        # Where both are given, Apigee takes the servers.
        url=None if servers else url,
        servers=servers,
        algorithm=algorithm,
        retry=node.flag("LoadBalancer/RetryEnabled", default=True),
        max_failures=_whole(node, "LoadBalancer/MaxFailures", 0),
        unhealthy=_statuses(node, "LoadBalancer/ServerUnhealthyResponse/ResponseCode"),
        monitor=_monitor(node),
        path=_optional(node, "Path"),
        ssl=_ssl(node.find("SSLInfo")),
        connect_timeout=milliseconds(node, properties, "connect.timeout.millis", 3.0) or 3.0,
        io_timeout=milliseconds(node, properties, "io.timeout.millis", 55.0) or 55.0,
        success_codes=codes or Connection.success_codes,
        payloads=payloads(node, properties),
    )


def _server(node: Node) -> Server:
    weight = node.words("Weight", "1")
    if not weight.isdecimal() or int(weight) < 1:
        raise node.error("<Weight> of a server must be a whole number from 1")
    name = node.attribute("name")
    if not name:
        raise node.error("<Server> of a load balancer needs the name of a target server")
    return Server(template(node, name), int(weight), node.flag("IsFallback", default=False))


def _ssl(node: Node | None) -> SslInfo | None:
    if node is None:
        return None
    return SslInfo(
        enabled=_optional(node, "Enabled"),
        enforce=_optional(node, "Enforce"),
        client_auth=_optional(node, "ClientAuthEnabled"),
        key_store=_optional(node, "KeyStore"),
        key_alias=_optional(node, "KeyAlias"),
        trust_store=_optional(node, "TrustStore"),
        ignore_errors=_optional(node, "IgnoreValidationErrors"),
        common_name=node.words("CommonName"),
    )


def _monitor(node: Node) -> Monitor | None:
    health = node.find("HealthMonitor")
    if health is None or not health.flag("IsEnabled", default=False):
        return None
    interval = float(_whole(health, "IntervalInSec", 0))
    http = health.find("HTTPMonitor")
    if http is None:
        return Monitor(interval, port=_whole(health, "TCPMonitor/Port", 0) or None)
    headers = tuple((one.attribute("name"), one.text) for one in http.find_all("Request/Header"))
    return Monitor(
        interval,
        verb=http.words("Request/Verb", "GET"),
        path=http.words("Request/Path", "/"),
        port=_whole(http, "Request/Port", 0) or None,
        headers=headers,
        statuses=_statuses(http, "SuccessResponse/ResponseCode") or frozenset({200}),
        timeout=float(_whole(http, "Request/SocketReadTimeoutInSec", 10)),
    )


def _statuses(node: Node, path: str) -> frozenset[int]:
    texts = [found.text for found in node.find_all(path)]
    wrong = next((text for text in texts if not text.isdecimal()), None)
    if wrong is not None:
        raise node.error(f"<ResponseCode> must be a status, not {wrong!r}")
    return frozenset(int(text) for text in texts)


def _whole(node: Node, path: str, default: int) -> int:
    text = node.words(path)
    if text and not text.isdecimal():
        raise node.error(f"<{path}> must be a whole number, not {text!r}")
    return int(text) if text else default


def milliseconds(node: Node, properties: Mapping[str, str], name: str, default: float | None) -> float | None:
    """Return a property in milliseconds as seconds; raises `BundleError`."""
    text = properties.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise node.error(f"property {name} must be a whole number of milliseconds, a literal, not {text!r}")
    return int(text) / 1000


def payloads(node: Node, properties: Mapping[str, str]) -> Payloads:
    """Return what the properties say of streaming and of payload limits; raises `BundleError`."""
    sides: list[int | None] = []
    for side in ("request", "response"):
        streaming = properties.get(f"{side}.streaming.enabled", "false").lower() == "true"
        limit = _size(node, properties.get(f"{side}.payload.parse.limit", ""), f"{side}.payload.parse.limit")
        sides.append(None if streaming else limit)
    return Payloads(sides[0], sides[1])


def _size(node: Node, text: str, name: str) -> int:
    if not text:
        return BUFFERED.request or 0
    digits, unit = text.rstrip("KMkmBb"), text.lstrip("0123456789").upper().rstrip("B")
    if not digits.isdecimal() or unit not in _UNITS or int(digits) * _UNITS[unit] > MAX_PAYLOAD:
        raise node.error(f"property {name} must be a size such as 15M, and 30M at most, not {text!r}")
    return int(digits) * _UNITS[unit]

"""The variables that a request has before its first step, by the flow variables reference."""

from __future__ import annotations

import uuid

from portcullis.sandbox.apigee.runtime.deployments import Match
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.values import Value

_CLIENT_PORT = 443


def inbound(
    match: Match, request: Message, hostname: str, client_ip: str, scheme: str, message_id: str
) -> dict[str, Value]:
    """Return name to value."""
    forwarded = request.header("x-forwarded-for").partition(",")[0].strip()
    url = f"{scheme}://{hostname}{request.uri}"
    return {
        "messageid": message_id,
        "system.uuid": str(uuid.uuid4()),
        "is.error": False,
        "request.transportid": "http",
        "client.ip": client_ip,
        "client.resolved.ip": client_ip,
        "client.host": client_ip,
        "client.port": _CLIENT_PORT,
        "client.scheme": scheme,
        "client.ssl.enabled": scheme == "https",
        "proxy.name": match.proxy.name,
        "proxy.basepath": match.proxy.base_path,
        "proxy.pathsuffix": match.suffix,
        "proxy.client.ip": forwarded or client_ip,
        "proxy.url": url,
        "request.url": url,
        "virtualhost.name": "default",
        # Known in PostClientFlow alone.
        "client.sent.start.timestamp": -1,
        "client.sent.end.timestamp": -1,
    }

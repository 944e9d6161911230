"""Faults: what a policy or the runtime raises, and the default body that Apigee sends for it.

Names, codes and statuses are those of the policy error pages of the Apigee reference; the bodies are the ones the
runtime really sends (`{"fault":{"faultstring":…,"detail":{"errorcode":…}}}`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from portcullis.sandbox.apigee.runtime.message import Message


@dataclass(eq=False)
class Fault(Exception):  # noqa: N818 - Apigee's own word for it
    """An error that puts the flow in its error state.

    `code` is the whole error code (`steps.jwt.TokenExpired`), `status` the HTTP status of the default answer,
    `reason` the code of the failure for analytics where the runtime gives one (`TARGET_READ_TIMEOUT`), and `message`
    the answer a RaiseFault policy made, or the target's own answer, where there is one. `headers` go with the default
    answer.
    """

    code: str
    faultstring: str
    status: int = 500
    reason: str | None = None
    message: Message | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The value of `fault.name`: the last part of the error code."""
        return self.code.rpartition(".")[2]


def reason_phrase(status: int) -> str:
    """Return the standard reason phrase of a status, or nothing for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def default_body(fault: Fault, *, xml: bool = False) -> tuple[str, bytes]:
    """Return (content type, body) of the answer Apigee makes for a fault that nothing handles."""
    if xml:
        text = (
            f"<fault><faultstring>{escape(fault.faultstring)}</faultstring>"
            f"<detail><errorcode>{escape(fault.code)}</errorcode></detail></fault>"
        )
        return "text/xml", text.encode()
    document: dict[str, object] = {"errorcode": fault.code}
    if fault.reason:
        document["reason"] = fault.reason
    body = {"fault": {"faultstring": fault.faultstring, "detail": document}}
    return "application/json", json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def unknown_proxy(host: str, path: str) -> Fault:
    """No proxy is deployed on the host for the path."""
    escaped = path.replace("/", "\\/")
    return Fault(
        "messaging.adaptors.http.flow.ApplicationNotFound",
        f"Unable to identify proxy for host: {host} and url: {escaped}",
        404,
    )


def no_route(endpoint: str) -> Fault:
    """No route rule of the proxy endpoint is true."""
    return Fault("messaging.runtime.RouteFailed", f"Unable to route the message to a TargetEndpoint : {endpoint}", 500)


def body_too_big(status: int) -> Fault:
    """A request (413) or an answer of a target (502) is larger than the runtime buffers."""
    return Fault("protocol.http.TooBigBody", "Body buffer overflow", status)


_SERVICE = "messaging.adaptors.http.flow"
_UNAVAILABLE = "The Service is temporarily unavailable"


def target_failed(failure: str, detail: str = "") -> Fault:
    """The exchange with the target came to no answer, for one of the reasons of `ExchangeError`."""
    if failure == "too_big":
        return body_too_big(502)
    if failure == "connect_timeout":
        return Fault(f"{_SERVICE}.ServiceUnavailable", _UNAVAILABLE, 503, "TARGET_CONNECT_TIMEOUT")
    if failure == "read_timeout":
        return target_timeout()
    if failure == "tls":
        return Fault(f"{_SERVICE}.SslHandshakeFailed", f"SSL Handshake failed {detail}".strip(), 503)
    if failure == "broken":
        return Fault(f"{_SERVICE}.UnexpectedEOFAtTarget", "Unexpected EOF at target", 502)
    # Refused, an unknown name, or a URL that leads nowhere.
    return Fault(f"{_SERVICE}.ServiceUnavailable", _UNAVAILABLE, 503)


def target_timeout() -> Fault:
    """The target did not answer in time."""
    return Fault(f"{_SERVICE}.GatewayTimeout", "Gateway Timeout", 504, "TARGET_READ_TIMEOUT")


def api_timeout() -> Fault:
    """The whole call took longer than `api.timeout`."""
    return Fault(f"{_SERVICE}.GatewayTimeout", "Gateway Timeout", 504)


def internal_error() -> Fault:
    """The runtime itself has failed."""
    return Fault("messaging.runtime.UnhandledException", "Unhandled exception", 500)


def no_target_server() -> Fault:
    """Every target server of the load balancer is disabled or missing."""
    return Fault("messaging.adaptors.http.flow.NoActiveTargets", "The Service is temporarily unavailable", 503)


def target_error(status: int, answer: Message) -> Fault:
    """The target's status is not among `success.codes`."""
    return Fault(
        "messaging.adaptors.http.flow.ErrorResponseCode",
        f"Response code {status} is treated as error",
        status,
        message=answer,
    )

"""ServiceCallout: calls another service, or another proxy, in the middle of a flow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from portcullis.sandbox.apigee.runtime.connection import Connection, LocalConnection
from portcullis.sandbox.apigee.runtime.connection_xml import IGNORED, SUPPORTED, read_connection
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.exchange import ExchangeError, Failure
from portcullis.sandbox.apigee.runtime.faults import Fault, reason_phrase
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies.assignments import (
    ADD,
    ASSIGN_VARIABLE,
    COPY,
    REMOVE,
    SET,
    Operation,
    Scene,
    operations,
)
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.target import call_backend, call_proxy

DEFAULT_REQUEST = "servicecallout.request"
DEFAULT_MILLISECONDS = 55_000

_CODE = "steps.servicecallout.ExecutionFailed"
_REASONS: dict[Failure, str] = {
    "unknown_host": "Host not reachable",
    "refused": "Host not reachable",
    "bad_url": "Host not reachable",
    "tls": "SSL Handshake failed",
    "broken": "Unexpected EOF at target",
    "too_big": "Body buffer overflow",
}
_unawaited: set[asyncio.Task[None]] = set()
"""Calls whose answer nobody wants: the event loop itself holds tasks only weakly."""


def _below(path: str, declaration: str) -> str:
    return "\n".join(f"{path}/{line}" for line in declaration.split("\n") if line.strip())


@dataclass(frozen=True)
class ServiceCallout(Policy):
    """Sends the message that `<Request>` makes or names, and keeps the answer in the variable of `<Response>`.

    Without `<Response>` the flow goes on at once, and nobody learns how the call went.
    """

    type_name = "ServiceCallout"
    fault_prefix = "servicecallout"
    tells_success = True
    elements = elements(
        "\n".join(
            [
                "DisplayName",
                "Request @variable @clearPayload",
                _below("Request", "\n".join([ADD, SET, REMOVE, COPY, ASSIGN_VARIABLE])),
                "Request/IgnoreUnresolvedVariables",
                "Response",
                "Timeout",
                SUPPORTED,
            ]
        ),
        ignored=f"Request/Set/Authentication\n{IGNORED}",
    )

    operations: tuple[Operation, ...]
    strict: bool
    request: str
    clears: bool
    response: str
    seconds: float
    connection: Connection | LocalConnection

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`, in the words of Apigee's deployment errors."""
        base = common(node)
        request = node.find("Request")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            operations=operations(request) if request else (),
            strict=not (request.flag("IgnoreUnresolvedVariables", default=False) if request else False),
            request=(request.attribute("variable") if request else "") or DEFAULT_REQUEST,
            clears=request.flag_attribute("clearPayload", default=True) if request else True,
            response=node.words("Response"),
            seconds=_timeout(node),
            connection=_connection(node),
        )

    async def execute(self, context: Context) -> None:
        """Make the request and send it; raises `Fault`."""
        request = self._message(context)
        before = request.path
        scene = Scene(context, request, "steps.servicecallout", f"ServiceCallout[{self.name}]", self.strict)
        for operation in self.operations:
            operation(scene)
        sent = request.copy()
        if self.request in {"request", "message"} and sent.path == before:
            # The path of the flow's own request leads to this proxy, not to the service.
            sent.path = ""
        if self.clears and request is not context.variables.messages.get("request"):
            request.content = b""
        if self.response:
            await self._call(context, sent)
            return
        task = asyncio.create_task(self._forget(context, sent))
        _unawaited.add(task)
        task.add_done_callback(_unawaited.discard)

    def _message(self, context: Context) -> Message:
        """Return the request that is named, or a new one in its place; raises the fault of a variable that is none."""
        held = context.message(self.request) or context.variables.get(self.request)
        if held is None:
            made = Message("request", path="")
            context.variables.messages[self.request] = made
            return made
        label = f"ServiceCallout[{self.name}]: request variable {self.request} value is not of type"
        if not isinstance(held, Message):
            raise Fault("steps.servicecallout.RequestVariableNotMessageType", f"{label} Message")
        if held.kind != "request":
            raise Fault("steps.servicecallout.RequestVariableNotRequestMessageType", f"{label} Request Message")
        return held

    async def _forget(self, context: Context, request: Message) -> None:
        try:
            await self._answer(context, request)
        except (ExchangeError, Fault, TimeoutError) as error:
            context.trace.add("fault", self.name, type(error).__name__)

    async def _call(self, context: Context, request: Message) -> None:
        try:
            async with asyncio.timeout(self.seconds):
                answer = await self._answer(context, request)
        except TimeoutError:
            raise self._failed(f"timeout occurred in {self.name}") from None
        except ExchangeError as error:
            reason = _REASONS.get(error.failure, f"timeout occurred in {self.name}")
            raise self._failed(reason) from None
        answer.reason = answer.reason or reason_phrase(answer.status)
        context.variables.messages[self.response] = answer
        if not self.connection.is_success(answer.status):
            raise self._failed(f"ResponseCode {answer.status} is treated as error")

    async def _answer(self, context: Context, request: Message) -> Message:
        connection = self.connection
        if isinstance(connection, LocalConnection):
            return await call_proxy(context, connection, request, request.path)
        place = context.place
        key = f"{place.organization}/{place.environment}/{place.bundle}/{place.revision}/{self.name}"
        return await call_backend(context, connection, request, key, lambda base: self._url(context, base, request))

    def _url(self, context: Context, base: str, request: Message) -> str:
        """Return the URL with the request's own path and query; a policy may have set another one to call."""
        variable = f"servicecallout.{self.name}.target.url"
        ours = f"{variable} as called"
        wanted = context.variables.text(variable)
        if wanted and wanted != context.session.get(ours):
            base = wanted
        path, _, more = request.path.partition("?")
        plain, question, own = base.partition("?")
        query = "&".join(part for part in (own, more, request.querystring) if part)
        url = plain.rstrip("/") + f"/{path.lstrip('/')}" if path else plain
        url = f"{url}?{query}" if query or question else url
        parts = urlsplit(url)
        uri = parts.path + (f"?{parts.query}" if parts.query else "")
        context.session[ours] = url
        context.variables.fill({variable: url, "servicecallout.requesturi": uri})
        return url

    def _failed(self, reason: str) -> Fault:
        return Fault(_CODE, f"Execution of ServiceCallout {self.name} failed. Reason: {reason}")


def _timeout(node: Node) -> float:
    text = node.words("Timeout", str(DEFAULT_MILLISECONDS))
    if not text.isdecimal() or int(text) == 0:
        raise node.error(
            f"InvalidTimeoutValue: Invalid Timeout value {text}. It is a number of milliseconds above zero"
        )
    return int(text) / 1000


def _connection(node: Node) -> Connection | LocalConnection:
    http, step = node.find("HTTPTargetConnection"), node.attribute("name")
    if http is None and node.find("LocalTargetConnection") is None:
        raise node.error(f"ConnectionInfoMissing: Connection information is missing in Step {step}.")
    if http is not None and not http.words("URL") and http.find("LoadBalancer") is None:
        raise node.error(f"URLMissing: URL is missing in Step {step}.")
    found = read_connection(node, [])
    if isinstance(found, Connection):
        # The policy has its own timeout for the whole call.
        return replace(found, io_timeout=max(found.io_timeout, _timeout(node)))
    return found

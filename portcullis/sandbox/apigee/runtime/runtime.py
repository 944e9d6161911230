"""Runs requests through what is deployed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from portcullis.sandbox.apigee.runtime.caches import Caches
from portcullis.sandbox.apigee.runtime.context import Context, Services
from portcullis.sandbox.apigee.runtime.deployments import Deployments, Match
from portcullis.sandbox.apigee.runtime.exchange import Exchange
from portcullis.sandbox.apigee.runtime.faults import Fault, default_body, reason_phrase, unknown_proxy
from portcullis.sandbox.apigee.runtime.flow import run_proxy, run_steps
from portcullis.sandbox.apigee.runtime.kvm import KeyValueMaps
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.remote_keys import RemoteKeys
from portcullis.sandbox.apigee.runtime.spikes import Spikes
from portcullis.sandbox.apigee.runtime.tokens import Tokens
from portcullis.sandbox.apigee.runtime.trace import Trace
from portcullis.sandbox.apigee.runtime.variables import Variables
from portcullis.sandbox.clock import Clock
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import Store

MAX_SHARED_FLOW_DEPTH = 8

PostClient = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Outcome:
    """What the client gets, and what is still to run once it has it."""

    answer: Message
    trace: Trace
    post_client: PostClient | None = None


class Runtime:
    """The message processor of one sandbox."""

    def __init__(self, store: Store, network: Network, clock: Clock, logs: LogSink) -> None:
        self._services = Services(
            store=store,
            network=network,
            clock=clock,
            logs=logs,
            maps=KeyValueMaps(store, clock),
            keys=RemoteKeys(network, clock),
            spikes=Spikes(),
            caches=Caches(clock),
            tokens=Tokens(store, clock),
            exchange=Exchange(network),
        )
        self._deployments = Deployments(store)

    def reload(self) -> None:
        """Take up what the management API has changed."""
        self._deployments.reload()
        self._services.maps.forget_lost()

    def hostnames(self) -> set[str]:
        """Return the hostnames of the environment groups that have an environment."""
        return self._deployments.hostnames()

    async def handle(self, request: Message, hostname: str, client_ip: str, scheme: str) -> Outcome:
        """Run one request; never raises."""
        match = self._deployments.match(hostname, request.path)
        trace = Trace(str(uuid.uuid4()))
        if match is None:
            return Outcome(_fault_answer(unknown_proxy(hostname, request.path)), trace)
        for name in [n for n in request.headers.names() if n.lower().startswith("x-apigee-")]:
            request.headers.remove(name)
        context = self._context(match, request, hostname, client_ip, scheme, trace)
        answer = await run_proxy(context, match.deployment.bundle, match.proxy)
        return Outcome(answer, trace, lambda: self._after(context, match))

    async def _after(self, context: Context, match: Match) -> None:
        """Run PostClientFlow: the client has its answer, so nothing that goes wrong here can reach it."""
        context.variables.fill({"client.sent.end.timestamp": int(context.now * 1000)})
        try:
            await run_steps(context, match.proxy.post_client)
        except Fault as fault:
            context.trace.add("fault", "PostClientFlow", fault.code)

    def _context(
        self, match: Match, request: Message, hostname: str, client_ip: str, scheme: str, trace: Trace
    ) -> Context:
        place = match.deployment.place
        variables = _Clocked(place.constants, self._services.clock)
        variables.messages["request"] = request
        now = int(self._services.clock.now() * 1000)
        variables.fill(
            {
                "messageid": trace.message_id,
                "is.error": False,
                "client.ip": client_ip,
                "client.scheme": scheme,
                "client.received.start.timestamp": now,
                "client.received.end.timestamp": now,
                "proxy.name": match.proxy.name,
                "proxy.basepath": match.proxy.base_path,
                "proxy.pathsuffix": match.suffix,
                "proxy.client.ip": client_ip,
                "proxy.url": f"{scheme}://{hostname}{request.uri}",
                "request.url": f"{scheme}://{hostname}{request.uri}",
                "virtualhost.name": "default",
            }
        )
        return Context(self._services, place, variables, trace, self._call_shared_flow)

    async def _call_shared_flow(self, name: str, context: Context) -> None:
        found = self._deployments.shared_flow(context.place, name)
        if found is None or context.depth >= MAX_SHARED_FLOW_DEPTH:
            raise Fault("steps.flowcallout.SharedFlowNotFound", f"Shared flow {name} is not deployed", 500)
        outer, context.in_shared_flow = context.in_shared_flow, name
        context.depth += 1
        try:
            await run_steps(context, found[1].steps)
        finally:
            context.depth -= 1
            context.in_shared_flow = outer


class _Clocked(Variables):
    """Variables with `system.timestamp`, which is another in every look."""

    __slots__ = ("_clock",)

    def __init__(self, constants: Any, clock: Clock) -> None:
        super().__init__(constants)
        self._clock = clock

    def get(self, name: str) -> Any:
        """Return the value, or `None` where the variable is unset."""
        if name == "system.timestamp":
            return int(self._clock.now() * 1000)
        return super().get(name)


def _fault_answer(fault: Fault) -> Message:
    kind, body = default_body(fault)
    headers = [("Content-Type", kind)]
    return Message("response", status=fault.status, reason=reason_phrase(fault.status), headers=headers, content=body)

"""Runs requests through what is deployed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from portcullis.sandbox.apigee.runtime.balancing import Balancing
from portcullis.sandbox.apigee.runtime.caches import Caches
from portcullis.sandbox.apigee.runtime.connection import BUFFERED
from portcullis.sandbox.apigee.runtime.context import Context, Services
from portcullis.sandbox.apigee.runtime.deployments import Deployments, Match
from portcullis.sandbox.apigee.runtime.exchange import Exchange
from portcullis.sandbox.apigee.runtime.faults import Fault, default_body, reason_phrase, target_failed, unknown_proxy
from portcullis.sandbox.apigee.runtime.flow import run_proxy, run_steps
from portcullis.sandbox.apigee.runtime.inbound import inbound
from portcullis.sandbox.apigee.runtime.kvm import KeyValueMaps
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.moments import TimedVariables
from portcullis.sandbox.apigee.runtime.remote_keys import RemoteKeys
from portcullis.sandbox.apigee.runtime.spikes import Spikes
from portcullis.sandbox.apigee.runtime.tokens import Tokens
from portcullis.sandbox.apigee.runtime.trace import Trace
from portcullis.sandbox.apigee.runtime.trace_log import Passage, TraceLog
from portcullis.sandbox.clock import Clock
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import Store

MAX_DEPTH = 8
"""Of shared flows and proxies that call one another."""

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
        exchange = Exchange(network)
        self._services = Services(
            store=store,
            network=network,
            clock=clock,
            logs=logs,
            maps=KeyValueMaps(store, clock),
            keys=RemoteKeys(exchange, clock),
            spikes=Spikes(),
            caches=Caches(clock),
            tokens=Tokens(store, clock),
            exchange=exchange,
            balancing=Balancing(clock),
        )
        self._deployments = Deployments(store)
        self.traces = TraceLog(store)

    def reload(self) -> None:
        """Take up what the management API has changed."""
        self._deployments.reload()
        self._services.maps.forget_lost()

    def reset(self) -> None:
        """Forget what is kept in memory: caches and the state of load balancers."""
        self.reload()
        self._services.caches.clear()
        self._services.balancing.forget()
        self.traces.clear()

    async def close(self) -> None:
        """Close the connections to backends."""
        await self._services.exchange.close()

    def hostnames(self) -> set[str]:
        """Return the hostnames of the environment groups that have an environment."""
        return self._deployments.hostnames()

    def request_limit(self, hostname: str, path: str) -> int | None:
        """Return how many bytes of body a request may have; `None` where the proxy streams it."""
        match = self._deployments.match(hostname, path)
        return BUFFERED.request if match is None else match.proxy.payloads.request

    async def handle(self, request: Message, hostname: str, client_ip: str, scheme: str) -> Outcome:
        """Run one request; never raises."""
        match = self._deployments.match(hostname, request.path)
        trace = Trace(str(uuid.uuid4()))
        if match is None:
            return Outcome(_fault_answer(unknown_proxy(hostname, request.path)), trace)
        for name in [n for n in request.headers.names() if n.lower().startswith("x-apigee-")]:
            request.headers.remove(name)
        context = self._context(match, request, hostname, client_ip, scheme, trace)
        arrived, started, before = request.copy(), context.now, time.perf_counter()
        answer = await run_proxy(context, match.deployment.bundle, match.proxy)
        context.stamp("client.sent.start", "client.sent.end")
        took = (time.perf_counter() - before) * 1000
        passage = Passage(match.deployment.place, match.proxy.name, started, took, arrived, answer, trace)
        return Outcome(answer, trace, lambda: self._finish(context, match, passage))

    async def _finish(self, context: Context, match: Match, passage: Passage) -> None:
        try:
            await self._after(context, match)
        finally:
            self.traces.record(passage)

    async def _after(self, context: Context, match: Match) -> None:
        """Run PostClientFlow: the client has its answer, so nothing that goes wrong here can reach it."""
        flow = match.proxy.post_client
        context.stamp("client.sent.end")
        context.variables.fill({"current.flow.name": flow.name})
        context.tell_state("PROXY_POST_RESP_SENT")
        context.trace.add("flow", flow.name, context.phase)
        try:
            await run_steps(context, (*flow.request, *flow.response))
        except Fault as fault:
            context.trace.add("fault", flow.name, fault.code)

    def _context(
        self, match: Match, request: Message, hostname: str, client_ip: str, scheme: str, trace: Trace
    ) -> Context:
        place = match.deployment.place
        variables = TimedVariables(place.constants, self._services.clock)
        variables.messages["request"] = request
        context = Context(
            self._services,
            place,
            variables,
            trace,
            self._call_shared_flow,
            # Who the client is, and how deep the chain is, goes with the call.
            lambda proxy, endpoint, chained, whole: self._call_proxy(
                context, proxy, endpoint, chained, hostname, whole=whole
            ),
        )
        context.stamp("client.received.start", "client.received.end")
        variables.fill(inbound(match, request, hostname, client_ip, scheme, trace.message_id))
        return context

    async def _call_proxy(
        self, caller: Context, proxy: str, endpoint: str, request: Message, hostname: str, *, whole: bool
    ) -> Message:
        """Run another proxy of the environment on behalf of `caller`; raises `Fault` where there is none.

        `whole` tells that a path is written beside the proxy's name, which may hold its base path already.
        """
        match = self._deployments.local(caller.place, proxy, endpoint, request.path, whole=whole)
        if match is None or caller.depth >= MAX_DEPTH:
            raise target_failed("unknown_host")
        if proxy:
            request.path = match.proxy.base_path.rstrip("/") + match.suffix
        client_ip = caller.variables.text("client.ip") or ""
        context = self._context(match, request, hostname, client_ip, "https", Trace(caller.trace.message_id))
        context.depth = caller.depth + 1
        answer = await run_proxy(context, match.deployment.bundle, match.proxy)
        caller.trace.events.extend(context.trace.events)
        await self._after(context, match)
        return answer

    async def _call_shared_flow(self, name: str, context: Context) -> None:
        found = self._deployments.shared_flow(context.place, name)
        if found is None:
            raise Fault("flow.SharedFlowNotFound", f"Shared Flow {name} Not Found", 500)
        if context.depth >= MAX_DEPTH:
            raise Fault("steps.flowcallout.ExecutionFailed", f"Shared Flow {name} is called too deep", 500)
        deployment, flow = found
        outer, place = context.in_shared_flow, context.place
        context.in_shared_flow = name
        # A shared flow has resources and property sets of its own; whose request it is stays the same.
        context.place = replace(place, resources=deployment.place.resources)
        own = {**deployment.bundle.properties, "apigee.edge.sharedflow.name": name}
        outer_values = {key: context.variables.get(key) for key in own}
        context.variables.fill(own)
        context.depth += 1
        try:
            await run_steps(context, flow.steps)
        finally:
            context.depth -= 1
            context.in_shared_flow, context.place = outer, place
            context.variables.fill(outer_values)


def _fault_answer(fault: Fault) -> Message:
    kind, body = default_body(fault)
    headers = [("Content-Type", kind)]
    return Message("response", status=fault.status, reason=reason_phrase(fault.status), headers=headers, content=body)

"""The pipeline: which steps run in which order, and what happens to a fault.

Order and evaluation of fault rules follow Google's flow and fault handling guides.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence

from portcullis.sandbox.apigee.runtime.connection import Connection
from portcullis.sandbox.apigee.runtime.context import Answered, Context
from portcullis.sandbox.apigee.runtime.faults import (
    Fault,
    api_timeout,
    default_body,
    internal_error,
    no_route,
    reason_phrase,
)
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.model import (
    Bundle,
    Endpoint,
    FaultRule,
    Flow,
    ProxyEndpoint,
    Route,
    Step,
    TargetEndpoint,
)
from portcullis.sandbox.apigee.runtime.snapshot import changes, snapshot
from portcullis.sandbox.apigee.runtime.target import announce_target, send_to_target
from portcullis.sandbox.apigee.runtime.trace import Access

_LOG = logging.getLogger(__name__)


async def run_proxy(context: Context, bundle: Bundle, proxy: ProxyEndpoint) -> Message:
    """Run a request through a proxy; the answer is in the variables' `response`, or `error` after a fault.

    Never raises `Fault`: one that no rule handles becomes its default answer.
    """
    answer = await _answer(context, bundle, proxy)
    for finish in context.finishers:
        finish(answer)
    return answer


async def _answer(context: Context, bundle: Bundle, proxy: ProxyEndpoint) -> Message:
    run = _Run(context, bundle, proxy)
    try:
        async with asyncio.timeout(proxy.timeout):
            return await run.through()
    except TimeoutError:
        return await _answer_fault(context, run.place, api_timeout())
    except Fault as fault:
        return await _answer_fault(context, run.place, fault)
    except Exception:
        # A mistake of this runtime: the sandbox's log has it, the client gets a fault like any other.
        _LOG.exception("proxy %s failed", context.place.bundle)
        return await _answer_fault(context, run.place, internal_error())


class _Run:
    """One request's way; `place` is the endpoint whose fault rules count now."""

    def __init__(self, context: Context, bundle: Bundle, proxy: ProxyEndpoint) -> None:
        self._context = context
        self._bundle = bundle
        self._proxy = proxy
        self.place: Endpoint = proxy

    async def through(self) -> Message:
        context, proxy = self._context, self._proxy
        try:
            await self._there()
        except Answered as answered:
            await self._turn(answered.resume_after)
        self.place, context.in_target = proxy, False
        context.enter("response")
        await _response_side(context, proxy)
        await _hook(context, "PostProxyFlowHook")
        return context.variables.messages["response"]

    async def _there(self) -> None:
        context, proxy = self._context, self._proxy
        context.enter("request")
        await _hook(context, "PreProxyFlowHook")
        await _request_side(context, proxy)
        route = _route(context, proxy)
        if route.target is not None:
            self.place = self._bundle.targets[route.target]
            context.in_target = True
            await self._target(self._bundle.targets[route.target])
        elif route.url is not None:
            await self._url(Connection(url=route.url))
        else:
            _answer_without_target(context)

    async def _turn(self, policy: str) -> None:
        """Go back from where a policy has answered, by way of its own place in the response flow."""
        context = self._context
        context.enter("response")
        if context.in_target and _goes_back_by(context, self.place, policy):
            context.resume_after = policy
            await _response_side(context, self.place)
        elif _goes_back_by(context, self._proxy, policy):
            context.resume_after = policy

    async def _target(self, target: TargetEndpoint) -> None:
        context = self._context
        context.variables.fill({"target.name": target.name})
        announce_target(context, target.connection)
        await _hook(context, "PreTargetFlowHook")
        await _request_side(context, target)
        await send_to_target(context, target.connection, self._key(target.name))
        context.enter("response")
        await _response_side(context, target)
        await _hook(context, "PostTargetFlowHook")

    async def _url(self, connection: Connection) -> None:
        announce_target(self._context, connection)
        await send_to_target(self._context, connection, self._key("url"))

    def _key(self, target: str) -> str:
        place = self._context.place
        return f"{place.organization}/{place.environment}/{place.bundle}/{place.revision}/{target}"


async def run_steps(context: Context, steps: Iterable[Step]) -> None:
    """Run steps in order; a condition that is false or a disabled policy skips one. Raises `Fault`."""
    for step in steps:
        await _run_step(context, step)


async def _run_step(context: Context, step: Step) -> None:
    policy, variables = step.policy, context.variables
    if context.resume_after:
        # On the way back from a policy that has answered: what is before its own place is left out.
        if policy.name == context.resume_after:
            context.resume_after = ""
        return
    # A shared flow's steps run inside of a step: each notes what it did itself.
    outer, variables.access = variables.access, Access()
    try:
        if not policy.enabled or (step.condition is not None and not step.condition(context.lookup)):
            why = step.condition.text if policy.enabled and step.condition else "disabled"
            context.trace.add("skipped", policy.name, why, access=variables.access)
            return
        before, started = snapshot(variables), time.perf_counter()
        try:
            await policy.execute(context)
            if policy.tells_success:
                variables.fill(dict.fromkeys((policy.failed_variable, f"{policy.fault_prefix}.failed"), False))
        except Fault as fault:
            # With the policy's name, as the reference has it, and without, as bundles have it too.
            failed = dict.fromkeys((policy.failed_variable, f"{policy.fault_prefix}.failed"), True)
            variables.fill({**failed, "fault.name": fault.name})
            context.trace.add("fault", policy.name, fault.code)
            if not policy.continue_on_error:
                raise
        finally:
            took = time.perf_counter() - started
            variables.access.writes.update(changes(before, variables))
            context.trace.add("step", policy.name, policy.type_name, took * 1000, variables.access)
            variables.fill({f"apigee.metrics.policy.{policy.name}.timeTaken": int(took * 1e9)})
    finally:
        variables.access = outer


async def _hook(context: Context, point: str) -> None:
    """Run the environment's shared flow for a point, if it has one."""
    hook = context.place.hooks.get(point)
    if hook is None:
        return
    context.trace.add("hook", point, hook.shared_flow)
    context.variables.fill({"apigee.edge.flowhook.name": point})
    context.tell_state("RESP_SENT" if point == "PostProxyFlowHook" else context.flow_state)
    try:
        await context.call_shared_flow(hook.shared_flow, context)
    except Fault as fault:
        context.trace.add("fault", point, fault.code)
        if not hook.continue_on_error:
            raise
    finally:
        context.variables.fill({"apigee.edge.flowhook.name": None})


async def _request_side(context: Context, endpoint: Endpoint) -> None:
    """Run PreFlow, the first flow whose condition is true, and PostFlow."""
    await _side(context, endpoint.preflow, endpoint.preflow.request)
    chosen = _chosen(context, endpoint)
    if chosen is not None:
        await _side(context, chosen, chosen.request)
    await _side(context, endpoint.postflow, endpoint.postflow.request)


async def _response_side(context: Context, endpoint: Endpoint) -> None:
    """Run the same for the response: conditions are looked at again, and may choose another flow than before."""
    await _side(context, endpoint.preflow, endpoint.preflow.response)
    chosen = _chosen(context, endpoint)
    if chosen is not None:
        await _side(context, chosen, chosen.response)
    await _side(context, endpoint.postflow, endpoint.postflow.response)


def _goes_back_by(context: Context, endpoint: Endpoint, policy: str) -> bool:
    """Tell whether the policy is attached to the response flow that the endpoint will run."""
    chosen = _chosen(context, endpoint)
    flows = [endpoint.preflow, *([chosen] if chosen else []), endpoint.postflow]
    return any(step.policy.name == policy for flow in flows for step in flow.response)


def _chosen(context: Context, endpoint: Endpoint) -> Flow | None:
    return next((f for f in endpoint.flows if f.condition is None or f.condition(context.lookup)), None)


async def _side(context: Context, flow: Flow, steps: Sequence[Step]) -> None:
    context.variables.fill({"current.flow.name": flow.name, "current.flow.description": flow.description or None})
    context.tell_state(context.flow_state)
    context.trace.add("flow", flow.name, context.phase)
    await run_steps(context, steps)


def _route(context: Context, proxy: ProxyEndpoint) -> Route:
    """Return the first route whose condition is true; raises the fault of having none."""
    for route in proxy.routes:
        if route.condition is None or route.condition(context.lookup):
            context.trace.add("route", route.name, route.target or "")
            context.variables.fill({"route.name": route.name, "route.target": route.target})
            return route
    raise no_route(proxy.name)


def _answer_without_target(context: Context) -> None:
    """Answer a null route: a response that a policy has made, or the request's headers and body with 200."""
    if "response" in context.variables.messages:
        return
    request = context.variables.messages["request"]
    kept = [(name, value) for name, value in request.headers.pairs if name.lower() not in _REQUEST_ONLY]
    answer = Message("response", status=200, reason="OK", headers=kept, content=request.content)
    context.variables.messages["response"] = answer


_REQUEST_ONLY = frozenset({"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te"})


async def _answer_fault(context: Context, endpoint: Endpoint, fault: Fault) -> Message:
    """Go over to the error flow of the endpoint where the fault happened, and return what the client gets."""
    answer = _error_message(context, fault)
    context.variables.fill({"error.state": _error_state(context, fault)})
    context.fault = fault
    context.variables.messages["error"] = answer
    context.enter("error")
    _tell_fault(context, fault)
    try:
        await _handle(context, endpoint, fault)
    except Fault as second:
        # A fault in a fault rule ends them; what it says is what the client gets.
        _tell_fault(context, second)
        context.variables.messages["error"] = _error_message(context, second)
    return context.variables.messages["error"]


def _error_state(context: Context, fault: Fault) -> str:
    """Return where the fault came: in a part of the flow, or on the way to the target or back."""
    if context.in_target and context.phase == "request" and fault.code.startswith("messaging.adaptors.http"):
        return "TARGET_RESP_FLOW" if "response" in context.variables.messages else "REQ_SENT"
    return context.flow_state


def _tell_fault(context: Context, fault: Fault) -> None:
    context.variables.fill(
        {
            "is.error": True,
            "fault.name": fault.name,
            "error.message": fault.faultstring,
            "fault.type": fault.name,
            "fault.category": "Messaging" if fault.code.startswith(("messaging.", "protocol.")) else "Step",
            "fault.subcategory": fault.code.rpartition(".")[0],
            "fault.reason": fault.reason or fault.faultstring,
        }
    )


def _error_message(context: Context, fault: Fault) -> Message:
    if fault.message is not None:
        return fault.message
    accept = context.variables.messages["request"].header("accept").lower()
    kind, body = default_body(fault, xml="xml" in accept and "json" not in accept)
    answer = Message("response", status=fault.status, reason=reason_phrase(fault.status), content=body)
    answer.headers.set("Content-Type", kind)
    for name, value in fault.headers:
        answer.headers.set(name, value)
    return answer


async def _handle(context: Context, endpoint: Endpoint, fault: Fault) -> None:
    """Run the one fault rule that fits, and the default rule where it may run.

    A proxy endpoint's rules are read from the bottom, a target endpoint's from the top. The default rule runs where
    no rule fitted or where it is always enforced.
    """
    rules = endpoint.fault_rules
    in_order = tuple(reversed(rules)) if isinstance(endpoint, ProxyEndpoint) else rules
    rule = next((r for r in in_order if r.condition is None or r.condition(context.lookup)), None)
    if rule is not None:
        await _run_rule(context, rule)
    default = endpoint.default_fault_rule
    if default is None or (rule is not None and not default.always_enforce):
        return
    if default.condition is None or default.condition(context.lookup):
        await _run_rule(context, default)


async def _run_rule(context: Context, rule: FaultRule) -> None:
    context.trace.add("fault-rule", rule.name)
    context.variables.fill({"faultrule.name": rule.name})
    await run_steps(context, rule.steps)

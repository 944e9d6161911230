"""The pipeline: which steps run in which order, and what happens to a fault.

Order and evaluation of fault rules follow Google's flow and fault handling guides.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault, default_body, no_route, reason_phrase
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
from portcullis.sandbox.apigee.runtime.target import send_to_target


async def run_proxy(context: Context, bundle: Bundle, proxy: ProxyEndpoint) -> Message:
    """Run a request through a proxy; the answer is in the variables' `response`, or `error` after a fault.

    Never raises `Fault`: one that no rule handles becomes its default answer.
    """
    place: Endpoint = proxy
    try:
        chosen = await _proxy_request(context, proxy)
        target, url = _target_of(context, bundle, _route(context, proxy))
        if target is not None:
            place = target
            context.in_target = True
            await _through_target(context, bundle, target)
        elif url is not None:
            await send_to_target(context, url)
        else:
            _answer_without_target(context)
        place = proxy
        context.in_target = False
        context.enter("response")
        await _response_side(context, proxy, chosen)
        return context.variables.messages["response"]
    except Fault as fault:
        return await _answer_fault(context, place, fault)


async def run_steps(context: Context, steps: Iterable[Step]) -> None:
    """Run steps in order; a condition that is false or a disabled policy skips one. Raises `Fault`."""
    for step in steps:
        policy = step.policy
        if not policy.enabled or (step.condition is not None and not step.condition(context.lookup)):
            context.trace.add("skipped", policy.name, step.condition.text if step.condition else "")
            continue
        started = time.perf_counter()
        try:
            await policy.execute(context)
        except Fault as fault:
            context.variables.fill({policy.failed_variable: True, "fault.name": fault.name})
            context.trace.add("fault", policy.name, fault.code)
            if not policy.continue_on_error:
                raise
        context.trace.add("step", policy.name, milliseconds=(time.perf_counter() - started) * 1000)


async def _proxy_request(context: Context, proxy: ProxyEndpoint) -> Flow | None:
    context.enter("request")
    return await _request_side(context, proxy)


async def _request_side(context: Context, endpoint: Endpoint) -> Flow | None:
    """Run PreFlow, the first flow whose condition is true, and PostFlow; return that flow."""
    await _side(context, endpoint.preflow, endpoint.preflow.request)
    chosen = next((f for f in endpoint.flows if f.condition is None or f.condition(context.lookup)), None)
    if chosen is not None:
        await _side(context, chosen, chosen.request)
    await _side(context, endpoint.postflow, endpoint.postflow.request)
    return chosen


async def _response_side(context: Context, endpoint: Endpoint, chosen: Flow | None) -> None:
    await _side(context, endpoint.preflow, endpoint.preflow.response)
    if chosen is not None:
        await _side(context, chosen, chosen.response)
    await _side(context, endpoint.postflow, endpoint.postflow.response)


async def _side(context: Context, flow: Flow, steps: Sequence[Step]) -> None:
    context.variables.fill({"current.flow.name": flow.name})
    context.trace.add("flow", flow.name)
    await run_steps(context, steps)


def _route(context: Context, proxy: ProxyEndpoint) -> Route:
    """Return the first route whose condition is true; raises the fault of having none."""
    for route in proxy.routes:
        if route.condition is None or route.condition(context.lookup):
            context.trace.add("route", route.name, route.target or "")
            context.variables.fill({"route.name": route.name, "route.target": route.target})
            return route
    raise no_route(proxy.name)


def _target_of(context: Context, bundle: Bundle, route: Route) -> tuple[TargetEndpoint | None, str | None]:
    if route.target is not None:
        return bundle.targets[route.target], None
    return None, route.url.fill(context.lookup) if route.url is not None else None


async def _through_target(context: Context, bundle: Bundle, target: TargetEndpoint) -> None:
    context.variables.fill({"target.name": target.name})
    chosen = await _request_side(context, target)
    await send_to_target(context, target.connection)
    context.enter("response")
    await _response_side(context, target, chosen)


def _answer_without_target(context: Context) -> None:
    """Answer a null route: the request's body and headers come back with 200, as Apigee does."""
    request = context.variables.messages["request"]
    answer = Message("response", status=200, reason="OK", content=request.content)
    if request.header("content-type"):
        answer.headers.set("Content-Type", request.header("content-type"))
    context.variables.messages["response"] = answer


async def _answer_fault(context: Context, endpoint: Endpoint, fault: Fault) -> Message:
    """Go over to the error flow of the endpoint where the fault happened, and return what the client gets."""
    answer = _error_message(context, fault)
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


def _tell_fault(context: Context, fault: Fault) -> None:
    context.variables.fill(
        {
            "is.error": True,
            "fault.name": fault.name,
            "error.message": fault.faultstring,
            "fault.category": fault.code.rpartition(".")[0],
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
    await run_steps(context, rule.steps)

"""Flow hooks of an environment: which shared flow runs at each of the four points of every proxy."""

from __future__ import annotations

from portcullis.sandbox.apigee.management.errors import bad_field, not_found
from portcullis.sandbox.apigee.management.messages import BOOL, TEXT, check, require
from portcullis.sandbox.apigee.management.service import (
    FLOW_HOOKS,
    SHARED_FLOW_DEPLOYMENTS,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

POINTS = ("PreProxyFlowHook", "PreTargetFlowHook", "PostTargetFlowHook", "PostProxyFlowHook")
_MESSAGE = {"flowHookPoint": TEXT, "description": TEXT, "sharedFlow": TEXT, "continueOnError": BOOL}


def _point(service: Service, call: Call) -> str:
    service.environment(call)
    point = call.names["point"]
    if point not in POINTS:
        raise not_found(f"flow hook {point} does not exist: it must be one of {', '.join(POINTS)}")
    return point


def _get(service: Service, call: Call) -> Answer:
    point = _point(service, call)
    empty: JsonObject = {"flowHookPoint": point, "continueOnError": True}
    return service.store.get(FLOW_HOOKS, call.key("org", "env", "point")) or empty


def _list(service: Service, call: Call) -> Answer:
    service.environment(call)
    return list(POINTS)


def _attach(service: Service, call: Call) -> Answer:
    point = _point(service, call)
    body = check(call.body, _MESSAGE, "flow_hook")
    require(body, "flow_hook", "sharedFlow")
    name = body["sharedFlow"]
    if service.store.get(SHARED_FLOW_DEPLOYMENTS, f"{call.key('org', 'env')}/{name}") is None:
        raise bad_field("flow_hook.shared_flow", f"shared flow {name} is not deployed in {call.names['env']}")
    hook: JsonObject = {"continueOnError": True, **body, "flowHookPoint": point}
    service.store.put(FLOW_HOOKS, call.key("org", "env", "point"), hook)
    return hook


def _detach(service: Service, call: Call) -> Answer:
    _point(service, call)
    key = call.key("org", "env", "point")
    hook = service.store.get(FLOW_HOOKS, key)
    if hook is None:
        raise not_found(f"no shared flow is attached to {call.path}")
    service.store.delete(FLOW_HOOKS, key)
    return hook


_HOOKS = "organizations/{org}/environments/{env}/flowhooks"

ENDPOINTS = (
    Endpoint("GET", _HOOKS, _list),
    Endpoint("GET", f"{_HOOKS}/{{point}}", _get),
    Endpoint("PUT", f"{_HOOKS}/{{point}}", _attach),
    Endpoint("DELETE", f"{_HOOKS}/{{point}}", _detach),
)

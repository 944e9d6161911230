"""Debug sessions of a deployed revision: the requests that it has seen since, step by step.

The runtime traces every request and masks it; a session is a window on what is kept.
"""

from __future__ import annotations

import uuid
from typing import Any

from portcullis.sandbox.apigee.management.errors import bad_field, not_found
from portcullis.sandbox.apigee.management.messages import INT32, INT64, TEXT, check, require_name
from portcullis.sandbox.apigee.management.service import (
    DEBUG_SESSIONS,
    DEPLOYMENTS,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

_MESSAGE = {
    "name": TEXT,
    "timeout": INT64,
    "count": INT32,
    "tracesize": INT32,
    "validity": INT32,
    "filter": TEXT,
    "createTime": TEXT,
}
_MAX_SECONDS, _MAX_COUNT = 600, 15
"""Of the API: ten minutes, fifteen requests."""

_POINTS = {"flow": "FlowInfo", "skipped": "Condition", "fault": "Error", "route": "FlowInfo", "target": "FlowInfo"}


def _key(call: Call) -> str:
    return call.key("org", "env", "api", "revision", "session")


def _create(service: Service, call: Call) -> Answer:
    service.environment(call)
    live = service.store.get(DEPLOYMENTS, call.key("org", "env", "api"))
    if live is None or live["revision"] != call.names["revision"]:
        raise not_found(f"generic::not_found: {call.path.removesuffix('/debugsessions')} is not deployed")
    body = check(call.body, _MESSAGE, "debug_session")
    if body.get("filter"):
        raise bad_field("debug_session.filter", "the sandbox does not filter debug sessions: leave filter out")
    name = body.get("name") or str(uuid.uuid4())
    require_name(name, r"[A-Za-z0-9._-]+", "debug_session.name")
    session: JsonObject = {
        "name": name,
        "timeout": str(min(int(body.get("timeout") or call.query.get("timeout") or _MAX_SECONDS), _MAX_SECONDS)),
        "count": min(int(body.get("count") or _MAX_COUNT), _MAX_COUNT),
        "createTime": service.now(),
    }
    service.store.put(DEBUG_SESSIONS, f"{call.key('org', 'env', 'api', 'revision')}/{name}", session)
    return session


def _session(service: Service, call: Call) -> JsonObject:
    return service.find(DEBUG_SESSIONS, _key(call), call.path)


def _get(service: Service, call: Call) -> Answer:
    return _session(service, call)


def _list(service: Service, call: Call) -> Answer:
    service.environment(call)
    found = service.list(DEBUG_SESSIONS, call.key("org", "env", "api", "revision"))
    sessions = [
        {"id": item["name"], "apiProxyRevisionId": call.names["revision"], "createTime": item["createTime"]}
        for item in found
    ]
    return {"sessions": sessions} if sessions else {}


def _seen(service: Service, call: Call) -> list[JsonObject]:
    """The traces of the session: those of its revision, within its time, and no more than its count."""
    session = _session(service, call)
    start = int(session["createTime"])
    end = start + int(session["timeout"]) * 1000
    place = tuple(call.names[part] for part in ("org", "env", "api", "revision"))
    found = [
        trace
        for trace in service.traces()
        if tuple(trace[part] for part in ("organization", "environment", "proxy", "revision")) == place
        and start <= trace["started"] <= end
    ]
    return found[: session["count"]]


def _transactions(service: Service, call: Call) -> Answer:
    return {"transactions": [trace["id"] for trace in _seen(service, call)]}


def _transaction(service: Service, call: Call) -> Answer:
    for trace in _seen(service, call):
        if trace["id"] == call.names["transaction"]:
            return {"completed": True, "point": [_point(trace, event) for event in trace["events"]]}
    raise not_found(f"{call.path} was not traced, or is not kept any more")


def _point(trace: JsonObject, event: JsonObject) -> JsonObject:
    """One event as the API writes it: what happened, then the variables that were read and written."""
    names: dict[str, Any] = {"name": event["name"], "type": event["kind"], "detail": event.get("detail", "")}
    if "milliseconds" in event:
        names["milliseconds"] = event["milliseconds"]
    info: JsonObject = {
        "ActionResult": "DebugInfo",
        "timestamp": str(trace["started"]),
        "properties": {"property": [{"name": name, "value": str(value)} for name, value in names.items()]},
    }
    access = [{"Get": {"name": name, "value": value}} for name, value in event.get("reads", {}).items()]
    access += [
        {"Remove": {"name": name, "success": True}}
        if value is None
        else {"Set": {"name": name, "value": value, "success": True}}
        for name, value in event.get("writes", {}).items()
    ]
    results = [info, {"ActionResult": "VariableAccess", "accessList": access}] if access else [info]
    return {"id": _POINTS.get(event["kind"], "Execution"), "results": results}


def _delete(service: Service, call: Call) -> Answer:
    session = _session(service, call)
    service.store.delete(DEBUG_SESSIONS, _key(call))
    return session


_SESSIONS = "organizations/{org}/environments/{env}/apis/{api}/revisions/{revision}/debugsessions"

ENDPOINTS = (
    Endpoint("GET", _SESSIONS, _list),
    Endpoint("POST", _SESSIONS, _create),
    Endpoint("GET", f"{_SESSIONS}/{{session}}", _get),
    Endpoint("DELETE", f"{_SESSIONS}/{{session}}", _delete),
    Endpoint("GET", f"{_SESSIONS}/{{session}}/data", _transactions),
    Endpoint("GET", f"{_SESSIONS}/{{session}}/data/{{transaction}}", _transaction),
)

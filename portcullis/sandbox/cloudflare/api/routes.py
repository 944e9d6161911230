"""Routes: which requests of a zone a Worker answers (`/zones/{zone}/workers/routes`).

Documents: `cf.routes` key = "{zone}/{id}" {pattern, script, account}.
"""

from __future__ import annotations

import re
import uuid

from portcullis.sandbox.cloudflare.api.answers import (
    DUPLICATE_ROUTE,
    INVALID_ROUTE,
    NO_SUCH_ROUTE_SCRIPT,
    NO_SUCH_WORKER,
    ApiError,
    Paged,
    invalid,
)
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, member, name_member
from portcullis.sandbox.cloudflare.api.workers import ROUTES, WORKERS
from portcullis.sandbox.store import JsonObject

# A hostname, perhaps with a leading *, and a path, perhaps with a trailing *; a scheme may come first.
_PATTERN = re.compile(r"(?:https?://)?(?:\*\.?)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[^\s*?#]*\*?|\*)?", re.IGNORECASE)


def _create(call: Call) -> JsonObject:
    route = _route(call, uuid.uuid4().hex)
    call.data.put(ROUTES, f"{call.params['zone']}/{route['id']}", route)
    return _view(route)


def _replace(call: Call) -> JsonObject:
    old = _find(call)
    route = _route(call, old["id"])
    call.data.put(ROUTES, f"{call.params['zone']}/{old['id']}", route)
    return _view(route)


def _read(call: Call) -> JsonObject:
    return _view(_find(call))


def _list(call: Call) -> Paged:
    return Paged([_view(route) for _, route in call.data.items(ROUTES, f"{call.params['zone']}/")])


def _delete(call: Call) -> JsonObject:
    route = _find(call)
    call.data.delete(ROUTES, f"{call.params['zone']}/{route['id']}")
    return {"id": route["id"]}


def _find(call: Call) -> JsonObject:
    route = call.data.get(ROUTES, f"{call.params['zone']}/{call.params['route']}")
    if route is None:
        raise ApiError(404, NO_SUCH_WORKER, f"workers.api.error.route_not_found: {call.params['route']}")
    return route


def _route(call: Call, route_id: str) -> JsonObject:
    body = call.object()
    pattern = name_member(body, "pattern", 1024)
    if not _PATTERN.fullmatch(pattern):
        raise invalid(f"the route pattern {pattern!r} is not allowed; write one like api.acme.com/*", INVALID_ROUTE)
    for key, other in call.data.items(ROUTES, f"{call.params['zone']}/"):
        if other["pattern"] == pattern and key != f"{call.params['zone']}/{route_id}":
            raise ApiError(409, DUPLICATE_ROUTE, f"workers.api.error.duplicate_route: {pattern}")
    script = member(body, "script", str, "")
    return {"id": route_id, "pattern": pattern, "script": script, "account": _account(call, script)}


def _account(call: Call, script: str) -> str:
    """Return the account of the route's Worker; a route without one keeps Workers away from what it matches."""
    if not script:
        return ""
    for _, worker in call.data.items(WORKERS):
        if worker["name"] == script:
            return worker["account"]
    raise invalid(
        f"workers.api.error.invalid_route_script_missing: there is no Worker {script!r}", NO_SUCH_ROUTE_SCRIPT
    )


def _view(route: JsonObject) -> JsonObject:
    view: JsonObject = {"id": route["id"], "pattern": route["pattern"]}
    return view | ({"script": route["script"]} if route["script"] else {})


_ALL = "zones/{zone}/workers/routes"
ENDPOINTS = (
    Endpoint("POST", _ALL, _create, edge=True),
    Endpoint("GET", _ALL, _list),
    Endpoint("GET", _ALL + "/{route}", _read),
    Endpoint("PUT", _ALL + "/{route}", _replace, edge=True),
    Endpoint("DELETE", _ALL + "/{route}", _delete, edge=True),
)

"""The debug mask of an environment: which values a trace session never shows."""

from __future__ import annotations

from portcullis.sandbox.apigee.management.errors import bad_field
from portcullis.sandbox.apigee.management.messages import TEXT, check
from portcullis.sandbox.apigee.management.service import DEBUG_MASKS, Answer, Call, Endpoint, Service
from portcullis.sandbox.store import JsonObject

_LISTS = (
    "requestXPaths",
    "responseXPaths",
    "faultXPaths",
    "requestJSONPaths",
    "responseJSONPaths",
    "faultJSONPaths",
    "variables",
)


def _message() -> JsonObject:
    return {"name": TEXT, "namespaces": _AnyNames(), **{name: [TEXT] for name in _LISTS}}


class _AnyNames(dict[str, object]):
    """The shape of a map from any name to text."""

    def get(self, _key: str, _default: object = None) -> object:
        return TEXT


def _mask(service: Service, call: Call) -> JsonObject:
    service.environment(call)
    name = f"organizations/{call.names['org']}/environments/{call.names['env']}/debugmask"
    return service.store.get(DEBUG_MASKS, _key(call)) or {"name": name}


def _key(call: Call) -> str:
    return f"{call.key('org', 'env')}/debugmask"


def _get(service: Service, call: Call) -> Answer:
    return _mask(service, call)


def _update(service: Service, call: Call) -> Answer:
    """Replace what the mask names, or with `replaceRepeatedFields=false` add to its lists (updateDebugmask)."""
    mask = _mask(service, call)
    body = check(call.body, _message(), "debug_mask")
    body.pop("name", None)
    fields = [name for name in call.query.get("updateMask", "").split(",") if name] or list(body)
    unknown = next((name for name in fields if name not in (*_LISTS, "namespaces")), None)
    if unknown is not None:
        raise bad_field("update_mask", f"updateMask names {unknown}, which a debug mask does not have")
    adds = call.query.get("replaceRepeatedFields", "true").lower() == "false"
    for name in fields:
        if adds and name in _LISTS:
            mask[name] = list(dict.fromkeys([*mask.get(name, []), *body.get(name, [])]))
        elif body.get(name):
            mask[name] = body[name]
        else:
            mask.pop(name, None)
    service.store.put(DEBUG_MASKS, _key(call), mask)
    return mask


_MASK = "organizations/{org}/environments/{env}/debugmask"

ENDPOINTS = (Endpoint("GET", _MASK, _get), Endpoint("PATCH", _MASK, _update))

"""References of an environment: names for keystores that can be pointed elsewhere."""

from __future__ import annotations

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field
from portcullis.sandbox.apigee.management.messages import TEXT, check, require, require_name
from portcullis.sandbox.apigee.management.service import (
    KEYSTORES,
    REFERENCES,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

_MESSAGE = {"name": TEXT, "description": TEXT, "resourceType": TEXT, "refers": TEXT}
_TYPES = ("KeyStore", "TrustStore")


def _checked(service: Service, call: Call) -> JsonObject:
    service.environment(call)
    body = check(call.body, _MESSAGE, "reference")
    require(body, "reference", "name", "resourceType", "refers")
    require_name(body["name"], r"[\w. -]+", "reference.name")
    if body["resourceType"] not in _TYPES:
        raise bad_field("reference.resource_type", f"resourceType must be one of {', '.join(_TYPES)}")
    if service.store.get(KEYSTORES, f"{call.key('org', 'env')}/{body['refers']}") is None:
        raise bad_field("reference.refers", f"keystore {body['refers']} does not exist")
    return body


def _create(service: Service, call: Call) -> Answer:
    body = _checked(service, call)
    key = f"{call.key('org', 'env')}/{body['name']}"
    if service.store.get(REFERENCES, key):
        raise already_exists(f"Reference {call.path}/{body['name']} already exists")
    service.store.put(REFERENCES, key, body)
    return body


def _found(service: Service, call: Call) -> JsonObject:
    service.environment(call)
    return service.find(REFERENCES, call.key("org", "env", "reference"), call.path)


def _get(service: Service, call: Call) -> Answer:
    return _found(service, call)


def _list(service: Service, call: Call) -> Answer:
    service.environment(call)
    return [item["name"] for item in service.list(REFERENCES, call.key("org", "env"))]


def _update(service: Service, call: Call) -> Answer:
    old = _found(service, call)
    body = _checked(service, call)
    if body["name"] != old["name"]:
        raise bad_field("reference.name", "the name cannot be changed")
    service.store.put(REFERENCES, call.key("org", "env", "reference"), body)
    return body


def _delete(service: Service, call: Call) -> Answer:
    reference = _found(service, call)
    service.store.delete(REFERENCES, call.key("org", "env", "reference"))
    return reference


_REFERENCES = "organizations/{org}/environments/{env}/references"

ENDPOINTS = (
    Endpoint("GET", _REFERENCES, _list),
    Endpoint("POST", _REFERENCES, _create),
    # The official provider sends a slash at the end.
    Endpoint("POST", f"{_REFERENCES}/", _create),
    Endpoint("GET", f"{_REFERENCES}/{{reference}}", _get),
    Endpoint("PUT", f"{_REFERENCES}/{{reference}}", _update),
    Endpoint("DELETE", f"{_REFERENCES}/{{reference}}", _delete),
)

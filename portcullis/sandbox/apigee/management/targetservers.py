"""Target servers of an environment."""

from __future__ import annotations

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field
from portcullis.sandbox.apigee.management.messages import (
    BOOL,
    INT32,
    TEXT,
    check,
    require,
    require_name,
    require_one_of,
)
from portcullis.sandbox.apigee.management.service import TARGET_SERVERS, Answer, Call, Endpoint, Service
from portcullis.sandbox.store import JsonObject

_MAX_PORT = 65535
_MESSAGE = {
    "name": TEXT,
    "description": TEXT,
    "host": TEXT,
    "port": INT32,
    "isEnabled": BOOL,
    "protocol": TEXT,
    "sSLInfo": {
        "enabled": BOOL,
        "enforce": BOOL,
        "clientAuthEnabled": BOOL,
        "keyStore": TEXT,
        "keyAlias": TEXT,
        "trustStore": TEXT,
        "ignoreValidationErrors": BOOL,
        "protocols": [TEXT],
        "ciphers": [TEXT],
        "commonName": {"value": TEXT, "wildcardMatch": BOOL},
    },
}


def _checked(call: Call) -> JsonObject:
    body = check(call.body, _MESSAGE, "target_server")
    require(body, "target_server", "name", "host", "port")
    require_name(body["name"], r"[\w\s.-]+", "target_server.name")
    if not 1 <= body["port"] <= _MAX_PORT:
        raise bad_field("target_server.port", "port must be between 1 and 65535")
    if "://" in body["host"] or "/" in body["host"]:
        raise bad_field("target_server.host", "host must be a hostname, without a scheme or a path")
    require_one_of(body, "protocol", "target_server", "HTTP", "HTTP2", "GRPC_TARGET", "GRPC", "EXTERNAL_CALLOUT")
    # The API's default is true, also where a client leaves out a false.
    return {"isEnabled": True, "protocol": "HTTP", **body}


def _create(service: Service, call: Call) -> Answer:
    service.environment(call)
    server = _checked(call)
    key = f"{call.key('org', 'env')}/{server['name']}"
    if service.store.get(TARGET_SERVERS, key):
        raise already_exists(f"TargetServer {call.path}/{server['name']} already exists")
    service.store.put(TARGET_SERVERS, key, server)
    return server


def _found(service: Service, call: Call) -> JsonObject:
    service.environment(call)
    return service.find(TARGET_SERVERS, call.key("org", "env", "server"), call.path)


def _get(service: Service, call: Call) -> Answer:
    return _found(service, call)


def _list(service: Service, call: Call) -> Answer:
    service.environment(call)
    return [item["name"] for item in service.list(TARGET_SERVERS, call.key("org", "env"))]


def _update(service: Service, call: Call) -> Answer:
    _found(service, call)
    server = _checked(call)
    if server["name"] != call.names["server"]:
        raise bad_field("target_server.name", "the name cannot be changed")
    service.store.put(TARGET_SERVERS, call.key("org", "env", "server"), server)
    return server


def _delete(service: Service, call: Call) -> Answer:
    server = _found(service, call)
    service.store.delete(TARGET_SERVERS, call.key("org", "env", "server"))
    return server


_SERVERS = "organizations/{org}/environments/{env}/targetservers"

ENDPOINTS = (
    Endpoint("GET", _SERVERS, _list),
    Endpoint("POST", _SERVERS, _create),
    Endpoint("GET", f"{_SERVERS}/{{server}}", _get),
    Endpoint("PUT", f"{_SERVERS}/{{server}}", _update),
    Endpoint("DELETE", f"{_SERVERS}/{{server}}", _delete),
)

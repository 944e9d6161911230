"""Resource files of an environment: property sets, scripts and the like that every proxy in it can use."""

from __future__ import annotations

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field
from portcullis.sandbox.apigee.management.messages import require_name
from portcullis.sandbox.apigee.management.service import (
    RESOURCE_FILES,
    Answer,
    Call,
    Endpoint,
    Raw,
    Service,
)
from portcullis.sandbox.store import JsonObject

_TYPES = ("graphql", "java", "js", "jsc", "oas", "properties", "py", "wsdl", "xsd", "xsl")


# The reference's pattern, which leaves out the underscore that the API takes all the same.
_NAME = r"[\w:/\\!@#$%^&{}\[\]()+\-=,.~'` ]{1,255}"


def resources(service: Service, call: Call) -> dict[str, bytes]:
    """Return the resource files of the call's environment, by type/name."""
    prefix = f"{call.key('org', 'env')}/"
    return {
        key.removeprefix(prefix): service.store.get_blob(RESOURCE_FILES, key) or b""
        for key, _ in service.store.items(RESOURCE_FILES, prefix)
    }


def _put(service: Service, call: Call, kind: str, name: str) -> JsonObject:
    if not call.content:
        raise bad_field(
            "resource_file", "the body must be the file, as application/octet-stream or multipart/form-data"
        )
    entry: JsonObject = {"name": name, "type": kind}
    key = f"{call.key('org', 'env')}/{kind}/{name}"
    service.store.put(RESOURCE_FILES, key, entry)
    service.store.put_blob(RESOURCE_FILES, key, call.content)
    return entry


def _require_type(kind: str) -> None:
    if kind not in _TYPES:
        raise bad_field("type", f'invalid type "{kind[:80]}": it must be one of {", ".join(_TYPES)}')


def _create(service: Service, call: Call) -> Answer:
    service.environment(call)
    kind, name = call.query.get("type", ""), call.query.get("name", "")
    _require_type(kind)
    require_name(name, _NAME, "name")
    if service.store.get(RESOURCE_FILES, f"{call.key('org', 'env')}/{kind}/{name}"):
        raise already_exists(f"ResourceFile {call.path}/{kind}/{name} already exists")
    return _put(service, call, kind, name)


def _found(service: Service, call: Call) -> JsonObject:
    service.environment(call)
    return service.find(RESOURCE_FILES, call.key("org", "env", "type", "name"), call.path)


def _get(service: Service, call: Call) -> Answer:
    _found(service, call)
    data = service.store.get_blob(RESOURCE_FILES, call.key("org", "env", "type", "name"))
    return Raw(data or b"", "application/octet-stream")


def _list(service: Service, call: Call) -> Answer:
    service.environment(call)
    wanted = call.names.get("type", "") or call.query.get("type", "")
    if wanted:
        _require_type(wanted)
    found = service.list(RESOURCE_FILES, call.key("org", "env"))
    return {"resourceFile": [item for item in found if wanted in ("", item["type"])]}


def _update(service: Service, call: Call) -> Answer:
    _found(service, call)
    return _put(service, call, call.names["type"], call.names["name"])


def _delete(service: Service, call: Call) -> Answer:
    entry = _found(service, call)
    key = call.key("org", "env", "type", "name")
    service.store.delete(RESOURCE_FILES, key)
    service.store.delete_blob(RESOURCE_FILES, key)
    return entry


_FILES = "organizations/{org}/environments/{env}/resourcefiles"

ENDPOINTS = (
    Endpoint("GET", _FILES, _list),
    Endpoint("POST", _FILES, _create),
    Endpoint("GET", f"{_FILES}/{{type}}", _list),
    Endpoint("GET", f"{_FILES}/{{type}}/{{name:path}}", _get),
    Endpoint("PUT", f"{_FILES}/{{type}}/{{name:path}}", _update),
    Endpoint("DELETE", f"{_FILES}/{{type}}/{{name:path}}", _delete),
)

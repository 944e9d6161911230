"""Key value maps of an environment, and their entries. On Apigee X every map is encrypted; the API answers in clear."""

from __future__ import annotations

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field, not_found
from portcullis.sandbox.apigee.management.messages import BOOL, TEXT, check, require, require_name
from portcullis.sandbox.apigee.management.service import ENTRIES, MAPS, Answer, Call, Endpoint, Service
from portcullis.sandbox.store import JsonObject

MAX_VALUE_BYTES = 512 * 1024
MAX_ENTRY_NAME_BYTES = 2 * 1024
_DEFAULT_PAGE = 100
_MAX_PAGE = 1000
_ENTRY = {"name": TEXT, "value": TEXT}


def _described(call: Call) -> str:
    org, env, name = (call.names[part] for part in ("org", "env", "map"))
    scope = f"ScopeType ='ENVIRONMENTS', Organization = '{org}', Environment = '{env}'"
    return f"KeyValueMap(Scope=KeyValueMapScope {{{scope}}},Map={name})"


def _create(service: Service, call: Call) -> Answer:
    body = check(call.body, {"name": TEXT, "encrypted": BOOL}, "key_value_map")
    service.environment(call)
    require(body, "key_value_map", "name")
    require_name(body["name"], r"[A-Za-z0-9._-]+", "key_value_map.name")
    key = f"{call.key('org', 'env')}/{body['name']}"
    if service.store.get(MAPS, key):
        raise already_exists(
            f"KeyValueMap {body['name']} already exists", "keyvaluemap.service.KeyValueMapAlreadyExists"
        )
    document: JsonObject = {"name": body["name"], "encrypted": True}
    service.store.put(MAPS, key, document)
    return document


def _map(service: Service, call: Call) -> JsonObject:
    service.environment(call)
    document = service.store.get(MAPS, call.key("org", "env", "map"))
    if document is None:
        raise not_found(f"{_described(call)} does not exist")
    return document


def _list(service: Service, call: Call) -> Answer:
    service.environment(call)
    return [item["name"] for item in service.list(MAPS, call.key("org", "env"))]


def _get(service: Service, call: Call) -> Answer:
    return _map(service, call)


def _delete(service: Service, call: Call) -> Answer:
    document = _map(service, call)
    key = call.key("org", "env", "map")
    service.delete_all(ENTRIES, key)
    service.store.delete(MAPS, key)
    return document


def _checked_entry(call: Call, name: str) -> JsonObject:
    body = (
        {"name": name, **check(call.body, _ENTRY, "key_value_entry")}
        if name
        else check(call.body, _ENTRY, "key_value_entry")
    )
    require(body, "key_value_entry", "name", "value")
    if name and body["name"] != name:
        raise bad_field("key_value_entry.name", "the name in the body is not the name in the path")
    require_name(body["name"], r"[^/\s]+", "key_value_entry.name")
    if len(body["value"].encode()) > MAX_VALUE_BYTES:
        raise bad_field("key_value_entry.value", f"the value is larger than {MAX_VALUE_BYTES} bytes")
    return {"name": body["name"], "value": body["value"]}


def _create_entry(service: Service, call: Call) -> Answer:
    _map(service, call)
    entry = _checked_entry(call, "")
    key = f"{call.key('org', 'env', 'map')}/{entry['name']}"
    if service.store.get(ENTRIES, key):
        raise already_exists(
            f"KeyValueMapEntry {entry['name']} already exists in map {call.names['map']}",
            "keyvaluemap.service.KeyValueMapEntryAlreadyExists",
        )
    service.store.put(ENTRIES, key, entry)
    return entry


def _entry(service: Service, call: Call) -> JsonObject:
    _map(service, call)
    entry = service.store.get(ENTRIES, call.key("org", "env", "map", "entry"))
    if entry is None:
        raise not_found(f"{_described(call)} Entry={call.names['entry']} does not exist")
    return entry


def _get_entry(service: Service, call: Call) -> Answer:
    return _entry(service, call)


def _update_entry(service: Service, call: Call) -> Answer:
    _entry(service, call)
    entry = _checked_entry(call, call.names["entry"])
    service.store.put(ENTRIES, call.key("org", "env", "map", "entry"), entry)
    return entry


def _delete_entry(service: Service, call: Call) -> Answer:
    entry = _entry(service, call)
    service.store.delete(ENTRIES, call.key("org", "env", "map", "entry"))
    return entry


def _list_entries(service: Service, call: Call) -> Answer:
    """A page of the entries: `pageSize` of them, from the one that `pageToken` names."""
    _map(service, call)
    entries = service.list(ENTRIES, call.key("org", "env", "map"))
    size, start = call.query.get("pageSize", ""), call.query.get("pageToken", "")
    count = min(int(size), _MAX_PAGE) if size.isdecimal() and int(size) else _DEFAULT_PAGE
    names = [entry["name"] for entry in entries]
    if start and start not in names:
        raise bad_field("page_token", "the page token is not one of this list")
    begin = names.index(start) if start else 0
    following = names[begin + count] if begin + count < len(names) else ""
    return {"keyValueEntries": entries[begin : begin + count], "nextPageToken": following}


_MAPS = "organizations/{org}/environments/{env}/keyvaluemaps"
_ENTRIES = f"{_MAPS}/{{map}}/entries"

ENDPOINTS = (
    Endpoint("GET", _MAPS, _list),
    Endpoint("POST", _MAPS, _create),
    Endpoint("GET", f"{_MAPS}/{{map}}", _get),
    Endpoint("DELETE", f"{_MAPS}/{{map}}", _delete),
    Endpoint("GET", _ENTRIES, _list_entries),
    Endpoint("POST", _ENTRIES, _create_entry),
    Endpoint("GET", f"{_ENTRIES}/{{entry}}", _get_entry),
    Endpoint("PUT", f"{_ENTRIES}/{{entry}}", _update_entry),
    Endpoint("DELETE", f"{_ENTRIES}/{{entry}}", _delete_entry),
)

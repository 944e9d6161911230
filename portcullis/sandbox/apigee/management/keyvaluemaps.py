"""Key value maps of an organization, an environment or a proxy, and their entries.

On Apigee X every map is encrypted; the API answers in clear.
"""

from __future__ import annotations

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field, not_found
from portcullis.sandbox.apigee.management.messages import BOOL, TEXT, check, require, require_name
from portcullis.sandbox.apigee.management.service import (
    ENTRIES,
    MAPS,
    ORGANIZATION_SCOPE,
    PROXIES,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

MAX_VALUE_BYTES = 512 * 1024
MAX_ENTRY_NAME_BYTES = 2 * 1024
_DEFAULT_PAGE = 100
_MAX_PAGE = 1000
_ENTRY = {"name": TEXT, "value": TEXT}


def _described(call: Call) -> str:
    org, name = call.names["org"], call.names["map"]
    if "env" in call.names:
        scope = f"ScopeType ='ENVIRONMENTS', Organization = '{org}', Environment = '{call.names['env']}'"
    elif "api" in call.names:
        scope = f"ScopeType ='APIS', Organization = '{org}', ApiProxy = '{call.names['api']}'"
    else:
        scope = f"ScopeType ='ORGANIZATIONS', Organization = '{org}'"
    return f"KeyValueMap(Scope=KeyValueMapScope {{{scope}}},Map={name})"


def _owner(service: Service, call: Call) -> str:
    """Return the key of what the map belongs to, which must be there."""
    if "env" in call.names:
        service.environment(call)
        return call.key("org", "env")
    service.organization(call)
    if "api" not in call.names:
        return f"{call.names['org']}/{ORGANIZATION_SCOPE}"
    called = f"organizations/{call.names['org']}/apis/{call.names['api']}"
    service.find(PROXIES, call.key("org", "api"), called)
    return f"{call.names['org']}/apis/{call.names['api']}"


def _key(service: Service, call: Call, *names: str) -> str:
    return "/".join([_owner(service, call), *(call.names[name] for name in names)])


def _create(service: Service, call: Call) -> Answer:
    body = check(call.body, {"name": TEXT, "encrypted": BOOL}, "key_value_map")
    owner = _owner(service, call)
    require(body, "key_value_map", "name")
    require_name(body["name"], r"[A-Za-z0-9._-]+", "key_value_map.name")
    key = f"{owner}/{body['name']}"
    if service.store.get(MAPS, key):
        raise already_exists(
            f"KeyValueMap {body['name']} already exists", "keyvaluemap.service.KeyValueMapAlreadyExists"
        )
    document: JsonObject = {"name": body["name"], "encrypted": True}
    service.store.put(MAPS, key, document)
    return document


def _map(service: Service, call: Call) -> JsonObject:
    document = service.store.get(MAPS, _key(service, call, "map"))
    if document is None:
        raise not_found(f"{_described(call)} does not exist")
    return document


def _list(service: Service, call: Call) -> Answer:
    return [item["name"] for item in service.list(MAPS, _owner(service, call))]


def _get(service: Service, call: Call) -> Answer:
    return _map(service, call)


def _delete(service: Service, call: Call) -> Answer:
    document = _map(service, call)
    key = _key(service, call, "map")
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
    require_name(body["name"], r"\S+", "key_value_entry.name")
    if len(body["value"].encode()) > MAX_VALUE_BYTES:
        raise bad_field("key_value_entry.value", f"the value is larger than {MAX_VALUE_BYTES} bytes")
    return {"name": body["name"], "value": body["value"]}


def _create_entry(service: Service, call: Call) -> Answer:
    _map(service, call)
    entry = _checked_entry(call, "")
    key = f"{_key(service, call, 'map')}/{entry['name']}"
    if service.store.get(ENTRIES, key):
        raise already_exists(
            f"KeyValueMapEntry {entry['name']} already exists in map {call.names['map']}",
            "keyvaluemap.service.KeyValueMapEntryAlreadyExists",
        )
    service.store.put(ENTRIES, key, entry)
    return entry


def _entry(service: Service, call: Call) -> JsonObject:
    _map(service, call)
    entry = service.store.get(ENTRIES, _key(service, call, "map", "entry"))
    if entry is None:
        raise not_found(f"{_described(call)} Entry={call.names['entry']} does not exist")
    return entry


def _get_entry(service: Service, call: Call) -> Answer:
    return _entry(service, call)


def _update_entry(service: Service, call: Call) -> Answer:
    _entry(service, call)
    entry = _checked_entry(call, call.names["entry"])
    service.store.put(ENTRIES, _key(service, call, "map", "entry"), entry)
    return entry


def _delete_entry(service: Service, call: Call) -> Answer:
    entry = _entry(service, call)
    service.store.delete(ENTRIES, _key(service, call, "map", "entry"))
    return entry


def _list_entries(service: Service, call: Call) -> Answer:
    """A page of the entries: `pageSize` of them, from the one that `pageToken` names."""
    _map(service, call)
    entries = service.list(ENTRIES, _key(service, call, "map"))
    size, start = call.query.get("pageSize", ""), call.query.get("pageToken", "")
    count = min(int(size), _MAX_PAGE) if size.isdecimal() and int(size) else _DEFAULT_PAGE
    names = [entry["name"] for entry in entries]
    if start and start not in names:
        raise bad_field("page_token", "the page token is not one of this list")
    begin = names.index(start) if start else 0
    following = names[begin + count] if begin + count < len(names) else ""
    return {"keyValueEntries": entries[begin : begin + count], "nextPageToken": following}


_HANDLERS = (
    ("GET", "", _list),
    ("POST", "", _create),
    ("GET", "/{map}", _get),
    ("DELETE", "/{map}", _delete),
    ("GET", "/{map}/entries", _list_entries),
    ("POST", "/{map}/entries", _create_entry),
    ("GET", "/{map}/entries/{entry:path}", _get_entry),
    ("PUT", "/{map}/entries/{entry:path}", _update_entry),
    ("DELETE", "/{map}/entries/{entry:path}", _delete_entry),
)
_OWNERS = ("organizations/{org}/environments/{env}", "organizations/{org}/apis/{api}", "organizations/{org}")

ENDPOINTS = tuple(
    Endpoint(method, f"{owner}/keyvaluemaps{path}", handler) for owner in _OWNERS for method, path, handler in _HANDLERS
)

"""DNS records of a zone (`/zones/{zone}/dns_records`): kept and read back; the sandbox resolves no names by them.

Documents: `cf.dns_records` key = "{zone}/{id}".
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from typing import Any

from portcullis.sandbox.cloudflare.api.answers import ApiError, Paged, invalid, not_emulated
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, expect_list, expect_object, member, name_member
from portcullis.sandbox.cloudflare.api.identities import zone_name_of
from portcullis.sandbox.store import JsonObject

RECORDS = "cf.dns_records"

# Cloudflare's numbers for DNS.
BAD_CONTENT_A = 9005
BAD_CONTENT_AAAA = 9006
BAD_CONTENT_CNAME = 9007
NOT_PROXIABLE = 9004
BAD_TTL = 9021
BAD_RECORD = 1004
NO_SUCH_RECORD = 81044
CNAME_CONFLICT = 81053
IDENTICAL = 81058

AUTOMATIC_TTL = 1
_MIN_TTL, _MAX_TTL = 30, 86400

_PROXIABLE = ("A", "AAAA", "CNAME")
_TYPES = (*_PROXIABLE, "MX", "NS", "PTR", "TXT")
_DATA_TYPES = (
    *("CAA", "CERT", "DNSKEY", "DS", "HTTPS", "LOC", "NAPTR"),
    *("OPENPGPKEY", "SMIMEA", "SRV", "SSHFP", "SVCB", "TLSA", "URI"),
)

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"@|\*|(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)


def _create(call: Call) -> JsonObject:
    record = _record(call, call.object(), None)
    call.data.put(RECORDS, f"{call.params['zone']}/{record['id']}", record)
    return record


def _replace(call: Call) -> JsonObject:
    old = _find(call)
    return _save(call, _record(call, call.object(), old))


def _patch(call: Call) -> JsonObject:
    old = _find(call)
    return _save(call, _record(call, old | call.object(), old))


def _save(call: Call, record: JsonObject) -> JsonObject:
    call.data.put(RECORDS, f"{call.params['zone']}/{record['id']}", record)
    return record


def _read(call: Call) -> JsonObject:
    return _find(call)


def _list(call: Call) -> Paged:
    wanted = {name: call.query[name] for name in ("name", "type", "content") if name in call.query}
    records = [record for _, record in call.data.items(RECORDS, f"{call.params['zone']}/")]
    return Paged([record for record in records if all(record[name] == value for name, value in wanted.items())])


def _delete(call: Call) -> JsonObject:
    record = _find(call)
    call.data.delete(RECORDS, f"{call.params['zone']}/{record['id']}")
    return {"id": record["id"]}


def _find(call: Call) -> JsonObject:
    record = call.data.get(RECORDS, f"{call.params['zone']}/{call.params['record']}")
    if record is None:
        raise ApiError(404, NO_SUCH_RECORD, "Record does not exist.")
    return record


def _record(call: Call, body: JsonObject, old: JsonObject | None) -> JsonObject:
    kind = member(body, "type", str).upper()
    if kind in _DATA_TYPES:
        raise not_emulated(f"DNS records of type {kind}; it has {', '.join(_TYPES)}")
    if kind not in _TYPES:
        raise invalid(f"DNS record type {kind!r} does not exist", BAD_RECORD)
    proxied = member(body, "proxied", bool, default=False)
    if proxied and kind not in _PROXIABLE:
        raise invalid(f"a record of type {kind} cannot be proxied", NOT_PROXIABLE)
    record: JsonObject = {
        "id": old["id"] if old else uuid.uuid4().hex,
        "name": _name(call, body),
        "type": kind,
        "content": _content(kind, name_member(body, "content", 4096)),
        "proxiable": kind in _PROXIABLE,
        "proxied": proxied,
        # Cloudflare controls the TTL of what it proxies.
        "ttl": AUTOMATIC_TTL if proxied else _ttl(body),
        "settings": expect_object(body.get("settings") or {}, "settings"),
        "meta": {},
        "comment": body.get("comment"),
        "tags": expect_list(body.get("tags") or [], "tags"),
        "created_on": old["created_on"] if old else call.time,
        "modified_on": call.time,
    }
    record |= _dated(call, record, old)
    if body.get("private_routing") is not None:
        record["private_routing"] = member(body, "private_routing", bool)
    if kind == "MX":
        record["priority"] = _priority(body)
    _refuse_conflict(call, record)
    return record


def _dated(call: Call, record: JsonObject, old: JsonObject | None) -> JsonObject:
    """Return when comment and tags last changed, for those that are set."""
    dates: JsonObject = {}
    for name in ("comment", "tags"):
        if record[name]:
            same = old is not None and old[name] == record[name]
            dates[f"{name}_modified_on"] = old[f"{name}_modified_on"] if same and old else call.time
    return dates


def _name(call: Call, body: JsonObject) -> str:
    """Return the record's full name: a short one is completed where the zone's name is known."""
    name = name_member(body, "name", 255)
    if not _NAME.fullmatch(name):
        raise invalid(f"DNS record name {name!r} is not a domain name", BAD_RECORD)
    zone = zone_name_of(call.data, call.params["zone"])
    if zone is None or name == zone or name.endswith(f".{zone}"):
        return name.removesuffix(".")
    return zone if name == "@" else f"{name}.{zone}"


def _content(kind: str, content: str) -> str:
    if kind == "A" and not _is_address(content, 4):
        raise invalid("Content for A record is invalid. Must be a valid IPv4 address.", BAD_CONTENT_A)
    if kind == "AAAA" and not _is_address(content, 6):
        raise invalid("Content for AAAA record is invalid. Must be a valid IPv6 address.", BAD_CONTENT_AAAA)
    if kind in ("CNAME", "MX", "NS", "PTR") and not _HOSTNAME.fullmatch(content):
        raise invalid(f"Content for {kind} record is invalid. Must be a hostname.", BAD_CONTENT_CNAME)
    return content


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _ttl(body: JsonObject) -> int | float:
    ttl: Any = body.get("ttl", AUTOMATIC_TTL)
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)) or (ttl != 1 and not _MIN_TTL <= ttl <= _MAX_TTL):
        raise invalid(f"Invalid TTL: 1 for automatic, or {_MIN_TTL} to {_MAX_TTL} seconds", BAD_TTL)
    return ttl


def _priority(body: JsonObject) -> int | float:
    priority = body.get("priority")
    if isinstance(priority, bool) or not isinstance(priority, (int, float)) or not 0 <= priority <= 65535:
        raise invalid("an MX record needs a priority from 0 to 65535", BAD_RECORD)
    return priority


def _refuse_conflict(call: Call, record: JsonObject) -> None:
    for _, other in call.data.items(RECORDS, f"{call.params['zone']}/"):
        if other["id"] == record["id"] or other["name"].lower() != record["name"].lower():
            continue
        if (other["type"], other["content"]) == (record["type"], record["content"]):
            raise invalid("An identical record already exists.", IDENTICAL)
        if {other["type"], record["type"]} <= set(_PROXIABLE) and "CNAME" in (other["type"], record["type"]):
            raise invalid("An A, AAAA, or CNAME record with that host already exists.", CNAME_CONFLICT)


_ALL = "zones/{zone}/dns_records"
ENDPOINTS = (
    Endpoint("POST", _ALL, _create),
    Endpoint("GET", _ALL, _list),
    Endpoint("GET", _ALL + "/{record}", _read),
    Endpoint("PUT", _ALL + "/{record}", _replace),
    Endpoint("PATCH", _ALL + "/{record}", _patch),
    Endpoint("DELETE", _ALL + "/{record}", _delete),
)

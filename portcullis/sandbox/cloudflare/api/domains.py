"""Custom domains: hostnames whose every request one Worker answers (`/accounts/{account}/workers/domains`).

Documents: `cf.domains` key = id {hostname, service, zone_id, ...}. A hostname has one domain at most: a second PUT of
it moves the domain to the other Worker.
"""

from __future__ import annotations

import re
import uuid

from portcullis.sandbox.cloudflare.api.answers import NO_SUCH_WORKER, ApiError, Paged, invalid
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, member, name_member
from portcullis.sandbox.cloudflare.api.identities import zone_id_of, zone_name_of
from portcullis.sandbox.cloudflare.api.workers import DOMAINS, find_worker
from portcullis.sandbox.store import JsonObject

ENVIRONMENT = "production"

_HOSTNAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_ZONE_ID = re.compile(r"[0-9a-f]{32}")


def _put(call: Call) -> JsonObject:
    body = call.object()
    hostname = name_member(body, "hostname", 253)
    if not _HOSTNAME.fullmatch(hostname):
        raise invalid(f"the hostname {hostname!r} is not one: write it in lowercase, without scheme, port or path")
    environment = member(body, "environment", str, ENVIRONMENT)
    if environment != ENVIRONMENT:
        raise invalid(f"environment must be {ENVIRONMENT!r}, not {environment!r}")
    worker = find_worker(call, member(body, "service", str))
    zone_id, zone_name = _zone(call, body, hostname)
    old = next((item for _, item in call.data.items(DOMAINS) if item["hostname"] == hostname), None)
    domain: JsonObject = {
        "id": old["id"] if old else uuid.uuid4().hex,
        "account": call.account,
        "hostname": hostname,
        "service": worker["name"],
        "environment": environment,
        "zone_id": zone_id,
        "zone_name": zone_name,
        "cert_id": old["cert_id"] if old else str(uuid.uuid4()),
    }
    call.data.put(DOMAINS, domain["id"], domain)
    return _view(domain)


def _zone(call: Call, body: JsonObject, hostname: str) -> tuple[str, str]:
    """Return the zone's id and name: what is not sent follows from what is, or from the hostname."""
    zone_id = member(body, "zone_id", str, "")
    sent_name = member(body, "zone_name", str, "")
    if zone_id and not _ZONE_ID.fullmatch(zone_id):
        raise invalid(f"zone_id {zone_id!r} must be 32 hexadecimal digits")
    name = sent_name or (zone_name_of(call.data, zone_id) if zone_id else None) or ".".join(hostname.split(".")[-2:])
    if hostname != name and not hostname.endswith(f".{name}"):
        raise invalid(f"the hostname {hostname!r} is not in the zone {name!r}")
    return zone_id or zone_id_of(name), name


def _read(call: Call) -> JsonObject:
    return _view(_find(call))


def _list(call: Call) -> Paged:
    wanted = {name: call.query[name] for name in ("hostname", "service", "zone_id") if name in call.query}
    domains = [item for _, item in call.data.items(DOMAINS) if item["account"] == call.account]
    return Paged([_view(item) for item in domains if all(item[name] == value for name, value in wanted.items())])


def _delete(call: Call) -> JsonObject:
    domain = _find(call)
    call.data.delete(DOMAINS, domain["id"])
    return {"id": domain["id"]}


def _find(call: Call) -> JsonObject:
    domain = call.data.get(DOMAINS, call.params["domain"])
    if domain is None or domain["account"] != call.account:
        raise ApiError(404, NO_SUCH_WORKER, f"there is no custom domain {call.params['domain']}")
    return domain


def _view(domain: JsonObject) -> JsonObject:
    return {name: value for name, value in domain.items() if name != "account"}


_ALL = "accounts/{account}/workers/domains"
ENDPOINTS = (
    Endpoint("PUT", _ALL, _put, edge=True),
    Endpoint("GET", _ALL, _list),
    Endpoint("GET", _ALL + "/{domain}", _read),
    Endpoint("DELETE", _ALL + "/{domain}", _delete, edge=True),
)

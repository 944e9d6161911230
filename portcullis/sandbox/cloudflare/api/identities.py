"""Zones, accounts and the token's owner: looked up, never made here.

The sandbox has every zone and every account that is asked for. A name always gives the same id; the names of zones
that were looked up are remembered (collection `cloudflare.zones`, key = zone id), since an id alone does not tell one.
"""

from __future__ import annotations

import hashlib
import re

from portcullis.sandbox.cloudflare.api.answers import Paged, invalid
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint
from portcullis.sandbox.cloudflare.api.changes import Changes
from portcullis.sandbox.store import JsonObject

ZONES = "cloudflare.zones"

_BEGINNING = "2024-01-01T00:00:00.000000Z"
_ZONE_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_OWNER_EMAIL = "operator@sandbox.example"


def zone_id_of(name: str) -> str:
    """Return the id of the zone of that name: 32 hexadecimal digits, always the same."""
    return _id("zone", name)


def zone_name_of(data: Changes, zone_id: str) -> str | None:
    """Return the name of a zone that was looked up by name, else `None`."""
    zone = data.get(ZONES, zone_id)
    return zone["name"] if zone else None


def _id(kind: str, name: str) -> str:
    return hashlib.sha256(f"{kind} {name}".encode()).hexdigest()[:32]


def _list_zones(call: Call) -> Paged:
    name = call.query.get("name", "")
    if not name:
        return Paged([_zone(call, zone_id, zone["name"]) for zone_id, zone in call.data.items(ZONES)])
    if not _ZONE_NAME.fullmatch(name):
        raise invalid(f"the zone name {name!r} is not a domain name; filters other than equality are not emulated")
    zone_id = zone_id_of(name)
    call.data.put(ZONES, zone_id, {"name": name})
    return Paged([_zone(call, zone_id, name)])


def _read_zone(call: Call) -> JsonObject:
    zone_id = call.params["zone"]
    return _zone(call, zone_id, zone_name_of(call.data, zone_id) or f"zone-{zone_id[:8]}.example")


def _zone(call: Call, zone_id: str, name: str) -> JsonObject:
    account = call.query.get("account.id") or _id("account", name)
    return {
        "id": zone_id,
        "name": name,
        "status": "active",
        "type": "full",
        "paused": False,
        "development_mode": 0,
        "name_servers": ["ns1.sandbox.example", "ns2.sandbox.example"],
        "original_name_servers": None,
        "original_registrar": None,
        "original_dnshost": None,
        "activated_on": _BEGINNING,
        "created_on": _BEGINNING,
        "modified_on": _BEGINNING,
        "verification_key": None,
        "vanity_name_servers": [],
        "cname_suffix": None,
        "meta": {
            "cdn_only": False,
            "custom_certificate_quota": 0,
            "dns_only": False,
            "foundation_dns": False,
            "page_rule_quota": 3,
            "phishing_detected": False,
            "step": 4,
        },
        "owner": {"id": account, "name": "sandbox", "type": "organization"},
        "account": {"id": account, "name": "sandbox"},
        "tenant": {"id": None, "name": None},
        "tenant_unit": {"id": None},
        "plan": {
            "id": _id("plan", "sandbox"),
            "name": "Sandbox",
            "price": 0,
            "currency": "USD",
            "frequency": "",
            "is_subscribed": False,
            "can_subscribe": False,
            "legacy_id": "free",
            "legacy_discount": False,
            "externally_managed": False,
        },
        "permissions": ["#zone:read", "#dns_records:edit", "#worker:edit"],
    }


def _list_accounts(call: Call) -> Paged:
    name = call.query.get("name", "")
    return Paged([_account(_id("account", name), name)] if name else [])


def _read_account(call: Call) -> JsonObject:
    return _account(call.account, "sandbox")


def _account(account_id: str, name: str) -> JsonObject:
    return {
        "id": account_id,
        "name": name,
        "type": "standard",
        "settings": {"enforce_twofactor": False, "abuse_contact_email": None},
        "created_on": _BEGINNING,
    }


def _verify(_call: Call) -> JsonObject:
    return {"id": _id("token", "sandbox"), "status": "active", "not_before": None, "expires_on": None}


def _user(_call: Call) -> JsonObject:
    return {"id": _id("user", _OWNER_EMAIL), "email": _OWNER_EMAIL, "suspended": False}


def _subdomain(call: Call) -> JsonObject:
    return {"subdomain": f"sandbox-{call.account[:8]}"}


ENDPOINTS = (
    Endpoint("GET", "zones", _list_zones),
    Endpoint("GET", "zones/{zone}", _read_zone),
    Endpoint("GET", "accounts", _list_accounts),
    Endpoint("GET", "accounts/{account}", _read_account),
    Endpoint("GET", "accounts/{account}/workers/subdomain", _subdomain),
    Endpoint("GET", "user", _user),
    Endpoint("GET", "user/tokens/verify", _verify),
)

"""Developers, who own apps."""

from __future__ import annotations

import uuid

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field, invalid, not_found
from portcullis.sandbox.apigee.management.messages import ATTRIBUTES, INT64, TEXT, check, require, require_name
from portcullis.sandbox.apigee.management.service import (
    APPS,
    DEVELOPERS,
    NO_CONTENT,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

_EMAIL = r"[^@\s/]+@[^@\s/]+"
_MESSAGE = {
    "email": TEXT,
    "firstName": TEXT,
    "lastName": TEXT,
    "userName": TEXT,
    "attributes": ATTRIBUTES,
    "organizatioName": TEXT,
    "developerId": TEXT,
    "accessType": TEXT,
    "appFamily": TEXT,
    "apps": [TEXT],
    "companies": [TEXT],
    "status": TEXT,
    "createdAt": INT64,
    "lastModifiedAt": INT64,
}
_GIVEN = ("email", "firstName", "lastName", "userName", "attributes")


def developer(service: Service, call: Call) -> JsonObject:
    """Return the developer that the path names by email or by id, or raise 404."""
    service.organization(call)
    name = call.names["developer"]
    for found in service.list(DEVELOPERS, call.names["org"]):
        if name in (found["email"], found["developerId"]):
            return found
    raise not_found(f"developer {name} does not exist in organization {call.names['org']}")


def _checked(call: Call) -> JsonObject:
    body = check(call.body, _MESSAGE, "developer")
    require(body, "developer", "email", "firstName", "lastName", "userName")
    require_name(body["email"], _EMAIL, "developer.email")
    if body["email"] != body["email"].lower():
        raise bad_field("developer.email", "the email address has to be in lowercase only")
    return {name: body[name] for name in _GIVEN if name in body}


def _create(service: Service, call: Call) -> Answer:
    given = _checked(call)
    organization = service.organization(call)
    key = f"{organization['name']}/{given['email']}"
    if service.store.get(DEVELOPERS, key):
        raise already_exists(f"developer {given['email']} already exists in organization {organization['name']}")
    now = service.now()
    document: JsonObject = {
        **given,
        "developerId": str(uuid.uuid4()),
        # The missing n is in the API.
        "organizatioName": organization["name"],
        "status": "active",
        "createdAt": now,
        "lastModifiedAt": now,
    }
    service.store.put(DEVELOPERS, key, document)
    return document


def _get(service: Service, call: Call) -> Answer:
    found = developer(service, call)
    apps = [app["name"] for app in service.list(APPS, f"{call.names['org']}/{found['email']}")]
    return {**found, "apps": apps} if apps else found


def _list(service: Service, call: Call) -> Answer:
    service.organization(call)
    found = service.list(DEVELOPERS, call.names["org"])
    if not found:
        return {}
    return {"developer": found if call.flag("expand") else [{"email": item["email"]} for item in found]}


def _update(service: Service, call: Call) -> Answer:
    given = _checked(call)
    old = developer(service, call)
    if given["email"] != old["email"]:
        raise bad_field("developer.email", "the sandbox cannot change a developer's email address")
    kept = {name: value for name, value in old.items() if name not in _GIVEN}
    document = {**given, **kept, "lastModifiedAt": service.now()}
    service.store.put(DEVELOPERS, f"{call.names['org']}/{old['email']}", document)
    return document


def _set_status(service: Service, call: Call) -> Answer:
    found = developer(service, call)
    action = call.query.get("action", "")
    if action not in ("active", "inactive"):
        raise invalid('the query parameter action must be "active" or "inactive"')
    document = {**found, "status": action, "lastModifiedAt": service.now()}
    service.store.put(DEVELOPERS, f"{call.names['org']}/{found['email']}", document)
    return NO_CONTENT


def _delete(service: Service, call: Call) -> Answer:
    """Delete the developer, the apps and their keys."""
    found = developer(service, call)
    key = f"{call.names['org']}/{found['email']}"
    service.delete_all(APPS, key)
    service.store.delete(DEVELOPERS, key)
    return found


_DEVELOPERS = "organizations/{org}/developers"

ENDPOINTS = (
    Endpoint("GET", _DEVELOPERS, _list),
    Endpoint("POST", _DEVELOPERS, _create),
    Endpoint("GET", f"{_DEVELOPERS}/{{developer}}", _get),
    Endpoint("PUT", f"{_DEVELOPERS}/{{developer}}", _update),
    Endpoint("POST", f"{_DEVELOPERS}/{{developer}}", _set_status),
    Endpoint("DELETE", f"{_DEVELOPERS}/{{developer}}", _delete),
)

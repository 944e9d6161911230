"""Developer apps and their keys.

An app gets a generated key when it is made, and another one whenever it is put together with API products: a client
that means to change the products of a key uses the key's own endpoint. A key of the client's own starts approved and
without products.
"""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Mapping
from typing import Any

from portcullis.sandbox.apigee.management.developers import developer
from portcullis.sandbox.apigee.management.errors import already_exists, bad_field, invalid, not_found
from portcullis.sandbox.apigee.management.messages import (
    ATTRIBUTES,
    INT64,
    TEXT,
    Shape,
    check,
    require,
    require_name,
    require_one_of,
)
from portcullis.sandbox.apigee.management.service import APPS, NO_CONTENT, PRODUCTS, Answer, Call, Endpoint, Service
from portcullis.sandbox.store import JsonObject

_ALPHABET = string.ascii_letters + string.digits
_KEY_LENGTH = 48
_SECRET_LENGTH = 64
_MAX_KEY_BYTES = 2048
_OWN_KEY = frozenset(_ALPHABET + "_-")
"""Apigee takes nothing else in a consumer key or secret of the client's own."""

_MS = 1000
_KEY: Mapping[str, Shape] = {
    "consumerKey": TEXT,
    "consumerSecret": TEXT,
    "apiProducts": [TEXT],
    "scopes": [TEXT],
    "attributes": ATTRIBUTES,
    "expiresInSeconds": INT64,
    "expiresAt": INT64,
    "issuedAt": INT64,
    "status": TEXT,
}
_APP: Mapping[str, Shape] = {
    "name": TEXT,
    "callbackUrl": TEXT,
    "keyExpiresIn": INT64,
    "apiProducts": [TEXT],
    "scopes": [TEXT],
    "status": TEXT,
    "attributes": ATTRIBUTES,
    "appFamily": TEXT,
    "appId": TEXT,
    "appGroup": TEXT,
    "developerId": TEXT,
    "credentials": [{**_KEY, "apiProducts": [{"apiproduct": TEXT, "status": TEXT}]}],
    "createdAt": INT64,
    "lastModifiedAt": INT64,
}
_REPLACED = ("callbackUrl", "attributes", "scopes")


def _checked(call: Call) -> JsonObject:
    body = check(call.body, _APP, "developer_app")
    require(body, "developer_app", "name")
    require_name(body["name"], r"[A-Za-z0-9._\-$ %]+", "developer_app.name")
    require_one_of(body, "status", "developer_app", "approved", "revoked")
    return body


def _credential(service: Service, call: Call, body: JsonObject) -> JsonObject:
    """A new key, of the client's own or generated; `keyExpiresIn` in milliseconds, -1 for never."""
    issued = service.now()
    life = int(body.get("keyExpiresIn", "-1"))
    products = [_product(service, call, name) for name in body.get("apiProducts", [])]
    return {
        "consumerKey": body.get("consumerKey") or _random(_KEY_LENGTH),
        "consumerSecret": body.get("consumerSecret") or _random(_SECRET_LENGTH),
        "issuedAt": issued,
        "expiresAt": "-1" if life < 0 else str(int(issued) + life),
        "status": "approved",
        "apiProducts": products,
        "scopes": body.get("scopes", []),
        "attributes": body.get("attributes", []),
    }


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _product(service: Service, call: Call, name: str) -> JsonObject:
    """A product of a key, approved at once unless the product asks for a human."""
    product = service.store.get(PRODUCTS, f"{call.names['org']}/{name}")
    if product is None:
        raise bad_field("developer_app.api_products", f"API Product [{name}] does not exist")
    return {"apiproduct": name, "status": "pending" if product.get("approvalType") == "manual" else "approved"}


def _create(service: Service, call: Call) -> Answer:
    body = _checked(call)
    owner = developer(service, call)
    key = f"{call.names['org']}/{owner['email']}/{body['name']}"
    if service.store.get(APPS, key):
        raise already_exists(f"app {body['name']} already exists for developer {owner['email']}")
    now = service.now()
    app: JsonObject = {
        "name": body["name"],
        "appId": str(uuid.uuid4()),
        "developerId": owner["developerId"],
        "appFamily": body.get("appFamily", "default"),
        "status": body.get("status", "approved"),
        **{name: body[name] for name in _REPLACED if name in body},
        "credentials": [_credential(service, call, {**body, "attributes": []})],
        "createdAt": now,
        "lastModifiedAt": now,
    }
    service.store.put(APPS, key, app)
    return app


def _app_key(service: Service, call: Call) -> str:
    return f"{call.names['org']}/{developer(service, call)['email']}/{call.names['app']}"


def _found(service: Service, call: Call) -> JsonObject:
    app = service.store.get(APPS, _app_key(service, call))
    if app is None:
        raise not_found(f"app {call.names['app']} does not exist for developer {call.names['developer']}")
    return app


def _save(service: Service, call: Call, app: JsonObject) -> JsonObject:
    app = {**app, "lastModifiedAt": service.now()}
    service.store.put(APPS, _app_key(service, call), app)
    return app


def _get(service: Service, call: Call) -> Answer:
    return _found(service, call)


def _list(service: Service, call: Call) -> Answer:
    found = service.list(APPS, f"{call.names['org']}/{developer(service, call)['email']}")
    if not found:
        return {}
    return {"app": found if call.flag("expand") else [{"appId": app["name"]} for app in found]}


def _update(service: Service, call: Call) -> Answer:
    body = _checked(call)
    app = _found(service, call)
    if body["name"] != app["name"]:
        raise bad_field("developer_app.name", "the name cannot be changed")
    changed = {name: value for name, value in app.items() if name not in _REPLACED}
    changed.update({name: body[name] for name in _REPLACED if name in body})
    changed["status"] = body.get("status", app["status"])
    if body.get("apiProducts"):
        changed["credentials"] = [*app["credentials"], _credential(service, call, {**body, "attributes": []})]
    return _save(service, call, changed)


def _set_status(service: Service, call: Call) -> Answer:
    _save(service, call, {**_found(service, call), "status": _status_of(call)})
    return NO_CONTENT


def _status_of(call: Call) -> str:
    statuses = {"approve": "approved", "revoke": "revoked"}
    status = statuses.get(call.query.get("action", ""))
    if status is None:
        raise invalid('the query parameter action must be "approve" or "revoke"')
    return status


def _delete(service: Service, call: Call) -> Answer:
    app = _found(service, call)
    service.store.delete(APPS, _app_key(service, call))
    return app


# ---- keys ----


def _create_key(service: Service, call: Call) -> Answer:
    body = check(call.body, _KEY, "developer_app_key")
    app = _found(service, call)
    require(body, "developer_app_key", "consumerKey", "consumerSecret")
    for name in ("consumerKey", "consumerSecret"):
        _check_own(body[name], name)
    if body.get("apiProducts"):
        raise bad_field(
            "developer_app_key.api_products",
            "a new key has no API products: associate them by updating the key once it is created",
        )
    if body["consumerKey"] in _all_keys(service, call.names["org"]):
        raise already_exists("the consumer key already exists in the organization")
    life = int(body.get("expiresInSeconds", "-1"))
    credential = _credential(service, call, {**body, "keyExpiresIn": str(life * _MS if life >= 0 else -1)})
    _save(service, call, {**app, "credentials": [*app["credentials"], credential]})
    return credential


def _check_own(value: str, name: str) -> None:
    # The value itself is left out of the message: it may be a secret.
    path = f"developer_app_key.{name}"
    if len(value) > _MAX_KEY_BYTES:
        raise bad_field(path, f"{name} is longer than {_MAX_KEY_BYTES} bytes")
    if not set(value) <= _OWN_KEY:
        raise bad_field(path, f"{name} can contain letters, numbers, underscores, and hyphens only")


def _all_keys(service: Service, org: str) -> set[str]:
    return {credential["consumerKey"] for app in service.list(APPS, org) for credential in app["credentials"]}


def _key(app: JsonObject, call: Call) -> JsonObject:
    credentials: list[dict[str, Any]] = app["credentials"]
    for credential in credentials:
        if credential["consumerKey"] == call.names["key"]:
            return credential
    raise not_found(f"the consumer key does not exist in app {app['name']}")


def _save_key(service: Service, call: Call, app: JsonObject, credential: JsonObject) -> JsonObject:
    credentials = [
        credential if item["consumerKey"] == credential["consumerKey"] else item for item in app["credentials"]
    ]
    _save(service, call, {**app, "credentials": credentials})
    return credential


def _get_key(service: Service, call: Call) -> Answer:
    return _key(_found(service, call), call)


def _update_key(service: Service, call: Call) -> Answer:
    """Approve or revoke the key; or add API products to it, and replace its scopes and attributes."""
    app = _found(service, call)
    credential = _key(app, call)
    if call.query.get("action"):
        _save_key(service, call, app, {**credential, "status": _status_of(call)})
        return NO_CONTENT
    body = check(call.body, _KEY, "developer_app_key")
    had = {entry["apiproduct"] for entry in credential["apiProducts"]}
    added = [_product(service, call, name) for name in dict.fromkeys(body.get("apiProducts", [])) if name not in had]
    changed = {**credential, "apiProducts": [*credential["apiProducts"], *added]}
    changed.update({name: body[name] for name in ("scopes", "attributes") if name in body})
    return _save_key(service, call, app, changed)


def _delete_key(service: Service, call: Call) -> Answer:
    app = _found(service, call)
    credential = _key(app, call)
    rest = [item for item in app["credentials"] if item["consumerKey"] != credential["consumerKey"]]
    _save(service, call, {**app, "credentials": rest})
    return credential


def _entry(credential: JsonObject, call: Call) -> JsonObject:
    entries: list[dict[str, Any]] = credential["apiProducts"]
    for entry in entries:
        if entry["apiproduct"] == call.names["product"]:
            return entry
    raise not_found(f"the key has no API product {call.names['product']}")


def _set_product_status(service: Service, call: Call) -> Answer:
    app = _found(service, call)
    credential = _key(app, call)
    entry = _entry(credential, call)
    products = [
        {**item, "status": _status_of(call)} if item["apiproduct"] == entry["apiproduct"] else item
        for item in credential["apiProducts"]
    ]
    _save_key(service, call, app, {**credential, "apiProducts": products})
    return NO_CONTENT


def _remove_product(service: Service, call: Call) -> Answer:
    app = _found(service, call)
    credential = _key(app, call)
    entry = _entry(credential, call)
    rest = [item for item in credential["apiProducts"] if item["apiproduct"] != entry["apiproduct"]]
    return _save_key(service, call, app, {**credential, "apiProducts": rest})


_APPS = "organizations/{org}/developers/{developer}/apps"
_KEYS = f"{_APPS}/{{app}}/keys"

ENDPOINTS = (
    Endpoint("GET", _APPS, _list),
    Endpoint("POST", _APPS, _create),
    Endpoint("GET", f"{_APPS}/{{app}}", _get),
    Endpoint("PUT", f"{_APPS}/{{app}}", _update),
    Endpoint("POST", f"{_APPS}/{{app}}", _set_status),
    Endpoint("DELETE", f"{_APPS}/{{app}}", _delete),
    Endpoint("POST", _KEYS, _create_key),
    Endpoint("POST", f"{_KEYS}/create", _create_key),
    Endpoint("GET", f"{_KEYS}/{{key}}", _get_key),
    Endpoint("POST", f"{_KEYS}/{{key}}", _update_key),
    Endpoint("PUT", f"{_KEYS}/{{key}}", _update_key),
    Endpoint("DELETE", f"{_KEYS}/{{key}}", _delete_key),
    Endpoint("POST", f"{_KEYS}/{{key}}/apiproducts/{{product}}", _set_product_status),
    Endpoint("DELETE", f"{_KEYS}/{{key}}/apiproducts/{{product}}", _remove_product),
)

"""API products: which operations of which proxies an app may call, and how often."""

from __future__ import annotations

from typing import Any, cast

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field, precondition
from portcullis.sandbox.apigee.management.messages import (
    ATTRIBUTES,
    INT64,
    TEXT,
    check,
    require,
    require_name,
    require_one_of,
)
from portcullis.sandbox.apigee.management.service import (
    APPS,
    ENVIRONMENTS,
    PRODUCTS,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

_MAX_ATTRIBUTES = 18
_TIME_UNITS = ("second", "minute", "hour", "day", "week", "month", "year")
_QUOTA = {"limit": TEXT, "interval": TEXT, "timeUnit": TEXT}
_MESSAGE = {
    "name": TEXT,
    "displayName": TEXT,
    "description": TEXT,
    "approvalType": TEXT,
    "attributes": ATTRIBUTES,
    "apiResources": [TEXT],
    "environments": [TEXT],
    "proxies": [TEXT],
    "scopes": [TEXT],
    "quota": TEXT,
    "quotaInterval": TEXT,
    "quotaTimeUnit": TEXT,
    "quotaCounterScope": TEXT,
    "operationGroup": {
        "operationConfigs": [
            {
                "apiSource": TEXT,
                "operations": [{"resource": TEXT, "methods": [TEXT]}],
                "quota": _QUOTA,
                "attributes": ATTRIBUTES,
            }
        ],
        "operationConfigType": TEXT,
    },
    "graphqlOperationGroup": {
        "operationConfigs": [
            {
                "apiSource": TEXT,
                "operations": [{"operationTypes": [TEXT], "operation": TEXT}],
                "quota": _QUOTA,
                "attributes": ATTRIBUTES,
            }
        ],
        "operationConfigType": TEXT,
    },
    "grpcOperationGroup": {
        "operationConfigs": [
            {"apiSource": TEXT, "methods": [TEXT], "service": TEXT, "quota": _QUOTA, "attributes": ATTRIBUTES}
        ]
    },
    "space": TEXT,
    "createdAt": INT64,
    "lastModifiedAt": INT64,
}


def _checked(service: Service, call: Call) -> JsonObject:
    body = check(call.body, _MESSAGE, "api_product")
    service.organization(call)
    require(body, "api_product", "name", "displayName")
    require_name(body["name"], r"[a-zA-Z][a-zA-Z0-9._\-$ %]*", "api_product.name")
    require_one_of(body, "approvalType", "api_product", "auto", "manual")
    require_one_of(body, "quotaCounterScope", "api_product", "QUOTA_COUNTER_SCOPE_UNSPECIFIED", "PROXY", "OPERATION")
    if len(body.get("attributes", [])) > _MAX_ATTRIBUTES:
        raise bad_field("api_product.attributes", f"a product has at most {_MAX_ATTRIBUTES} attributes")
    _check_quota(body, "quota", "quotaInterval", "quotaTimeUnit", "api_product")
    _check_operations(body)
    org = call.names["org"]
    for name in body.get("environments", []):
        if service.store.get(ENVIRONMENTS, f"{org}/{name}") is None:
            raise bad_field("api_product.environments", f"Environment [{name}] does not exist in organization {org}")
    return body


def _check_quota(quota: JsonObject, limit: str, interval: str, unit: str, path: str) -> None:
    given = [name for name in (limit, interval, unit) if quota.get(name)]
    if given and len(given) < len((limit, interval, unit)):
        raise bad_field(path, f"{limit}, {interval} and {unit} go together: only {', '.join(given)} given")
    for name in (limit, interval):
        value = str(quota.get(name) or "1")
        if not value.isdecimal() or int(value) < 1:
            raise bad_field(f"{path}.{name}", f"{name} must be a whole number above 0, written as text")
    require_one_of(quota, unit, path, *_TIME_UNITS)


def _check_operations(body: JsonObject) -> None:
    group = cast("JsonObject", body.get("operationGroup") or {})
    configs = cast("list[JsonObject]", group.get("operationConfigs") or [])
    if configs and (body.get("apiResources") or body.get("proxies")):
        raise bad_field("api_product.operation_group", "operationGroup excludes apiResources and proxies")
    require_one_of(group, "operationConfigType", "api_product.operation_group", "proxy", "remoteservice")
    for index, config in enumerate(configs):
        path = f"api_product.operation_group.operation_configs[{index}]"
        require(config, path, "apiSource")
        for operation in cast("list[JsonObject]", config.get("operations") or []):
            if not str(operation.get("resource", "")).startswith("/"):
                raise bad_field(f"{path}.operations", "every operation needs a resource that starts with a slash")
        _check_quota(cast("JsonObject", config.get("quota") or {}), "limit", "interval", "timeUnit", f"{path}.quota")


def _create(service: Service, call: Call) -> Answer:
    body = _checked(service, call)
    key = f"{call.names['org']}/{body['name']}"
    if service.store.get(PRODUCTS, key):
        raise already_exists(f"API Product {body['name']} already exists")
    now = service.now()
    product: JsonObject = {**body, "createdAt": now, "lastModifiedAt": now}
    service.store.put(PRODUCTS, key, product)
    return product


def _found(service: Service, call: Call) -> JsonObject:
    service.organization(call)
    return service.find(PRODUCTS, call.key("org", "product"), call.path)


def _get(service: Service, call: Call) -> Answer:
    return _found(service, call)


def _list(service: Service, call: Call) -> Answer:
    service.organization(call)
    found = service.list(PRODUCTS, call.names["org"])
    if not found:
        return {}
    return {"apiProduct": found if call.flag("expand") else [{"name": item["name"]} for item in found]}


def _update(service: Service, call: Call) -> Answer:
    old = _found(service, call)
    body = _checked(service, call)
    if body["name"] != old["name"]:
        raise bad_field("api_product.name", "the name cannot be changed")
    product: JsonObject = {**body, "createdAt": old["createdAt"], "lastModifiedAt": service.now()}
    service.store.put(PRODUCTS, call.key("org", "product"), product)
    return product


def _delete(service: Service, call: Call) -> Answer:
    product = _found(service, call)
    users = [
        f"organizations/{call.names['org']}/developers/{key.split('/', 2)[1]}/apps/{app['name']}"
        for key, app in service.store.items(APPS, f"{call.names['org']}/")
        if product["name"] in _products(app)
    ]
    if users:
        violations: list[JsonObject] = [
            {"type": "WOULD_BREAK_DEPENDENT", "subject": user, "description": "a key of this app has the product"}
            for user in users
        ]
        raise precondition(f"API Product {product['name']} is associated with apps and cannot be deleted", violations)
    service.store.delete(PRODUCTS, call.key("org", "product"))
    return product


def _products(app: JsonObject) -> set[str]:
    credentials: list[dict[str, Any]] = app["credentials"]
    return {entry["apiproduct"] for credential in credentials for entry in credential["apiProducts"]}


_PRODUCTS = "organizations/{org}/apiproducts"

ENDPOINTS = (
    Endpoint("GET", _PRODUCTS, _list),
    Endpoint("POST", _PRODUCTS, _create),
    Endpoint("GET", f"{_PRODUCTS}/{{product}}", _get),
    Endpoint("PUT", f"{_PRODUCTS}/{{product}}", _update),
    Endpoint("DELETE", f"{_PRODUCTS}/{{product}}", _delete),
)

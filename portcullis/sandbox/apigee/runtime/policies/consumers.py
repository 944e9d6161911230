"""Whose key is this, and what may its app call? What VerifyAPIKey and OAuthV2 share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from portcullis.sandbox.apigee.runtime.conditions import path_matches
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.store import JsonObject

_APPROVED = "approved"


@dataclass(frozen=True)
class Consumer:
    """A key with the app and the developer it belongs to, as the management API has stored them."""

    app: JsonObject
    credential: JsonObject
    developer: JsonObject

    @property
    def approved_products(self) -> list[str]:
        """The names of the products that the key is approved for."""
        entries = self.credential.get("apiProducts", [])
        return [entry["apiproduct"] for entry in entries if entry.get("status", _APPROVED) == _APPROVED]


def find_consumer(context: Context, key: str) -> Consumer | None:
    """Return whose consumer key it is."""
    organization = context.place.organization
    for path, app in context.services.store.items("apigee.apps", f"{organization}/"):
        for credential in app.get("credentials", []):
            if credential.get("consumerKey") == key:
                email = path.split("/")[1]
                developer = context.services.store.get("apigee.developers", f"{organization}/{email}")
                return Consumer(app, credential, developer or {})
    return None


def check_active(context: Context, found: Consumer) -> None:
    """Raise the fault of a developer, an app or a key that is not active."""
    if found.developer.get("status", "active") != "active":
        raise Fault("keymanagement.service.DeveloperStatusNotActive", "Developer Status is not Active", 401)
    if found.app.get("status", _APPROVED) != _APPROVED:
        raise Fault("keymanagement.service.invalid_client-app_not_approved", "API Key is not approved", 401)
    if found.credential.get("status", _APPROVED) != _APPROVED:
        raise Fault("oauth.v2.ApiKeyNotApproved", "API Key is not approved", 401)
    expires = int(found.credential.get("expiresAt", -1) or -1)
    if 0 < expires <= context.now * 1000:
        raise Fault("keymanagement.service.consumer_key_expired", "Consumer key is expired", 401)


@dataclass(frozen=True)
class Operation:
    """What of a product holds a call: the resource as the product writes it, its methods, attributes and own quota."""

    source: str
    resource: str
    methods: list[str]
    attributes: list[JsonObject]
    quota: JsonObject


def find_product(context: Context, names: Iterable[str]) -> tuple[JsonObject, Operation] | None:
    """Return the first product of these that holds this call, with the operation that does."""
    for name in names:
        product = context.services.store.get("apigee.products", f"{context.place.organization}/{name}")
        operation = _operation(context, product) if product is not None else None
        if product is not None and operation is not None:
            return product, operation
    return None


def describe(prefix: str, found: Consumer, product: JsonObject, operation: Operation) -> dict[str, Value]:
    """Return the variables that tell of app, developer and product, below `prefix` and where every policy sees them.

    A quota of the operation stands before that of the product.
    """
    developer, app = found.developer, found.app
    quota = operation.quota
    limit = quota.get("limit") or product.get("quota")
    interval = quota.get("interval") if quota.get("limit") else product.get("quotaInterval")
    unit = quota.get("timeUnit") if quota.get("limit") else product.get("quotaTimeUnit")
    values: dict[str, Value] = {
        f"{prefix}.status": str(found.credential.get("status", _APPROVED)),
        f"{prefix}.developer.id": developer.get("developerId"),
        f"{prefix}.developer.email": developer.get("email"),
        f"{prefix}.developer.firstName": developer.get("firstName"),
        f"{prefix}.developer.lastName": developer.get("lastName"),
        f"{prefix}.developer.userName": developer.get("userName"),
        f"{prefix}.developer.status": developer.get("status"),
        f"{prefix}.developer.app.id": app.get("appId"),
        f"{prefix}.developer.app.name": app.get("name"),
        f"{prefix}.app.id": app.get("appId"),
        f"{prefix}.app.name": app.get("name"),
        f"{prefix}.app.status": app.get("status"),
        f"{prefix}.app.appFamily": app.get("appFamily"),
        f"{prefix}.app.callbackUrl": app.get("callbackUrl"),
        f"{prefix}.apiproduct.name": product.get("name"),
        f"{prefix}.apiproduct.developer.quota.limit": limit,
        f"{prefix}.apiproduct.developer.quota.interval": interval,
        f"{prefix}.apiproduct.developer.quota.timeunit": unit,
        "apiproduct.name": product.get("name"),
        "apiproduct.developer.quota.limit": limit,
        "apiproduct.developer.quota.interval": interval,
        "apiproduct.developer.quota.timeunit": unit,
        "developer.email": developer.get("email"),
        "developer.id": developer.get("developerId"),
        "developer.app.name": app.get("name"),
        "developer.app.id": app.get("appId"),
        **apigee_variables(
            client_id=found.credential.get("consumerKey"),
            developer_id=developer.get("developerId"),
            developer_email=developer.get("email"),
            app_name=app.get("name"),
        ),
        "apigee.apiproduct.name": product.get("name"),
    }
    for owner, attributes in (("apiproduct", product), ("app", app), ("developer", developer)):
        for attribute in attributes.get("attributes", []):
            values[f"{prefix}.{owner}.{attribute['name']}"] = attribute.get("value")
    for attribute in app.get("attributes", []):
        values.setdefault(f"{prefix}.{attribute['name']}", attribute.get("value"))
    held: dict[str, Value] = {
        "apiproduct.operation": operation.source or None,
        "apiproduct.operation.resource": operation.resource,
        "apiproduct.operation.methods": ",".join(operation.methods) or None,
    }
    for attribute in operation.attributes:
        held[f"apiproduct.operation.attributes.{attribute['name']}"] = attribute.get("value")
    return {**values, **held, **{f"{prefix}.{name}": value for name, value in held.items()}}


def apigee_variables(
    *, client_id: Value, developer_id: Value, developer_email: Value, app_name: Value
) -> dict[str, Value]:
    """Return the variables that name a client for analytics, which bundles read too."""
    return {
        "apigee.client_id": client_id,
        "apigee.developer.id": developer_id,
        "apigee.developer.email": developer_email,
        "apigee.developer.app.name": app_name,
    }


def _operation(context: Context, product: JsonObject) -> Operation | None:
    place = context.place
    environments = product.get("environments") or [place.environment]
    proxies = product.get("proxies") or [place.bundle]
    if place.environment not in environments or place.bundle not in proxies:
        return None
    path = context.variables.text("proxy.pathsuffix") or "/"
    verb = context.variables.text("request.verb") or ""
    for one in _operations(product):
        if one.source in ("", place.bundle) and verb in (one.methods or [verb]) and resource_holds(one.resource, path):
            return one
    return None


def _operations(product: JsonObject) -> Iterator[Operation]:
    group: Any = product.get("operationGroup") or {}
    configs = group.get("operationConfigs", [])
    for config in configs:
        source, attributes = str(config.get("apiSource", "")), list[JsonObject](config.get("attributes", []))
        quota: JsonObject = config.get("quota") or {}
        for item in config.get("operations", []):
            yield Operation(source, item.get("resource", "/"), list(item.get("methods", [])), attributes, quota)
    if not configs:
        for resource in product.get("apiResources") or ["/**"]:
            yield Operation("", resource, [], [], {})


def resource_holds(resource: str, path: str) -> bool:
    """Tell whether a product's resource holds a path: `/` holds all, `*` is one segment, `**` any number."""
    if resource in {"", "/", "/**"}:
        return True
    return path_matches(resource, path if path.startswith("/") else f"/{path}")

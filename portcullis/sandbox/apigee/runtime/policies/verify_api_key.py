"""VerifyAPIKey: is the key that of an approved app, with an approved product that holds this call?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from portcullis.sandbox.apigee.runtime.conditions import path_matches
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.store import JsonObject

_APPROVED = "approved"


@dataclass(frozen=True)
class _Found:
    app: JsonObject
    credential: JsonObject
    developer: JsonObject


@dataclass(frozen=True)
class VerifyAPIKey(Policy):
    """Finds the app of a consumer key and its product for this proxy, environment, path and method."""

    type_name = "VerifyAPIKey"
    fault_prefix = "oauthV2"
    elements = elements("DisplayName\nAPIKey @ref", ignored="Properties\nCacheExpiryInSeconds")

    ref: str
    literal: str

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        key = node.need("APIKey")
        if not key.attribute("ref") and not key.text:
            raise node.error("<APIKey> needs a ref to the variable that holds the key")
        return cls(base.name, base.enabled, base.continue_on_error, key.attribute("ref"), key.text)

    async def execute(self, context: Context) -> None:
        """Verify the key; raises the fault of the first check that fails."""
        key = (context.variables.text(self.ref) if self.ref else None) or self.literal
        if not key:
            raise Fault("steps.oauth.v2.FailedToResolveAPIKey", f"Failed to resolve API Key variable {self.ref}", 401)
        found = self._find(context, key)
        if found is None:
            raise Fault("oauth.v2.InvalidApiKey", "Invalid ApiKey", 401)
        _check_active(context, found)
        product, resource = _product(context, found)
        context.variables.fill(self._variables(key, found, product, resource))

    @staticmethod
    def _find(context: Context, key: str) -> _Found | None:
        organization = context.place.organization
        for path, app in context.services.store.items("apigee.apps", f"{organization}/"):
            for credential in app.get("credentials", []):
                if credential.get("consumerKey") == key:
                    email = path.split("/")[1]
                    developer = context.services.store.get("apigee.developers", f"{organization}/{email}")
                    return _Found(app, credential, developer or {})
        return None

    def _variables(self, key: str, found: _Found, product: JsonObject, resource: str) -> dict[str, Value]:
        prefix = f"verifyapikey.{self.name}"
        developer, app = found.developer, found.app
        values: dict[str, Value] = {
            "client_id": key,
            f"{prefix}.client_id": key,
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
            f"{prefix}.apiproduct.name": product.get("name"),
            f"{prefix}.apiproduct.developer.quota.limit": product.get("quota"),
            f"{prefix}.apiproduct.developer.quota.interval": product.get("quotaInterval"),
            f"{prefix}.apiproduct.developer.quota.timeunit": product.get("quotaTimeUnit"),
            "apiproduct.name": product.get("name"),
            "apiproduct.operation.resource": resource,
            "apiproduct.developer.quota.limit": product.get("quota"),
            "apiproduct.developer.quota.interval": product.get("quotaInterval"),
            "apiproduct.developer.quota.timeunit": product.get("quotaTimeUnit"),
            "developer.email": developer.get("email"),
            "developer.id": developer.get("developerId"),
            "developer.app.name": app.get("name"),
            "developer.app.id": app.get("appId"),
        }
        for owner, attributes in (("apiproduct", product), ("app", app), ("developer", developer)):
            for attribute in attributes.get("attributes", []):
                values[f"{prefix}.{owner}.{attribute['name']}"] = attribute.get("value")
        return values


def _check_active(context: Context, found: _Found) -> None:
    if found.developer.get("status", "active") != "active":
        raise Fault("keymanagement.service.DeveloperStatusNotActive", "Developer Status is not Active", 401)
    if found.app.get("status", _APPROVED) != _APPROVED:
        raise Fault("keymanagement.service.invalid_client-app_not_approved", "API Key is not approved", 401)
    if found.credential.get("status", _APPROVED) != _APPROVED:
        raise Fault("oauth.v2.ApiKeyNotApproved", "API Key is not approved", 401)
    expires = int(found.credential.get("expiresAt", -1) or -1)
    if 0 < expires <= context.now * 1000:
        raise Fault("keymanagement.service.consumer_key_expired", "Consumer key is expired", 401)


def _product(context: Context, found: _Found) -> tuple[JsonObject, str]:
    """Return the first approved product of the credential that holds this call, with the resource that matched."""
    for entry in found.credential.get("apiProducts", []):
        if entry.get("status", _APPROVED) != _APPROVED:
            continue
        key = f"{context.place.organization}/{entry['apiproduct']}"
        product = context.services.store.get("apigee.products", key)
        resource = _resource(context, product) if product is not None else None
        if product is not None and resource is not None:
            return product, resource
    raise Fault("oauth.v2.InvalidApiKeyForGivenResource", "Invalid ApiKey for given resource", 401)


def _resource(context: Context, product: JsonObject) -> str | None:
    place = context.place
    environments = product.get("environments") or [place.environment]
    proxies = product.get("proxies") or [place.bundle]
    if place.environment not in environments or place.bundle not in proxies:
        return None
    path = context.variables.text("proxy.pathsuffix") or "/"
    verb = context.variables.text("request.verb") or ""
    for source, resource, methods in _operations(product):
        if source in ("", place.bundle) and (not methods or verb in methods) and resource_holds(resource, path):
            return resource
    return None


def _operations(product: JsonObject) -> Iterator[tuple[str, str, list[str]]]:
    group: Any = product.get("operationGroup") or {}
    configs = group.get("operationConfigs", [])
    for config in configs:
        for operation in config.get("operations", []):
            yield config.get("apiSource", ""), operation.get("resource", "/"), list(operation.get("methods", []))
    if not configs:
        for resource in product.get("apiResources") or ["/**"]:
            yield "", resource, []


def resource_holds(resource: str, path: str) -> bool:
    """Tell whether a product's resource holds a path: `/` holds all, `*` is one segment, `**` any number."""
    if resource in {"", "/", "/**"}:
        return True
    return path_matches(resource, path if path.startswith("/") else f"/{path}")

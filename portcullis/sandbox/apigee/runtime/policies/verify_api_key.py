"""VerifyAPIKey: is the key that of an approved app, with an approved product that holds this call?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.consumers import check_active, describe, find_consumer, find_product


@dataclass(frozen=True)
class VerifyAPIKey(Policy):
    """Finds the app of a consumer key and its product for this proxy, environment, path and method."""

    type_name = "VerifyAPIKey"
    fault_prefix = "oauthV2"
    tells_success = True
    elements = elements("APIKey @ref", ignored="CacheExpiryInSeconds")

    ref: str
    literal: str

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        key = node.need("APIKey")
        if not key.attribute("ref") and not key.text:
            raise node.error(
                f"SpecifyValueOrRefApiKey: VerifyAPIKey {base.name}: <APIKey> needs a ref to the key's variable"
            )
        return cls(base.name, base.enabled, base.continue_on_error, key.attribute("ref"), key.text)

    async def execute(self, context: Context) -> None:
        """Verify the key; raises the fault of the first check that fails."""
        try:
            self._verify(context)
        except Fault:
            context.variables.fill({f"verifyapikey.{self.name}.failed": True})
            raise

    def _verify(self, context: Context) -> None:
        key = (context.variables.text(self.ref) if self.ref else None) or self.literal
        if not key:
            raise Fault("steps.oauth.v2.FailedToResolveAPIKey", f"Failed to resolve API Key variable {self.ref}", 401)
        found = find_consumer(context, key)
        if found is None:
            raise Fault("oauth.v2.InvalidApiKey", "Invalid ApiKey", 401)
        check_active(context, found)
        if not found.credential.get("apiProducts"):
            name = "keymanagement.service.consumer_key_missing_api_product_mapping"
            raise Fault(name, "Consumer key has no API product mapping", 400)
        holds = find_product(context, found.approved_products)
        if holds is None:
            raise Fault("oauth.v2.InvalidApiKeyForGivenResource", "Invalid ApiKey for given resource", 401)
        prefix = f"verifyapikey.{self.name}"
        context.variables.fill(
            {
                **describe(prefix, found, *holds),
                "client_id": key,
                f"{prefix}.client_id": key,
                f"{prefix}.client_secret": found.credential.get("consumerSecret"),
                f"{prefix}.redirection_uris": found.app.get("callbackUrl"),
                f"{prefix}.failed": False,
            }
        )

"""A random secret that lives in the stack's state, encrypted, and nowhere else."""

import secrets
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

SECRET_BYTES = 32


class RandomSecretProvider(ResourceProvider):
    """Draws the secret once; afterwards there is nothing to change."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Draw 256 bits from the operating system."""
        return CreateResult(id_="secret", outs={**props, "value": secrets.token_urlsafe(SECRET_BYTES)})


class RandomSecret(Resource, module="secrets", name="RandomSecret"):
    """`value`: 256 random bits in base64url, a Pulumi secret. Replace the resource to draw another."""

    value: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        own = pulumi.ResourceOptions(additional_secret_outputs=["value"])
        super().__init__(RandomSecretProvider(), name, {"value": None}, pulumi.ResourceOptions.merge(opts, own))

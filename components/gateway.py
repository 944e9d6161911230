"""The gateway: both tiers, joined by the ring."""

import os
from pathlib import Path
from typing import TypedDict

import pulumi

from components.apigee import ApigeeGateway
from components.edge import EdgeGateway
from components.ring_proof import Canary, RingReadBack
from components.settings import Settings
from components.signing_key_ring import SigningKeyRing
from portcullis import ring
from portcullis.contract import Contract


class GatewayArgs(TypedDict):
    """What a gateway is made from."""

    contract: Contract
    """The parsed contract: what holds in every environment."""
    settings: Settings
    """The facts of this environment."""
    project: Path
    """The project's folder, which holds `worker/` and `apigee_bundle/`."""
    build: Path
    """Where both tiers' artifacts are written, relative to the project."""


class Gateway(pulumi.ComponentResource):
    """One API gateway on two clouds.

    **Pulumi type:** `portcullis:index:Gateway`

    Produces a `SigningKeyRing`, an `ApigeeGateway`, a canary, an `EdgeGateway` and a read-back. On a rotation the order
    is: public keys to Apigee, the canary of the key about to sign, the Worker's new version, the read-back of its ring,
    and only then the old keys are deleted (rule I9). Each waits for the one before.
    """

    ring: SigningKeyRing
    apigee: ApigeeGateway
    edge: EdgeGateway

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portcullis:index:Gateway", name, {}, opts)
        contract, settings = args["contract"], args["settings"]
        child = pulumi.ResourceOptions(parent=self)
        # One issuer and one audience per environment: a token of another environment is refused by both names.
        issuer = f"https://{settings.gateway_hostname}"
        audience = f"https://{settings.apigee_hostname}/{contract.api.name}"
        self.ring = SigningKeyRing(
            f"{name}-ring",
            {
                "settings": ring_settings(contract, settings.rotation_period_seconds),
                "algorithm": contract.ring.algorithm,
                "mode": settings.rotation,
                "revoke": settings.revoke,
                "gateway_url": issuer,
                "protect": settings.protect,
            },
            child,
        )
        self.apigee = ApigeeGateway(
            f"{name}-apigee",
            {
                "contract": contract,
                "organization": settings.apigee_organization,
                "new_organization": settings.new_organization,
                "instance": settings.apigee_instance,
                "environment": settings.apigee_environment,
                "hostname": settings.apigee_hostname,
                "internal_issuer": issuer,
                "internal_audience": audience,
                "published_keys": self.ring.published_keys,
                "protect": settings.protect,
                "source": args["project"] / "apigee_bundle",
                "build": args["build"],
            },
            child,
        )
        canary = Canary(
            f"{name}-canary",
            {
                "generation": self.ring.generation,
                "ring": self.ring.worker_ring,
                "edge_url": issuer,
                "apigee_url": self.apigee.origin,
                "issuer": issuer,
                "audience": audience,
                "environment": pulumi.get_stack(),
            },
            pulumi.ResourceOptions(
                parent=self,
                depends_on=self.apigee.published.apply(lambda entries: [*self.apigee.ready, *entries]),
            ),
        )
        self.edge = EdgeGateway(
            f"{name}-edge",
            {
                "contract": contract,
                "account_id": settings.cloudflare_account_id,
                "zone_id": settings.cloudflare_zone_id,
                "hostname": settings.gateway_hostname,
                "route": settings.edge_route,
                "internal_issuer": issuer,
                "internal_audience": audience,
                "apigee_origin": self.apigee.origin,
                "worker_ring": self.ring.worker_ring,
                "ring_generation": self.ring.generation,
                "introspection_secrets": settings.introspection_secrets,
                "verifiers": self.apigee.published.apply(lambda entries: [*self.apigee.ready, *entries, canary]),
                "protect": settings.protect,
                "source": args["project"] / "worker",
                "build": args["build"],
            },
            child,
        )
        RingReadBack(
            f"{name}-read-back",
            {
                "generation": self.ring.generation,
                "jwks": self.ring.jwks,
                "edge_url": self.edge.url,
                "key_map": self.apigee.key_map_id,
            },
            pulumi.ResourceOptions(parent=self, depends_on=self.edge.deployed),
        )
        self.register_outputs({"url": self.edge.url})


def ring_settings(contract: Contract, period_seconds: int) -> ring.Settings:
    """Return the period and the lifetimes that the ring's inequalities are about, in seconds."""
    return ring.Settings(
        period_seconds=period_seconds,
        token_life_seconds=contract.edge.token_life_seconds,
        leeway_seconds=contract.apigee.leeway_seconds,
        key_cache_seconds=contract.apigee.key_cache_seconds,
        # The edge waits for Apigee no longer than this, so no token arrives later.
        delivery_seconds=contract.edge.upstream_timeout_seconds,
        reuse_seconds=contract.edge.token_reuse_seconds,
    )


def project_folder() -> Path:
    """Return the project's folder relative to the working directory, so that paths in the state name no machine."""
    return Path(os.path.relpath(Path(__file__).parent.parent))

"""What the sandbox's identity providers are told: derived from the contract, handed over by the command line."""

from __future__ import annotations

from typing import Any

from portcullis.contract import Contract
from portcullis.contract.test_users import test_users

SANDBOX_INTROSPECTION_SECRET = "sandbox-introspection-secret"  # noqa: S105 - public: it opens the sandbox only
"""The Worker's client secret at the sandbox's issuers; `Pulumi.local.yaml` holds it, as a stack's own would be held."""


def directory(contract: Contract) -> dict[str, Any]:
    """Return issuers, users and backends as the sandbox takes them. A user's password is its name."""
    return {
        "issuers": [_issuer(contract, name) for name in contract.issuers],
        "users": [
            {"name": user.name, "issuer": user.issuer, "password": user.name, "claims": dict(user.claims)}
            for user in test_users(contract)
        ],
        "backends": [backend.host for backend in contract.backends.values()],
    }


def _issuer(contract: Contract, name: str) -> dict[str, Any]:
    issuer = contract.issuers[name]
    introspection = None
    if issuer.introspection is not None:
        secret = "" if issuer.introspection.client_id is None else SANDBOX_INTROSPECTION_SECRET
        introspection = {
            "endpoint": issuer.introspection.endpoint,
            "protocol": issuer.introspection.protocol,
            "client_id": issuer.introspection.client_id or "",
            "client_secret": secret,
            "token_prefix": issuer.introspection.token_prefix,
        }
    return {
        "name": name,
        "shape": issuer.profile,
        "url": issuer.issuer,
        "audience": issuer.audience,
        "algorithm": issuer.algorithms[0] if issuer.algorithms else "RS256",
        "clients": [consumer.client_id for consumer in contract.consumers.values() if consumer.issuer == name],
        "introspection": introspection,
    }

"""What the Worker reads: its policy table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from portcullis.contract.edge_limits import edge_limit
from portcullis.contract.issuer import Issuer
from portcullis.contract.model import Contract, Operation, Product
from portcullis.contract.paths import most_specific_first


def policy_table(contract: Contract, internal_issuer: str, internal_audience: str) -> dict[str, Any]:
    """Derive the Worker's policy table, the JSON module `policy.json` of its version.

    `internal_issuer` and `internal_audience` are `iss` and `aud` of the internal token, facts of a stack. Operations
    come with the most specific path first, so the first whose path matches is the right one. Roles and products are
    sorted; nothing in the table depends on the order of the contract's keys otherwise. Durations are seconds.
    """
    return {
        "contract": contract.version_hash,
        "problems": contract.api.problems,
        "cors": _cors(contract),
        "issuers": [_issuer(name, issuer) for name, issuer in contract.issuers.items()],
        "operations": [
            _operation(contract, product, name, operation) for product, name, operation in most_specific_first(contract)
        ],
        "consumers": {
            consumer.client_id: {
                "name": name,
                "issuer": consumer.issuer,
                "consumer_key": consumer.consumer_key,
                "products": sorted(consumer.products),
            }
            for name, consumer in contract.consumers.items()
        },
        "products": {name: _product(name, product) for name, product in contract.products.items()},
        "internal": {
            "issuer": internal_issuer,
            "audience": internal_audience,
            "life_seconds": contract.edge.token_life_seconds,
            "reuse_seconds": contract.edge.token_reuse_seconds,
        },
        "token_cache": {"seconds": contract.edge.token_cache.seconds, "kv": contract.edge.token_cache.kv},
        "ai_hint": _ai_hint(contract),
        "leeway_seconds": contract.edge.leeway_seconds,
        "upstream_timeout_seconds": contract.edge.upstream_timeout_seconds,
        "audit_subject": contract.audit.subject,
    }


def _ai_hint(contract: Contract) -> dict[str, Any] | None:
    hint = contract.edge.ai_hint
    return None if hint is None else {"model": hint.model, "per_minute": hint.per_minute}


def _cors(contract: Contract) -> dict[str, Any] | None:
    cors = contract.api.cors
    if cors is None:
        return None
    return {
        "origins": list(cors.origins),
        "request_headers": sorted({name.lower() for name in cors.headers}),
        "exposed_headers": list(cors.exposed),
        "max_age_seconds": cors.max_age_seconds,
    }


def _issuer(name: str, issuer: Issuer) -> dict[str, Any]:
    introspection, constraint = issuer.introspection, issuer.sender_constraint
    return {
        "name": name,
        "profile": issuer.profile,
        "issuer": issuer.issuer,
        "audience": issuer.audience,
        "algorithms": list(issuer.algorithms),
        "introspection": None
        if introspection is None
        else {
            "endpoint": introspection.endpoint,
            "protocol": introspection.protocol,
            "client_id": introspection.client_id,
            "token_prefix": introspection.token_prefix,
        },
        "roles": [{"claim": mapping.claim, "value": mapping.value, "role": mapping.role} for mapping in issuer.roles],
        "sender_constraint": None
        if constraint is None
        else {
            "methods": sorted(constraint.methods),
            "required": constraint.required,
            "dpop_nonce": constraint.dpop_nonce,
        },
    }


def _product(name: str, product: Product) -> dict[str, Any]:
    return {
        "quota": {"requests": product.quota.requests, "seconds": product.quota.seconds},
        "limit": asdict(edge_limit(name, product)),
    }


def _operation(contract: Contract, product: str, name: str, operation: Operation) -> dict[str, Any]:
    protection = contract.protections[operation.protection] if operation.protection is not None else None
    return {
        "name": name,
        "method": operation.method,
        "path": operation.path,
        "product": product,
        "roles": sorted(operation.roles),
        "timeout_seconds": contract.backends[operation.backend].timeout_seconds,
        "max_body_bytes": protection.max_body_bytes if protection is not None else None,
    }

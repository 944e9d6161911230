"""The requests of each case, and the issuer whose tokens they carry: all derived from the contract."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bench.errors import BenchError
from portcullis.contract import Contract, Issuer
from portcullis.contract.test_users import TestUser, test_users

ALGORITHM: Final = "RS256"
KEY_BITS: Final = 2048
TOKEN_LIFE_SECONDS: Final = 3600
"""Longer than any run."""

KID: Final = "bench"
GATEWAY_HOST: Final = "api.acme.example"

_CLIENT_CLAIMS: Final[Mapping[str, str]] = {
    "okta": "cid",
    "google": "azp",
    "auth0": "azp",
    "rfc9068": "client_id",
}
_TYPES: Final[Mapping[str, str]] = {"okta": "at+jwt", "google": "JWT", "auth0": "JWT", "rfc9068": "at+jwt"}

MakeRequests: TypeAlias = Callable[[int], list[bytes]]
"""Makes so many requests, as the bytes that are sent."""


@dataclass(frozen=True)
class Case:
    """Requests of one kind, and the status of the gateway's answer to them; the pass-through's is always 200."""

    name: str
    title: str
    gateway_status: int
    make: MakeRequests = field(repr=False)


@dataclass(frozen=True)
class Traffic:
    """The cases, and the issuer's documents by path under `issuer_host` (metadata and key set)."""

    cases: tuple[Case, ...]
    issuer_host: str
    issuer_documents: Mapping[str, Any]


@dataclass(frozen=True)
class _Caller:
    """Who calls what: the path, and the claims that every token of the caller carries."""

    path: str
    issuer: Issuer
    claims: Mapping[str, Any]


def make_traffic(contract: Contract) -> Traffic:
    """Derive the traffic: the contract's first test user makes its first `GET` operation.

    Raises:
        BenchError: the contract has no such user or operation, or the user's issuer does not sign with RS256.
    """
    caller = _caller(contract)
    key, stranger = (rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS) for _ in range(2))
    numbers = itertools.count(1)

    def token(signer: rsa.RSAPrivateKey) -> str:
        now = int(time.time())
        claims = {**caller.claims, "jti": f"bench-{next(numbers)}", "iat": now, "exp": now + TOKEN_LIFE_SECONDS}
        return jwt.encode(claims, signer, ALGORITHM, headers={"kid": KID, "typ": _TYPES[caller.issuer.profile]})

    def fresh(signer: rsa.RSAPrivateKey) -> MakeRequests:
        return lambda count: [_request(caller.path, token(signer)) for _ in range(count)]

    repeated = _request(caller.path, token(key))
    cases = (
        Case(
            "repeated-token", "the same valid token again and again: allowed, forwarded", 200, lambda n: [repeated] * n
        ),
        Case("fresh-token", f"a new valid {ALGORITHM} token in each request: allowed, forwarded", 200, fresh(key)),
        Case("no-token", "no token: refused at the edge", 401, lambda n: [_request(caller.path, None)] * n),
        Case("forged-token", "a new token signed by a stranger: refused at the edge", 401, fresh(stranger)),
    )
    host, documents = _issuer_documents(caller.issuer.issuer, key)
    return Traffic(cases, host, documents)


def _caller(contract: Contract) -> _Caller:
    user = next(iter(test_users(contract)), None)
    found = next(
        (
            (name, operation)
            for name, product in contract.products.items()
            for operation in product.operations.values()
            if operation.method == "GET"
        ),
        None,
    )
    if user is None or found is None:
        raise BenchError("the contract has no test user or no GET operation to measure with: add one")
    issuer, (product, operation) = contract.issuers[user.issuer], found
    if ALGORITHM not in issuer.algorithms:
        raise BenchError(f"issuer `{user.issuer}` does not sign with {ALGORITHM}: add it to the issuer's algorithms")
    path = re.sub(r"\{[^}]*\}", "1", operation.path)
    return _Caller(path, issuer, _claims(issuer, user, _client_id(contract, user, product)))


def _client_id(contract: Contract, user: TestUser, product: str) -> str:
    for consumer in contract.consumers.values():
        if consumer.issuer == user.issuer and product in consumer.products:
            return consumer.client_id
    raise BenchError(f"no consumer of issuer `{user.issuer}` has the product `{product}`: add one to the contract")


def _claims(issuer: Issuer, user: TestUser, client_id: str) -> dict[str, Any]:
    given = {name: value if isinstance(value, str) else list(value) for name, value in user.claims.items()}
    return {
        "iss": issuer.issuer,
        "aud": issuer.audience,
        "sub": f"{user.name}@bench.example",
        _CLIENT_CLAIMS[issuer.profile]: client_id,
        **given,
    }


def _request(path: str, token: str | None) -> bytes:
    authorization = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: {GATEWAY_HOST}\r\n{authorization}\r\n".encode()


def _issuer_documents(issuer: str, key: rsa.RSAPrivateKey) -> tuple[str, dict[str, Any]]:
    """Return the issuer's host, and its documents by path: OpenID Connect Discovery 1.0 §4, RFC 7517 §5."""
    base = issuer.removesuffix("/")
    jwk: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    public = {"kty": jwk["kty"], "n": jwk["n"], "e": jwk["e"], "kid": KID, "use": "sig", "alg": ALGORITHM}
    parts = urlsplit(base)
    return parts.netloc, {
        f"{parts.path}/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{base}/keys"},
        f"{parts.path}/keys": {"keys": [public]},
    }

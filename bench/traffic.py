"""The tokens of each case, and the issuer they are of: all derived from the contract."""

from __future__ import annotations

import itertools
import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bench.errors import BenchError
from portcullis.contract import Contract, Issuer, load
from portcullis.contract.test_users import TestUser, test_users

KEY_BITS: Final = 2048
TOKEN_LIFE_SECONDS: Final = 3600
"""Longer than any run."""

GATEWAY_HOST: Final = "api.acme.example"

ALGORITHMS: Final = ("RS256", "ES256")
"""What the tokens are signed with; the contract that is measured allows both."""

_CLIENT_CLAIMS: Final[Mapping[str, str]] = {"okta": "cid", "auth0": "azp", "rfc9068": "client_id"}

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
MakeTokens: TypeAlias = Callable[[int], Sequence[str | None]]
"""Makes the tokens of so many requests, or fewer, to be sent in turn; `None` sends none."""


@dataclass(frozen=True)
class Case:
    """Requests of one kind, and the status that every gateway answers with; the pass-through's is always 200."""

    name: str
    title: str
    status: int
    make: MakeTokens = field(repr=False)


@dataclass(frozen=True)
class Traffic:
    """The cases; tokens with made-up key ids; what the rivals need to know; the issuer's documents by path."""

    path: str
    cases: Sequence[Case]
    unknown_kids: Case
    facts: Mapping[str, Any] = field(repr=False)
    issuer_host: str
    issuer_documents: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class _Caller:
    operation: str
    path: str
    roles: Sequence[str]
    issuer: Issuer
    claims: Mapping[str, Any]


class _Signer:
    """Signs tokens of one caller, each of its own by its `jti`."""

    def __init__(self, caller: _Caller) -> None:
        self._caller = caller
        self._numbers = itertools.count(1)

    def token(self, key: PrivateKey, kid: str, life: int = TOKEN_LIFE_SECONDS) -> str:
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        now = int(time.time())
        claims = {**self._caller.claims, "jti": f"bench-{next(self._numbers)}", "iat": now - 60, "exp": now + life}
        return jwt.encode(claims, key, algorithm, headers={"kid": kid})


def measured_contract(path: Path) -> Contract:
    """Load a contract with both algorithms allowed to the issuer whose tokens are sent."""
    first = next(iter(test_users(load(path)))).issuer
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as overlay:
        overlay.write(f"issuers: {{{first}: {{algorithms: [{', '.join(ALGORITHMS)}]}}}}\n")
        overlay.flush()
        return load(path, Path(overlay.name))


def make_traffic(contract: Contract) -> Traffic:
    """Derive the traffic: the contract's first test user makes its first `GET` operation.

    Raises:
        BenchError: the contract has no such user or operation, or the user's issuer is of a kind not measured here.
    """
    caller = _caller(contract)
    signer = _Signer(caller)
    rs256, stranger = (rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS) for _ in range(2))
    es256 = ec.generate_private_key(ec.SECP256R1())
    repeated = signer.token(rs256, "RS256")

    def bad(count: int) -> list[str | None]:
        makers: tuple[Callable[[], str], ...] = (
            lambda: signer.token(stranger, "RS256"),
            lambda: signer.token(rs256, "RS256", life=-30),
            lambda: signer.token(rs256, "RS256")[:-200],
            lambda: signer.token(es256, "RS256"),
        )
        return [makers[number % len(makers)]() for number in range(count)]

    cases = (
        Case("repeated", "the same valid RS256 token again and again: forwarded", 200, lambda _: [repeated]),
        Case(
            "fresh-rs256",
            "a valid RS256 token never seen before: forwarded",
            200,
            lambda count: [signer.token(rs256, "RS256") for _ in range(count)],
        ),
        Case(
            "fresh-es256",
            "a valid ES256 token never seen before: forwarded",
            200,
            lambda count: [signer.token(es256, "ES256") for _ in range(count)],
        ),
        Case("bad-tokens", "forged, expired, cut off, or of another algorithm, in turn: refused", 401, bad),
        Case("no-token", "no token: refused", 401, lambda _: [None]),
    )
    unknown = Case(
        "unknown-kid",
        "a token of a key id made up for it: refused",
        401,
        lambda count: [signer.token(es256, f"made-up-{number}") for number in range(count)],
    )
    host, keys_url, documents = _issuer_documents(caller.issuer.issuer, rs256, es256)
    facts = {
        "issuer": caller.issuer.issuer,
        "audience": caller.issuer.audience,
        "algorithms": list(ALGORITHMS),
        "keys": keys_url,
        "path": caller.path,
        "operation": caller.operation,
        "roles": list(caller.roles),
        "groups": [{"value": mapping.value, "role": mapping.role} for mapping in caller.issuer.roles],
    }
    return Traffic(caller.path, cases, unknown, facts, host, documents)


def _caller(contract: Contract) -> _Caller:
    user = next(iter(test_users(contract)), None)
    found = next(
        (
            (product_name, name, operation)
            for product_name, product in contract.products.items()
            for name, operation in product.operations.items()
            if operation.method == "GET"
        ),
        None,
    )
    if user is None or found is None:
        raise BenchError("the contract has no test user or no GET operation to measure with: add one")
    issuer, (product, name, operation) = contract.issuers[user.issuer], found
    if issuer.profile not in _CLIENT_CLAIMS or set(ALGORITHMS) - set(issuer.algorithms):
        raise BenchError(f"issuer `{user.issuer}` is not measured here: it must be okta, auth0 or rfc9068")
    path = re.sub(r"\{[^}]*\}", "1", operation.path)
    claims = _claims(issuer, user, _client_id(contract, user, product))
    return _Caller(name, path, operation.roles, issuer, claims)


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


def _issuer_documents(
    issuer: str, rs256: rsa.RSAPrivateKey, es256: ec.EllipticCurvePrivateKey
) -> tuple[str, str, dict[str, Any]]:
    """Return the issuer's host, its key set's URL, and its documents: OpenID Connect Discovery 1.0 §4, RFC 7517 §5."""
    base = issuer.removesuffix("/")
    keys = [
        {**json.loads(written), "kid": algorithm, "use": "sig", "alg": algorithm, "key_ops": ["verify"]}
        for algorithm, written in (
            ("RS256", RSAAlgorithm.to_jwk(rs256.public_key())),
            ("ES256", ECAlgorithm.to_jwk(es256.public_key())),
        )
    ]
    parts = urlsplit(base)
    documents = {
        f"{parts.path}/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{base}/keys"},
        f"{parts.path}/keys": {"keys": keys},
    }
    return parts.netloc, f"{base}/keys", documents

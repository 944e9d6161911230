"""Signing keys as JSON Web Keys (RFC 7517), named by their thumbprint."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

Jwk: TypeAlias = dict[str, Any]
Algorithm: TypeAlias = Literal["ES256", "ES384", "RS256", "PS256"]
"""The JWS algorithms that a key of the ring may sign with (RFC 7518 §3.1)."""

# RFC 7638 §3.2: the members that a thumbprint covers, of each type of key.
_THUMBPRINT_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
# RFC 7518 §6.2.1 and §6.3.1: what a public key consists of. Anything else is left behind.
_PUBLIC_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}


# RFC 7518 §3.3 and §3.5 ask for 2048 bits at least; more would cost the edge milliseconds a signature.
_RSA_BITS: Final = 2048


def _elliptic(curve: ec.EllipticCurve) -> Callable[[], Jwk]:
    return lambda: ECAlgorithm.to_jwk(ec.generate_private_key(curve), as_dict=True)


def _rsa() -> Jwk:
    return RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS), as_dict=True)


_GENERATORS: Final[Mapping[str, Callable[[], Jwk]]] = {
    "ES256": _elliptic(ec.SECP256R1()),
    "ES384": _elliptic(ec.SECP384R1()),
    "RS256": _rsa,
    "PS256": _rsa,
}
ALGORITHMS: Final[tuple[str, ...]] = tuple(_GENERATORS)
"""Every `Algorithm`. What verifies accepts all of them, so that a ring may hold keys of several at a time."""


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The JWK thumbprint of a key (RFC 7638) with SHA-256: 43 characters of base64url, the same for both halves.

    Raises ValueError for a type of key other than EC and RSA, or where a member is missing.
    """
    members = _members(jwk, _THUMBPRINT_MEMBERS)
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def public_jwk(jwk: Mapping[str, Any], algorithm: str) -> Jwk:
    """The public half of a key, with kid, use and alg; private members never get through.

    `algorithm` is the one that this key signs with: a key keeps it for life (RFC 8725 §3.1: one algorithm per key).
    Raises ValueError as `thumbprint` does.
    """
    return {**_members(jwk, _PUBLIC_MEMBERS), "kid": thumbprint(jwk), "use": "sig", "alg": algorithm}


def generate_key(algorithm: str) -> tuple[Jwk, Jwk]:
    """Make a new signing key: (private JWK, public JWK), both with kid = thumbprint (I10: same kid, same key).

    Raises ValueError for an algorithm that is not an `Algorithm`.
    """
    generator = _GENERATORS.get(algorithm)
    if generator is None:
        raise ValueError(f"no key can be made for the algorithm {algorithm!r}; use one of {', '.join(_GENERATORS)}")
    raw = generator()
    public = public_jwk(raw, algorithm)
    private = {**raw, **public}
    private.pop("key_ops", None)
    return private, public


def _members(jwk: Mapping[str, Any], wanted: Mapping[str, tuple[str, ...]]) -> Jwk:
    kind = jwk.get("kty")
    names = wanted.get(kind) if isinstance(kind, str) else None
    if names is None:
        raise ValueError("the key is neither of type EC nor RSA")
    missing = [name for name in names if not isinstance(jwk.get(name), str)]
    if missing:
        raise ValueError(f"the key lacks {', '.join(missing)}")
    return {name: jwk[name] for name in names}

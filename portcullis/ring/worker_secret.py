"""The ring as the Worker holds it: one JSON text in a secret binding of its version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from portcullis.ring.keys import ALGORITHMS, public_jwk

# Cloudflare's limit for one text binding. Three RSA keys of 2048 bits, one with its private half, take 3 KiB.
MAX_BYTES: Final = 5 * 1024


def worker_ring(seq: int, signing_private_jwk: Mapping[str, Any], public_jwks: Sequence[Mapping[str, Any]]) -> str:
    """Write the Worker's RING: `{"seq", "signing": private JWK, "keys": [public JWK, …]}`, each key with its `alg`.

    The same input gives the same text. Only public members of `public_jwks` are written. The signing key must be
    among them: else Apigee could not know it. Raises ValueError where it is not, where a kid appears twice or is not
    the key's thumbprint (I10), where a key has no `alg` of the ring, where `seq` is below 1, or where the text is
    larger than a binding may be.
    """
    if seq < 1:
        raise ValueError(f"the ring's seq is {seq}; it counts from 1")
    if not signing_private_jwk.get("d"):
        raise ValueError("the signing key has no private half")
    keys = [_public(key) for key in public_jwks]
    kids = [key["kid"] for key in keys]
    if len(set(kids)) < len(kids):
        raise ValueError("the ring holds one key twice")
    public = _public(signing_private_jwk)
    if public not in keys:
        raise ValueError("the signing key is not among the ring's public keys, so nobody could trust it")
    signing = {**signing_private_jwk, **public}
    text = json.dumps({"seq": seq, "signing": signing, "keys": keys}, separators=(",", ":"))
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"the ring is larger than the {MAX_BYTES} bytes of a Worker's binding")
    return text


def _public(key: Mapping[str, Any]) -> dict[str, Any]:
    algorithm = key.get("alg")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"a key's alg is none of {', '.join(ALGORITHMS)}")
    public = public_jwk(key, algorithm)
    if key.get("kid") != public["kid"]:
        raise ValueError("a key's kid is not its RFC 7638 thumbprint")
    return public

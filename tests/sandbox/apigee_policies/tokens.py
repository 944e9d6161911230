"""Keys that tables name, made once, and tokens signed with them."""

import base64
import json
import warnings
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.warnings import InsecureKeyLengthWarning

from tests.sandbox.apigee_policies.case import Token

SECRET = b"a secret of sixty-four bytes that is used by the tests here alone"[:64]


@cache
def keys() -> dict[str, Any]:
    """Return the private keys by name; `secret` is a symmetric one."""
    return {
        "secret": SECRET,
        "short": SECRET[:31],
        "rsa": rsa.generate_private_key(65537, 2048),
        "stranger": rsa.generate_private_key(65537, 2048),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
    }


@cache
def texts() -> dict[str, str]:
    """Return what a table may write as `${name}`: keys as PEM, a certificate, a key set, secrets by encoding.

    `NAME` is the public half of a pair and `NAME_private` the other; `rsa_locked` has the password swordfish.
    """
    found = {
        "secret": SECRET.decode(),
        "secret_hex": SECRET.hex(),
        "secret_base64": base64.b64encode(SECRET).decode(),
        "secret_base64url": base64.urlsafe_b64encode(SECRET).decode().rstrip("="),
        "secret_short": SECRET[:31].decode(),
        "certificate": _certificate(keys()["rsa"]),
        "jwks": json.dumps({"keys": [_jwk(name) for name in ("rsa", "p256", "p384", "p521")]}),
    }
    for name in ("rsa", "stranger", "p256", "p384", "p521"):
        public = keys()[name].public_key()
        found[name] = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        found[f"{name}_private"] = _private(name)
    found["rsa_locked"] = _private("rsa", password="swordfish")
    return found


def _private(name: str, password: str = "") -> str:
    lock = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return keys()[name].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def sign(token: Token) -> str:
    """Return the signed token; `typ` is left out where the header says null."""
    with warnings.catch_warnings():
        # One of the secrets is too short, on purpose.
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        headers = {"typ": "JWT", **token.header}
        signed = jwt.encode(token.claims, keys()[token.key], algorithm=token.alg, headers=headers)
    return signed.replace(*token.spoiled) if token.spoiled else signed


def _jwk(name: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if name == "rsa" else ECAlgorithm
    return {**algorithm.to_jwk(keys()[name].public_key(), as_dict=True), "kid": name}


def _certificate(key: rsa.RSAPrivateKey) -> str:
    """Return a certificate that expired long ago: its dates are not looked at."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme.example")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    dates = (datetime(2001, 1, day, tzinfo=UTC) for day in (1, 2))
    built = builder.not_valid_before(next(dates)).not_valid_after(next(dates)).sign(key, hashes.SHA256())
    return built.public_bytes(Encoding.PEM).decode()

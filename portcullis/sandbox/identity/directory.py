"""Who the identity providers know: issuers with their keys, clients and users, kept in the store."""

from __future__ import annotations

import json
import secrets
from typing import Literal
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portcullis.sandbox.identity.vendors import Shape
from portcullis.sandbox.store import JsonObject, Store

MAX_ISSUERS = 16
MAX_USERS = 1_000

_EC_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


class DirectoryError(ValueError):
    """The directory handed over is not one: the message says which part and what is expected."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Introspection(_Entry):
    """Where an issuer answers about tokens, in which way, and the credentials that callers must show.

    `tokeninfo` is Google's way, which wants none. `token_prefix` is what the issuer's opaque tokens begin with.
    """

    endpoint: str
    protocol: Literal["rfc7662", "tokeninfo"] = "rfc7662"
    client_id: str = ""
    client_secret: str = ""
    token_prefix: str | None = None


class Issuer(_Entry):
    """One identity provider: `url` is the issuer claim, `clients` the OAuth client ids that may ask for tokens."""

    name: str
    shape: Shape
    url: str
    audience: str
    algorithm: str
    clients: tuple[str, ...] = Field(max_length=MAX_USERS)
    introspection: Introspection | None = None

    @property
    def hostname(self) -> str:
        """The host of the issuer's URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        """The path of the issuer's URL, without a slash at its end."""
        return urlsplit(self.url).path.rstrip("/")


class User(_Entry):
    """A test user: signs in at `issuer` (its name) with `password`; `claims` go into every token it gets."""

    name: str
    issuer: str
    password: str
    claims: JsonObject


class _Document(_Entry):
    issuers: tuple[Issuer, ...] = Field(default=(), max_length=MAX_ISSUERS)
    users: tuple[User, ...] = Field(default=(), max_length=MAX_USERS)
    backends: tuple[str, ...] = Field(default=(), max_length=MAX_USERS)


class Directory:
    """Issuers, users and signing keys, durable in the store."""

    def __init__(self, store: Store) -> None:
        """Read and write `store`."""
        self._store = store

    def replace(self, document: JsonObject) -> None:
        """Take over `{"issuers": [...], "users": [...], "backends": [hostname, ...]}`; known issuers keep their keys.

        An issuer that signs by another algorithm than before gets a new key.

        Raises `DirectoryError` and changes nothing where the document is not a directory.
        """
        directory = _parse(document)
        unknown = {user.issuer for user in directory.users} - {issuer.name for issuer in directory.issuers}
        if unknown:
            raise DirectoryError(f"users name issuers that are not listed: {', '.join(sorted(unknown))}")
        self._store.put("identity", "directory", document)
        for issuer in directory.issuers:
            if [key["alg"] for key in self.keys(issuer)[:1]] != [issuer.algorithm]:
                self.rotate_keys(issuer, keep_previous=False)

    def issuers(self) -> list[Issuer]:
        """Return every issuer in the order it was listed."""
        return list(self._document().issuers)

    def users(self) -> list[User]:
        """Return every user in the order it was listed."""
        return list(self._document().users)

    def backends(self) -> list[str]:
        """Return the hostnames that the echo backend answers for."""
        return list(self._document().backends)

    def hostnames(self) -> set[str]:
        """Return the hosts that the issuers answer at, those of their introspection endpoints included."""
        endpoints = [issuer.introspection.endpoint for issuer in self.issuers() if issuer.introspection is not None]
        return {issuer.hostname for issuer in self.issuers()} | {urlsplit(url).hostname or "" for url in endpoints}

    def issuer(self, name: str) -> Issuer | None:
        """Return the issuer of that name."""
        return next((issuer for issuer in self.issuers() if issuer.name == name), None)

    def keys(self, issuer: Issuer) -> list[JsonObject]:
        """Return the issuer's private keys as JWKs: the one that signs first, then those still published."""
        document = self._store.get("identity", f"keys/{issuer.name}")
        return list(document["keys"]) if document else []

    def rotate_keys(self, issuer: Issuer, *, keep_previous: bool = True) -> str:
        """Make a new signing key and return its kid; the one before stays published unless told otherwise."""
        key = _new_key(issuer.algorithm)
        kept = self.keys(issuer)[:1] if keep_previous else []
        self._store.put("identity", f"keys/{issuer.name}", {"keys": [key, *kept]})
        return str(key["kid"])

    def _document(self) -> _Document:
        try:
            return _parse(self._store.get("identity", "directory") or {})
        except DirectoryError:
            # An older sandbox kept it. The command line hands over a new one when it has started this one.
            return _Document()


def _new_key(algorithm: str) -> JsonObject:
    if algorithm in _EC_CURVES:
        jwk = ECAlgorithm.to_jwk(ec.generate_private_key(_EC_CURVES[algorithm]))
    elif algorithm in {"EdDSA", "Ed25519"}:
        jwk = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate())
    else:
        jwk = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    members = {name: value for name, value in json.loads(jwk).items() if name != "key_ops"}
    return {**members, "kid": secrets.token_urlsafe(16), "alg": algorithm, "use": "sig"}


def _parse(document: JsonObject) -> _Document:
    try:
        return _Document.model_validate(document)
    except ValidationError as problem:
        places = (".".join(str(part) for part in error["loc"]) + ": " + error["msg"] for error in problem.errors())
        # Values are left out: a directory holds passwords.
        raise DirectoryError("; ".join(places)) from None

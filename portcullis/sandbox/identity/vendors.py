"""What tells the kinds of identity providers apart: where their endpoints are, and what their tokens look like."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from portcullis.sandbox.store import JsonObject

Shape = Literal["okta", "okta-org", "google", "entra", "auth0", "rfc9068"]


@dataclass(frozen=True)
class Grant:
    """Who gets a token from whom: `url` is the issuer claim, `claims` are the user's own without `scopes`.

    `now` is in seconds since the Unix epoch.
    """

    url: str
    audience: str
    client_id: str
    user: str
    scopes: tuple[str, ...]
    claims: JsonObject
    now: int

    @property
    def subject(self) -> str:
        """The user's name at the issuer's host, as an address."""
        return f"{self.user}@{urlsplit(self.url).hostname or ''}"


@dataclass(frozen=True)
class Vendor:
    """One kind of identity provider.

    `keys` and `token` give the endpoints' URLs by the issuer's. `typ` is the header of its tokens, `None` where they
    have none; `claims` makes those beside `iss`, `iat` and `exp`.
    """

    keys: Callable[[str], str]
    token: Callable[[str], str]
    typ: str | None
    claims: Callable[[Grant], JsonObject]
    answers: Literal["access_token", "id_token"] = "access_token"
    publishes_keys: bool = True
    """Whether the keys of its access tokens can be had; else only introspection can read a token."""
    keys_name_algorithm: bool = True


def split_scopes(claims: JsonObject) -> tuple[tuple[str, ...], JsonObject]:
    """Return the scopes of a user's claims, by whichever name and in whichever form they are, and the other claims."""
    scopes: list[str] = []
    for name in ("scope", "scp"):
        value = claims.get(name, ())
        scopes += value.split() if isinstance(value, str) else value
    return tuple(scopes), {name: value for name, value in claims.items() if name not in {"scope", "scp"}}


def _okta(grant: Grant) -> JsonObject:
    identity = {"uid": _digest(grant.subject)[:20], "sub": grant.subject, "cid": grant.client_id}
    token = {"ver": 1, "jti": f"AT.{secrets.token_urlsafe(24)}", "aud": grant.audience}
    return {**token, **identity, "scp": ["openid", *grant.scopes], **grant.claims}


def _google(grant: Grant) -> JsonObject:
    # Google's subjects are strings of digits.
    subject = str(int(_digest(grant.subject)[:16], 16))
    client = {"aud": grant.client_id, "azp": grant.client_id}
    return {**client, "sub": subject, "email": grant.subject, "email_verified": True, **grant.claims}


def _entra(grant: Grant) -> JsonObject:
    is_v2 = grant.url.endswith("/v2.0")
    client = (
        {"ver": "2.0", "azp": grant.client_id, "azpacr": "1", "preferred_username": grant.subject}
        if is_v2
        else {"ver": "1.0", "appid": grant.client_id, "appidacr": "1", "upn": grant.subject}
    )
    identity = {
        "tid": urlsplit(grant.url).path.split("/")[1],
        "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, grant.subject)),
        # Pairwise: another for each application.
        "sub": _digest(f"{grant.subject} {grant.client_id}")[:43],
        "uti": secrets.token_urlsafe(16),
    }
    scopes = {"scp": " ".join(grant.scopes)} if grant.scopes else {}
    return {"aud": grant.audience, "nbf": grant.now, **client, **identity, **scopes, **grant.claims}


def _auth0(grant: Grant) -> JsonObject:
    audiences = [grant.audience, f"{grant.url.removesuffix('/')}/userinfo"]
    identity = {"sub": f"auth0|{_digest(grant.subject)[:24]}", "azp": grant.client_id, "gty": "password"}
    return {"aud": audiences, **identity, "scope": " ".join(["openid", "profile", *grant.scopes]), **grant.claims}


def _rfc9068(grant: Grant) -> JsonObject:
    identity = {"sub": grant.subject, "client_id": grant.client_id, "jti": str(uuid.uuid4())}
    return {"aud": grant.audience, **identity, "scope": " ".join(["openid", *grant.scopes]), **grant.claims}


def _below(path: str) -> Callable[[str], str]:
    return lambda issuer: issuer.removesuffix("/") + path


def _of_tenant(v2: str, v1: str) -> Callable[[str], str]:
    """Entra's endpoints stand beside the issuer of a version, below its tenant."""
    return lambda issuer: (
        issuer.removesuffix("/v2.0") + v2 if issuer.endswith("/v2.0") else issuer.removesuffix("/") + v1
    )


VENDORS: Final[Mapping[Shape, Vendor]] = {
    "okta": Vendor(_below("/v1/keys"), _below("/v1/token"), None, _okta),
    "okta-org": Vendor(
        _below("/oauth2/v1/keys"),
        _below("/oauth2/v1/token"),
        "application/okta-internal-at+jwt",
        _okta,
        publishes_keys=False,
    ),
    "google": Vendor(_below("/oauth2/v3/certs"), _below("/token"), "JWT", _google, answers="id_token"),
    "entra": Vendor(
        _of_tenant("/discovery/v2.0/keys", "/discovery/keys"),
        _of_tenant("/oauth2/v2.0/token", "/oauth2/token"),
        "JWT",
        _entra,
        keys_name_algorithm=False,
    ),
    "auth0": Vendor(_below("/.well-known/jwks.json"), _below("/oauth/token"), "JWT", _auth0),
    "rfc9068": Vendor(_below("/jwks"), _below("/token"), "at+jwt", _rfc9068),
}
"""The kinds, by the names of the profiles that the edge checks them by."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

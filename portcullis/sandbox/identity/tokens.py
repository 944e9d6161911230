"""What an identity provider signs, and what it says of a token it is shown."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import jwt

from portcullis.sandbox.clock import Clock
from portcullis.sandbox.identity.directory import Directory, Issuer, User
from portcullis.sandbox.store import JsonObject, Store

TOKEN_LIFE_SECONDS = 3600
"""One hour: the default of both Okta's custom authorization servers and Google's ID tokens."""


class TokenRequestError(ValueError):
    """A token request that is refused; `code` is the OAuth error code (RFC 6749 §5.2)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


def issue_token(
    directory: Directory, store: Store, clock: Clock, user: User, client_id: str, *, opaque: bool = False
) -> tuple[str, int]:
    """Return a token for the user and its life in seconds.

    `opaque` gives a random token that only introspection can read, as Okta's org server does. Raises
    `TokenRequestError` for a client the issuer does not know, or an opaque token where there is no introspection.
    """
    issuer = directory.issuer(user.issuer)
    if issuer is None or client_id not in issuer.clients:
        raise TokenRequestError("invalid_client", "the issuer does not know this client id")
    claims = _claims(issuer, user, client_id, int(clock.now()))
    if opaque:
        return _opaque(store, issuer, claims), TOKEN_LIFE_SECONDS
    key = directory.keys(issuer)[0]
    headers = {"kid": key["kid"]} if issuer.shape == "okta" else {"kid": key["kid"], "typ": "JWT"}
    # Okta's access tokens carry no `typ`; PyJWT adds one unless it is told not to.
    token = jwt.encode(claims, jwt.PyJWK(key).key, key["alg"], headers={"typ": None, **headers})
    return token, TOKEN_LIFE_SECONDS


def introspect(store: Store, clock: Clock, issuer: Issuer, token: str) -> JsonObject:
    """Return the introspection answer (RFC 7662 §2.2) for an opaque token of the issuer."""
    claims = store.get("identity", f"opaque/{issuer.name}/{_digest(token)}")
    if claims is None or claims["exp"] <= clock.now():
        return {"active": False}
    return {"active": True, "token_type": "Bearer", "client_id": claims.get("cid"), **claims}


def _opaque(store: Store, issuer: Issuer, claims: JsonObject) -> str:
    if not issuer.introspection:
        raise TokenRequestError("invalid_request", "this issuer has no introspection endpoint, so no opaque tokens")
    token = secrets.token_urlsafe(32)
    # Kept by its digest, so that the store holds no token that could be presented.
    store.put("identity", f"opaque/{issuer.name}/{_digest(token)}", claims)
    return token


def _claims(issuer: Issuer, user: User, client_id: str, now: int) -> dict[str, Any]:
    common = {"iss": issuer.url, "iat": now, "exp": now + TOKEN_LIFE_SECONDS}
    subject = f"{user.name}@{issuer.hostname}"
    if issuer.shape == "google":
        shaped = {"aud": client_id, "azp": client_id, "sub": _numeric_subject(subject), "email": subject}
        return {**common, **shaped, "email_verified": True, **user.claims}
    identity = {"uid": _digest(subject)[:20], "sub": subject, "cid": client_id, "scp": ["openid"]}
    okta = {"ver": 1, "jti": f"AT.{secrets.token_urlsafe(24)}", "aud": issuer.audience, **identity}
    return {**common, **okta, **user.claims}


def _numeric_subject(subject: str) -> str:
    """Google's subjects are strings of digits."""
    return str(int(_digest(subject)[:16], 16))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""What an identity provider signs, and what it says of a token it is shown."""

from __future__ import annotations

import hashlib
import json
import secrets

import jwt
from jwt.algorithms import OKPAlgorithm

from portcullis.sandbox.clock import Clock
from portcullis.sandbox.identity.directory import Directory, Issuer, User
from portcullis.sandbox.identity.vendors import VENDORS, Grant, split_scopes
from portcullis.sandbox.store import JsonObject, Store

TOKEN_LIFE_SECONDS = 3600
"""One hour: the default of Okta's custom authorization servers and of Google's ID tokens."""


class TokenRequestError(ValueError):
    """A token request that is refused; `code` is the OAuth error code (RFC 6749 §5.2)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


def issue_token(
    directory: Directory, store: Store, clock: Clock, user: User, client_id: str, *, opaque: bool = False
) -> tuple[str, int]:
    """Return a token for the user, as its issuer's kind of provider makes it, and its life in seconds.

    `opaque` gives a token that only introspection can read: a random one, unless the provider's own are such. Raises
    `TokenRequestError` for a client the issuer does not know, or where nobody could read the token, since there is no
    introspection.
    """
    issuer = directory.issuer(user.issuer)
    if issuer is None or client_id not in issuer.clients:
        raise TokenRequestError("invalid_client", "the issuer does not know this client id")
    claims = _claims(issuer, user, client_id, int(clock.now()))
    vendor, key = VENDORS[issuer.shape], directory.keys(issuer)[0]
    if opaque and vendor.publishes_keys:
        prefix = issuer.introspection.token_prefix if issuer.introspection is not None else None
        return _kept(store, issuer, (prefix or "") + secrets.token_urlsafe(32), claims, client_id), TOKEN_LIFE_SECONDS
    token = _signed(claims, key, vendor.typ)
    return token if vendor.publishes_keys else _kept(store, issuer, token, claims, client_id), TOKEN_LIFE_SECONDS


def introspect(store: Store, clock: Clock, issuer: Issuer, token: str) -> JsonObject:
    """Return the introspection answer (RFC 7662 §2.2) for a token of the issuer."""
    claims = store.get("identity", f"opaque/{issuer.name}/{_digest(token)}")
    if claims is None or claims["exp"] <= clock.now():
        return {"active": False}
    scopes, _ = split_scopes(claims)
    return {"active": True, "token_type": "Bearer", **claims, "scope": " ".join(scopes)}


def token_info(store: Store, clock: Clock, issuer: Issuer, token: str) -> JsonObject | None:
    """Return Google's answer about an access token, all its values texts; `None` where the token is not active."""
    claims = store.get("identity", f"opaque/{issuer.name}/{_digest(token)}")
    if claims is None or claims["exp"] <= clock.now():
        return None
    told = {name: claims[name] for name in claims if name not in {"iss", "iat", "client_id"}}
    left = int(claims["exp"] - clock.now())
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}
    return {**texts, "expires_in": str(left), "scope": "openid email", "access_type": "online"}


def _kept(store: Store, issuer: Issuer, token: str, claims: JsonObject, client_id: str) -> str:
    """Return the token, which introspection can read from now on."""
    if not issuer.introspection:
        raise TokenRequestError("invalid_request", "this issuer has no introspection endpoint, so no opaque tokens")
    # Kept by its digest, so that the store holds no token that could be presented.
    store.put("identity", f"opaque/{issuer.name}/{_digest(token)}", {**claims, "client_id": client_id})
    return token


def _claims(issuer: Issuer, user: User, client_id: str, now: int) -> JsonObject:
    scopes, own = split_scopes(user.claims)
    grant = Grant(issuer.url, issuer.audience, client_id, user.name, scopes, own, now)
    return {"iss": issuer.url, "iat": now, "exp": now + TOKEN_LIFE_SECONDS, **VENDORS[issuer.shape].claims(grant)}


def _signed(claims: JsonObject, key: JsonObject, typ: str | None) -> str:
    signer = jwt.PyJWS()
    # RFC 9864 gives EdDSA with this curve a name of its own, which PyJWT does not know.
    signer.register_algorithm("Ed25519", OKPAlgorithm())
    material = jwt.PyJWK(key, "EdDSA" if key["kty"] == "OKP" else key["alg"]).key
    # Without a type there is none: PyJWT adds one unless it is told not to.
    return signer.encode(json.dumps(claims).encode(), material, key["alg"], headers={"typ": typ, "kid": key["kid"]})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

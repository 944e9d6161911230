"""The OAuth tokens and codes that OAuthV2 policies have issued.

They are stored under their SHA-256, never as they are: whoever reads the sandbox's state file cannot use one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

from portcullis.sandbox.clock import Clock
from portcullis.sandbox.store import JsonObject, Store

TOKENS = "apigee.oauth_tokens"

Kind = Literal["access", "refresh", "code"]

_KEPT_AFTER_EXPIRY = 24 * 3600.0
"""An expired token is told apart from an unknown one for a day."""


class Tokens:
    """Durable documents by organization, kind and token; what is in a document is the policy's affair."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def put(self, organization: str, kind: Kind, token: str, document: JsonObject, expires_at: float | None) -> None:
        """Keep a token's document; `expires_at` is in seconds since the epoch, `None` for never."""
        self._purge(organization)
        body = {"expires_at": expires_at, "document": document}
        self._store.put(TOKENS, self._key(organization, kind, token), body)

    def get(self, organization: str, kind: Kind, token: str) -> JsonObject | None:
        """Return the document of a token, expired or not; `None` for one that is unknown or revoked."""
        found = self._store.get(TOKENS, self._key(organization, kind, token))
        return None if found is None else found["document"]

    def is_expired(self, organization: str, kind: Kind, token: str) -> bool:
        """Tell whether the token's life is over; an unknown one has none."""
        found = self._store.get(TOKENS, self._key(organization, kind, token))
        return found is None or self._over(found, 0)

    def delete(self, organization: str, kind: Kind, token: str) -> bool:
        """Forget a token; tell whether it was known."""
        return self._store.delete(TOKENS, self._key(organization, kind, token))

    @staticmethod
    def digest(token: str) -> str:
        """Return what a token is stored under."""
        return hashlib.sha256(token.encode()).hexdigest()

    def update(self, organization: str, kind: Kind, digest: str, document: JsonObject) -> None:
        """Replace the document of a token that is still known, whose life stays what it is."""
        key = f"{organization}/{kind}/{digest}"
        found = self._store.get(TOKENS, key)
        if found is not None:
            self._store.put(TOKENS, key, {**found, "document": document})

    def delete_digest(self, organization: str, kind: Kind, digest: str) -> None:
        """Forget the token of a digest."""
        self._store.delete(TOKENS, f"{organization}/{kind}/{digest}")

    def documents(self, organization: str, kind: Kind) -> Iterator[tuple[str, JsonObject]]:
        """Yield (store key, document) of every token of a kind, for revocation by app or user."""
        for key, body in self._store.items(TOKENS, f"{organization}/{kind}/"):
            yield key, body["document"]

    def delete_key(self, key: str) -> None:
        """Forget the token of a key that `documents` has yielded."""
        self._store.delete(TOKENS, key)

    def _purge(self, organization: str) -> None:
        for key, body in self._store.items(TOKENS, f"{organization}/"):
            if self._over(body, _KEPT_AFTER_EXPIRY):
                self._store.delete(TOKENS, key)

    def _over(self, body: JsonObject, grace: float) -> bool:
        expires_at = body["expires_at"]
        return expires_at is not None and self._clock.now() >= expires_at + grace

    @classmethod
    def _key(cls, organization: str, kind: Kind, token: str) -> str:
        return f"{organization}/{kind}/{cls.digest(token)}"

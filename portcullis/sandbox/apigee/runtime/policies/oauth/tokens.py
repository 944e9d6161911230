"""An issued token: what is kept of it, what the client is told, and the variables that tell of it."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Any, Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.policies.consumers import Consumer, apigee_variables
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.store import JsonObject

_ALPHABET = string.ascii_letters + string.digits
ACCESS_LENGTH, REFRESH_LENGTH = 28, 32

APPROVED, REVOKED = "approved", "revoked"


def new_token(length: int) -> str:
    """Return a random token."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass
class Issued:
    """What is kept of an access token and of the refresh token that came with it; neither token itself.

    Times are seconds since the epoch, `None` for a token without an end. `attributes` are the custom ones by name;
    those in `hidden` are not shown to the client.
    """

    client_id: str
    app_id: str
    app_name: str
    developer_id: str
    developer_email: str
    products: list[str]
    scope: str
    grant_type: str
    issued_at: float
    expires_at: float | None
    end_user: str = ""
    status: str = APPROVED
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    hidden: list[str] = field(default_factory=list[str])
    refresh_issued_at: float | None = None
    refresh_expires_at: float | None = None
    refresh_status: str = ""
    refresh_count: int = 0
    access_hash: str = ""
    refresh_hash: str = ""

    @classmethod
    def read(cls, document: JsonObject) -> Self:
        """Read a kept document."""
        return cls(**document)

    def document(self) -> JsonObject:
        """Return what is to be kept."""
        return dict(vars(self))


def client_of(found: Consumer) -> dict[str, Any]:
    """Return the members of `Issued` that tell of the client."""
    return {
        "client_id": str(found.credential["consumerKey"]),
        "app_id": str(found.app.get("appId", "")),
        "app_name": str(found.app.get("name", "")),
        "developer_id": str(found.developer.get("developerId", "")),
        "developer_email": str(found.developer.get("email", "")),
        "products": found.approved_products,
    }


def seconds_left(until: float | None, now: float) -> int:
    """Return whole seconds, less one as Apigee tells them; 0 stands for a token without an end."""
    return 0 if until is None else max(0, int(until - now) - 1)


def answer_of(context: Context, issued: Issued, access: str, refresh: str, *, rfc: bool) -> dict[str, object]:
    """Return the members of the token response."""
    left = seconds_left(issued.expires_at, context.now)
    found: dict[str, object] = {
        "refresh_token_expires_in": "0",
        "api_product_list": f"[{', '.join(issued.products)}]",
        "api_product_list_json": issued.products,
        "organization_name": context.place.organization,
        "developer.email": issued.developer_email,
        "token_type": "Bearer" if rfc else "BearerToken",
        "issued_at": str(int(issued.issued_at * 1000)),
        "client_id": issued.client_id,
        "access_token": access,
        "application_name": issued.app_id,
        "scope": issued.scope,
        "expires_in": left if rfc else str(left),
        "refresh_count": str(issued.refresh_count),
        "status": issued.status,
    }
    if refresh:
        ends = seconds_left(issued.refresh_expires_at, context.now)
        found["refresh_token"] = refresh
        found["refresh_token_status"] = issued.refresh_status
        found["refresh_token_issued_at"] = str(int((issued.refresh_issued_at or 0) * 1000))
        found["refresh_token_expires_in"] = ends if rfc else str(ends)
    found.update({name: value for name, value in issued.attributes.items() if name not in issued.hidden})
    return found


def token_variables(context: Context, prefix: str, issued: Issued, access: str, refresh: str) -> dict[str, Value]:
    """Return the variables that tell of a token, below `prefix`, `oauthv2accesstoken.POLICY`, and below `apigee`."""
    now = context.now
    values: dict[str, Value] = {
        "access_token": access or None,
        "refresh_token": refresh or None,
        "token_type": "BearerToken",
        "client_id": issued.client_id,
        "organization_name": context.place.organization,
        "api_product_list": f"[{', '.join(issued.products)}]",
        "developer.id": issued.developer_id,
        "developer.email": issued.developer_email,
        "developer.app.name": issued.app_name,
        "developer.app.id": issued.app_id,
        "scope": issued.scope,
        "grant_type": issued.grant_type,
        "issued_at": str(int(issued.issued_at * 1000)),
        "expires_in": str(seconds_left(issued.expires_at, now)),
        "status": issued.status,
        "refresh_count": str(issued.refresh_count),
        "app_enduser": issued.end_user or None,
    }
    if issued.refresh_issued_at is not None:
        values["refresh_token_status"] = issued.refresh_status
        values["refresh_token_issued_at"] = str(int(issued.refresh_issued_at * 1000))
        values["refresh_token_expires_in"] = str(seconds_left(issued.refresh_expires_at, now))
    for name, value in issued.attributes.items():
        values[f"accesstoken.{name}"] = value
        values.setdefault(name, value)
    named = apigee_variables(
        client_id=issued.client_id,
        developer_id=issued.developer_id,
        developer_email=issued.developer_email,
        app_name=issued.app_name,
    )
    return (
        {f"{prefix}.{name}": value for name, value in values.items()} | named | {"apigee.access_token": access or None}
    )

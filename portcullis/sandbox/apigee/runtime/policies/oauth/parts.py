"""What the operations of OAuthV2 that issue something share: reading their settings from the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Setting
from portcullis.sandbox.apigee.runtime.policies.consumers import Consumer
from portcullis.sandbox.apigee.runtime.policies.oauth.errors import RequestError
from portcullis.sandbox.apigee.runtime.values import as_flag

EXTERNAL_STATUS = "oauth_external_authorization_status"


@dataclass(frozen=True)
class Attribute:
    """A custom attribute of a token; one that is not displayed is kept, but not told the client."""

    name: str
    value: Setting
    displayed: bool


def values_of(context: Context, attributes: Sequence[Attribute]) -> dict[str, str]:
    """Return the attributes that have a value in this request."""
    return {one.name: text for one in attributes if (text := one.value.text(context)) is not None}


def needed(context: Context, *variables: str) -> str:
    """Return a parameter of the request; raises `RequestError` naming it where it is missing."""
    value = optional(context, *variables)
    if not value:
        raise RequestError("invalid_request", f"Required param : {variables[0].rpartition('.')[2]}")
    return value


def optional(context: Context, *variables: str) -> str:
    """Return what the first of the variables that holds something holds; empty where none does, or none is named."""
    return next((text for name in variables if name and (text := context.variables.text(name))), "")


def check_external(context: Context) -> None:
    """Raise `RequestError` unless whoever authorizes in this policy's place has said yes."""
    if not as_flag(context.variables.get(EXTERNAL_STATUS)):
        raise RequestError("invalid_client", "External authorization failed")


def ends(context: Context, life: Setting, default: float) -> float | None:
    """Return when a token's life ends; -1 is never."""
    text = life.text(context)
    if not text:
        return context.now + default
    try:
        milliseconds = int(text)
    except ValueError:
        raise Fault("steps.oauth.v2.InvalidValueForExpiresIn", f"Invalid value for ExpiresIn : {text}", 500) from None
    return None if milliseconds < 0 else context.now + milliseconds / 1000


def granted(context: Context, variable: str, client: Consumer) -> str:
    """Return the scopes granted: those asked for that the products have, or all of them where none is asked for."""
    offered = _offered(context, client.approved_products)
    asked = optional(context, variable).split()
    if not asked:
        return " ".join(offered)
    found = [scope for scope in asked if scope in offered]
    if not found:
        raise RequestError("invalid_scope", "Invalid Scope")
    return " ".join(found)


def _offered(context: Context, products: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for name in products:
        product = context.services.store.get("apigee.products", f"{context.place.organization}/{name}") or {}
        found.update(dict.fromkeys(scope for scope in product.get("scopes", []) if scope))
    return list(found)

"""What the JWT policies share: where the token comes from, reading it, its variables and its faults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwt.exceptions import DecodeError
from jwt.utils import base64url_decode

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.values import Value

MAX_TOKEN_BYTES = 64 * 1024

REGISTERED = {"sub": "subject", "iss": "issuer", "aud": "audience", "jti": "id"}
TIMES = {"exp": "expiry", "iat": "issuedat", "nbf": "notbefore"}


@dataclass(frozen=True)
class Token:
    """A JWT taken apart, not verified."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def fault(policy: str, name: str, text: str) -> Fault:
    """Return a fault of a JWT policy: 401 in Apigee X."""
    return Fault(f"steps.jwt.{name}", f"{text}: policy({policy})", 401)


def source_text(context: Context, policy: str, source: str) -> str:
    """Return the token from the variable `source`, or from the Authorization header where that is empty.

    The header must say `Bearer`; a named variable must hold the bare token. Raises `Fault`.
    """
    if source:
        value = context.variables.text(source)
    else:
        scheme, _, rest = (context.variables.text("request.header.authorization") or "").partition(" ")
        value = rest.strip() if scheme.lower() == "bearer" else None
    if not value:
        raise fault(policy, "FailedToResolveVariable", f"Failed to resolve variable {source or 'authorization'}")
    return value


def take_apart(policy: str, text: str) -> Token:
    """Read header and claims; raises the fault `FailedToDecode`."""
    parts = text.split(".")
    try:
        if len(parts) != 3 or len(text) > MAX_TOKEN_BYTES:
            raise ValueError
        header, claims = (json.loads(base64url_decode(part)) for part in parts[:2])
    except (ValueError, DecodeError):
        raise fault(policy, "FailedToDecode", "Failed to Decode Token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise fault(policy, "FailedToDecode", "Failed to Decode Token")
    return Token(text, header, claims)  # pyright: ignore[reportUnknownArgumentType]


def publish(context: Context, policy: str, token: Token, *, valid: bool | None) -> None:
    """Set the policy's variables; `valid` is `None` where nothing was verified."""
    prefix = f"jwt.{policy}"
    found: dict[str, Value] = {
        f"{prefix}.header-json": json.dumps(token.header, separators=(",", ":")),
        f"{prefix}.payload-json": json.dumps(token.claims, separators=(",", ":")),
        f"{prefix}.payload-claim-names": tuple(token.claims),
        f"{prefix}.header.algorithm": _flat(token.header.get("alg")),
        f"{prefix}.header.type": _flat(token.header.get("typ")),
    }
    for name, value in token.header.items():
        found[f"{prefix}.decoded.header.{name}"] = found[f"{prefix}.header.{name}"] = _flat(value)
    for name, value in token.claims.items():
        found[f"{prefix}.decoded.claim.{name}"] = found[f"{prefix}.claim.{name}"] = _flat(value)
    for claim, name in REGISTERED.items():
        found[f"{prefix}.claim.{name}"] = _flat(token.claims.get(claim))
    for claim, name in TIMES.items():
        seconds = token.claims.get(claim)
        if isinstance(seconds, int | float):
            found[f"{prefix}.claim.{name}"] = int(seconds * 1000)
    expires = token.claims.get("exp")
    if isinstance(expires, int | float):
        found[f"{prefix}.is_expired"] = context.now >= expires
        found[f"{prefix}.seconds_remaining"] = int(expires - context.now)
    if valid is not None:
        found[f"{prefix}.valid"] = valid
    context.variables.fill(found)


def _flat(value: object) -> Value:
    """Return a claim as a variable holds it: arrays and objects as JSON text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, separators=(",", ":"))

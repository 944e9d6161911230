"""What the JWT policies share: where the token comes from, reading it, its variables and its faults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from jwt.exceptions import DecodeError
from jwt.utils import base64url_decode

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.values import Value

MAX_TOKEN_BYTES = 64 * 1024

REGISTERED = {"sub": "subject", "iss": "issuer", "aud": "audience", "jti": "id"}
TIMES = {"exp": "expiry", "iat": "issuedat", "nbf": "notbefore"}
_LAST_SECOND = 253402300799.0
"""The end of the year 9999; a later time has no text."""


@dataclass(frozen=True)
class Token:
    """A JWT taken apart, not verified: its text, and header and claims as objects and as the JSON they were."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    header_json: str
    claims_json: str


def fault(policy: str, name: str, text: str, *details: str) -> Fault:
    """Return a fault of a JWT policy, 401 in Apigee X; `details` are put behind the policy's name."""
    return Fault(f"steps.jwt.{name}", " ".join([f"{text}: policy({policy})", *details]), 401)


def unresolved(policy: str, variable: str) -> Fault:
    """Return the fault of a variable that is not set."""
    return Fault(
        "steps.jwt.FailedToResolveVariable", f"Failed to Resolve Variable : policy({policy}) variable({variable})", 401
    )


def source_text(context: Context, policy: str, source: str) -> str:
    """Return the token from the variable `source`, or from the Authorization header where that is empty.

    The header must say `Bearer`; a named variable must hold the bare token. Raises `Fault`.
    """
    if source:
        value = context.variables.text(source)
        if value is None:
            raise unresolved(policy, source)
        return value
    header = context.variables.text("request.header.authorization")
    if header is None:
        raise unresolved(policy, "null")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "bearer":
        raise fault(policy, "InvalidToken", "Invalid token")
    return rest.strip()


def take_apart(policy: str, text: str) -> Token:
    """Read header and claims; raises the fault `FailedToDecode`."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > MAX_TOKEN_BYTES:
        raise fault(policy, "FailedToDecode", "Failed to Decode Token")
    try:
        shown = [base64url_decode(part).decode() for part in parts[:2]]
        header, claims = (json.loads(one) for one in shown)
    except (ValueError, DecodeError, RecursionError):
        raise fault(policy, "FailedToDecode", "Failed to Decode Token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise fault(policy, "FailedToDecode", "Failed to Decode Token")
    return Token(text, cast("dict[str, Any]", header), cast("dict[str, Any]", claims), *shown)


def publish(context: Context, policy: str, token: Token, *, valid: bool | None) -> None:
    """Set the policy's variables; `valid` is `None` where nothing was verified."""
    found: dict[str, Value] = {
        "header-json": token.header_json,
        "payload-json": token.claims_json,
        "payload-claim-names": tuple(token.claims),
        "header.algorithm": _flat(token.header.get("alg")),
        "header.type": _flat(token.header.get("typ")),
        "valid": valid,
        **_of_times(token.claims, context.now),
    }
    for name, value in token.header.items():
        found[f"decoded.header.{name}"] = found[f"header.{name}"] = _flat(value)
    for name, value in token.claims.items():
        found[f"decoded.claim.{name}"] = found[f"claim.{name}"] = _flat(value)
    for claim, name in REGISTERED.items():
        found[f"claim.{name}"] = _flat(token.claims.get(claim))
    context.variables.fill({f"jwt.{policy}.{name}": value for name, value in found.items()})


def _of_times(claims: Mapping[str, Any], now: float) -> dict[str, Value]:
    """Return the variables of the token's times: milliseconds, texts, and how long it still lives."""
    found: dict[str, Value] = {
        f"claim.{name}": int(seconds * 1000)
        for claim, name in TIMES.items()
        if (seconds := _time(claims, claim)) is not None
    }
    expires = _time(claims, "exp")
    if expires is not None:
        found["is_expired"] = now >= expires
        found["seconds_remaining"] = int(expires - now)
        found["time_remaining_formatted"] = _span(expires - now)
        moment = datetime.fromtimestamp(expires, UTC)
        found["expiry_formatted"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
    return found


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        return None
    return float(value)


def _span(seconds: float) -> str:
    milliseconds = abs(int(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    sign = "-" if seconds < 0 else ""
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _flat(value: object) -> Value:
    """Return a claim as a variable holds it: arrays and objects as JSON text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, separators=(",", ":"))

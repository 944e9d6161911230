"""What the JWT policies share: where the token comes from, reading it, its variables and its faults."""

from __future__ import annotations

import json
import re
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
_SPAN = re.compile(r"(\d+)\s*(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LAST_SECOND = 253402300799.0
"""The end of the year 9999; a later time has no text."""


@dataclass(frozen=True)
class Token:
    """A JWT taken apart, not verified: its text, and header and claims as objects and as the JSON they were.

    Of an encrypted one the claims are empty until it is opened.
    """

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


def seconds(text: str) -> float | None:
    """Return the seconds of `10s`, `5m` and the like, a bare number being milliseconds; `None` for anything else."""
    found = _SPAN.fullmatch(text.strip())
    return int(found[1]) * _SECONDS[found[2] or "ms"] if found is not None else None


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
    """Read header and claims, which an encrypted token does not show; raises the fault `FailedToDecode`."""
    parts = text.split(".")
    if len(parts) not in {3, 5} or len(text) > MAX_TOKEN_BYTES:
        raise fault(policy, "FailedToDecode", "Failed to Decode Token")
    header, header_json = _member(policy, parts[0])
    claims, claims_json = _member(policy, parts[1]) if len(parts) == 3 else ({}, "")
    return Token(text, header, claims, header_json, claims_json)


def opened(policy: str, token: Token, payload: bytes) -> Token:
    """Return an encrypted token with the claims that were in it; raises the fault `FailedToDecode`."""
    claims, claims_json = _object(policy, payload)
    return Token(token.text, token.header, claims, token.header_json, claims_json)


def _member(policy: str, part: str) -> tuple[dict[str, Any], str]:
    try:
        return _object(policy, base64url_decode(part))
    except (ValueError, DecodeError):
        raise fault(policy, "FailedToDecode", "Failed to Decode Token") from None


def _object(policy: str, data: bytes) -> tuple[dict[str, Any], str]:
    try:
        text = data.decode()
        found = json.loads(text)
    except (ValueError, RecursionError):
        found, text = None, ""
    if not isinstance(found, dict):
        raise fault(policy, "FailedToDecode", "Failed to Decode Token")
    return cast("dict[str, Any]", found), text


def publish(context: Context, policy: str, token: Token, *, valid: bool | None) -> None:
    """Set the policy's variables; `valid` is `None` where nothing was verified."""
    found: dict[str, Value] = {
        "header-json": token.header_json,
        "payload-json": token.claims_json or None,
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

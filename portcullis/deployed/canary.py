"""The canary: a token signed with a key of the ring, sent to Apigee by its real hostname.

It goes through everything that a caller's request meets there (hostname, proxy, key value map, verification, claims)
up to an operation that the proxy answers by itself, without a backend and without metering. The Worker has no part in
it: a key that is not to sign yet is never handed to the Worker.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from portcullis.deployed.reach import Answer, NoAnswerError, fetch

CANARY_PATH: Final = "/.well-known/portcullis/canary"
OPERATION: Final = "ring_canary"
"""No operation of a contract has this name, since theirs have no underscore."""

LIFE_SECONDS: Final = 20
"""The shortest life that a contract may set, so that no proxy finds the token too long-lived."""

PATIENCE: Final[tuple[float, ...]] = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries: Apigee may not answer for a moment, and a written key is not read everywhere at once."""


class CanaryError(Exception):
    """Nothing was learned: Apigee did not answer, or not in words that are understood."""


class CanaryRefusedError(CanaryError):
    """Apigee does not accept a token signed with this key."""


@dataclass(frozen=True)
class Realm:
    """What internal tokens of one stack have in common: issuer, audience and the environment in `req_wl`."""

    issuer: str
    audience: str
    environment: str


def canary_token(private_jwk: Mapping[str, Any], seq: int, realm: Realm, now: float) -> str:
    """Sign an internal token for the canary operation alone.

    `private_jwk` holds `alg` and `kid`; `seq` is that of the ring in which the key signs; `now` in seconds since the
    epoch. The claims are those of draft-ietf-oauth-transaction-tokens, as the Worker mints them.
    """
    key = jwt.PyJWK(dict(private_jwk))
    issued = int(now)
    claims: dict[str, Any] = {
        "iss": realm.issuer,
        "aud": realm.audience,
        "iat": issued,
        "exp": issued + LIFE_SECONDS,
        "txn": str(uuid.uuid4()),
        "sub": "portcullis-canary",
        "scope": OPERATION,
        "client_id": "portcullis-canary",
        "roles": [],
        "product": OPERATION,
        "req_wl": f"portcullis-edge/{realm.environment}",
        "tctx": {
            "operation": OPERATION,
            "contract": "0" * 12,
            "ring_seq": seq,
            "issuer": "portcullis",
            "sub_hash": "0" * 32,
        },
    }
    headers = {"typ": "txntoken+jwt", "kid": str(private_jwk["kid"])}
    return jwt.encode(claims, key.key, algorithm=key.algorithm_name, headers=headers)


def send_canary(
    origin: str, private_jwk: Mapping[str, Any], seq: int, realm: Realm, patience: tuple[float, ...] | None = None
) -> None:
    """Return where Apigee at `origin` accepts the key; tries again while it does not answer or refuses.

    Raises `CanaryRefusedError` or `CanaryError` with what happened last.
    """
    for wait in (*(PATIENCE if patience is None else patience), None):
        try:
            _send_once(origin, private_jwk, seq, realm)
        except CanaryError:
            if wait is None:
                raise
            time.sleep(wait)
        else:
            return


def _send_once(origin: str, private_jwk: Mapping[str, Any], seq: int, realm: Realm) -> None:
    kid = str(private_jwk["kid"])
    try:
        answer = fetch(f"{origin}{CANARY_PATH}", {"Txn-Token": canary_token(private_jwk, seq, realm, time.time())})
    except NoAnswerError as problem:
        raise CanaryError(str(problem)) from None
    if answer.status == 200 and answer.json().get("accepted") == kid:
        return
    if answer.status == 401:
        raise CanaryRefusedError(f"{origin} refuses the key {kid} ({_problem(answer)})")
    raise CanaryError(f"{origin} answers {answer.status} to the canary of the key {kid} ({_problem(answer)})")


def _problem(answer: Answer) -> str:
    """Name the problem by its slug and trace id: both are the gateway's own words, and short."""
    document = answer.json()
    slug, trace = str(document.get("type", "")).rpartition("/")[2], str(document.get("trace_id", ""))
    return json.dumps({"problem": slug[:64], "trace": trace[:64]}) if slug or trace else "no problem+json"

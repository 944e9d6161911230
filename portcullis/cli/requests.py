"""Tokens from the sandbox's issuers, and calls to its gateway."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx

from portcullis.cli.errors import CommandError
from portcullis.cli.sandbox_client import SandboxClient
from portcullis.contract import Contract
from portcullis.contract.test_users import TestUser, test_users

TIMEOUT_SECONDS = 60
AUDIT_WAIT_SECONDS = 5
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Answer:
    """What the gateway answered, and the audit line of each hop that the request reached."""

    trace_id: str
    status: int
    headers: list[tuple[str, str]]
    body: str
    hops: list[dict[str, Any]]


def choose_user(contract: Contract, name: str | None, issuer: str | None) -> TestUser:
    """Return the test user of that name and issuer; the first that fits where one is not given.

    Raises `CommandError` with the names that exist.
    """
    users = test_users(contract)
    fitting = [u for u in users if (name is None or u.name == name) and (issuer is None or u.issuer == issuer)]
    if not fitting:
        known = ", ".join(f"{user.name} ({user.issuer})" for user in users)
        raise CommandError(f"no test user fits; the contract gives: {known}")
    return fitting[0]


def fetch_token(client: SandboxClient, contract: Contract, user: TestUser, *, opaque: bool = False) -> str:
    """Return a token of the user from its issuer's token endpoint (RFC 6749 §4.3).

    Raises `CommandError` where the issuer refuses, or is nobody's.
    """
    issuer_url = client.status()["issuers"].get(user.issuer)
    if issuer_url is None:
        raise CommandError(f"the sandbox does not know the issuer {user.issuer}: run `portcullis sandbox start` again")
    consumer = next((c for c in contract.consumers.values() if c.issuer == user.issuer), None)
    if consumer is None:
        raise CommandError(
            f"no consumer of the contract has the issuer {user.issuer}, so nobody asks it for tokens: add one"
        )
    form = {
        "grant_type": "password",
        "username": user.name,
        "password": user.name,
        "client_id": consumer.client_id,
        **({"token_format": "opaque"} if opaque else {}),
    }
    with httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS) as http:
        discovery = http.get(f"{issuer_url}/.well-known/openid-configuration").json()
        answer = http.post(discovery["token_endpoint"], data=form).json()
    token = answer.get("access_token") or answer.get("id_token")
    if token is None:
        raise CommandError(f"the issuer refused: {answer.get('error_description', answer.get('error'))}")
    return str(token)


def call(client: SandboxClient, method: str, path: str, token: str | None, body: str | None) -> Answer:
    """Send one request to the sandbox's gateway and gather what every hop decided."""
    trace_id = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    gateway = client.status()["gateway"]
    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT_SECONDS) as http:
            answer = http.request(method.upper(), f"{gateway}{path}", headers=headers, content=body)
    except httpx.HTTPError as problem:
        raise CommandError(f"the gateway does not answer ({type(problem).__name__})") from None
    hops = _hops(client, trace_id)
    return Answer(trace_id, answer.status_code, list(answer.headers.multi_items()), answer.text, hops)


def _hops(client: SandboxClient, trace_id: str) -> list[dict[str, Any]]:
    """Return the audit lines of the trace, in the order of the hops; a hop writes its line after it has answered."""
    deadline = time.monotonic() + AUDIT_WAIT_SECONDS
    while True:
        entries = client.call("GET", "/audit", query={"trace": trace_id})["entries"]
        edge = next((entry for entry in entries if entry["hop"] == "edge"), None)
        wanted = 2 if edge is not None and edge["upstream_status"] is not None else 1
        if (edge is not None and len(entries) >= wanted) or time.monotonic() > deadline:
            return sorted(entries, key=lambda entry: entry["hop"] != "edge")
        time.sleep(POLL_SECONDS)

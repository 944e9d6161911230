"""What callers are told by the gateway that the real engine provisioned, and what the audit says of it."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.utils import base64url_decode, base64url_encode
from ruamel.yaml import YAML

from tests.e2e.checkout import Checkout

CASES = YAML(typ="safe").load((Path(__file__).parent / "decisions.yaml").read_text(encoding="utf-8"))
AUDIT_MEMBERS = {
    "ts", "hop", "env", "trace_id", "span_id", "parent_id", "txn", "decision", "reason", "error.type", "operation",
    "http.request.method", "http.route", "product", "client_id", "issuer", "user.hash", "user.id", "user.roles", "kid",
    "ring_seq", "contract", "auth.alg", "auth.kid", "auth.token_hash", "auth.cache", "http.response.status_code",
    "upstream_status", "duration_ms",
}  # fmt: skip
QUOTA_TRIES = 400


class Caller:
    """Sends requests to the gateway with a trace id of its own, and reads what each hop wrote of it."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.status = checkout.portcullis("sandbox", "status")
        self.http = httpx.Client(trust_env=False, timeout=30)
        self._tokens: dict[str, str] = {}

    def send(
        self, request: str, token: str | None, base: str = "gateway", body: Any = None, **headers_too: str
    ) -> tuple[httpx.Response, str]:
        method, path = request.split(" ", 1)
        trace_id = secrets.token_hex(16)
        headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        headers |= headers_too
        return self.http.request(method, self.status[base] + path, headers=headers, json=body), trace_id

    def user(self, name: str, *options: str) -> str:
        if name not in self._tokens:
            self._tokens[name] = self.checkout.portcullis("token", *options)["token"]
        return self._tokens[name]

    def audit(self, trace_id: str, count: int) -> list[dict[str, Any]]:
        """Return the trace's lines once there are `count`: a hop writes its line after it has answered."""
        deadline = time.monotonic() + 10
        while True:
            entries = self.checkout.portcullis("audit", "--trace", trace_id)
            if len(entries) >= count or time.monotonic() > deadline:
                return entries


@pytest.fixture(scope="module")
def caller(provisioned: Checkout) -> Caller:
    return Caller(provisioned)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_caller_is_told(case: dict[str, Any], caller: Caller) -> None:
    answer, trace_id = caller.send(case["request"], _token(caller, case["token"]), body=case.get("body"))
    assert answer.status_code == case["status"], answer.text
    if "problem" in case:
        _check_problem(answer, case["problem"], trace_id)
    entries = caller.audit(trace_id, len(case["reached"]))
    assert sorted(entry["hop"] for entry in entries) == sorted(case["reached"])
    for entry in entries:
        assert set(entry) == AUDIT_MEMBERS
        # What Apigee refuses, the edge had let through.
        refused = case["status"] != 200 and entry["hop"] == case["reached"][-1]
        assert entry["decision"] == ("deny" if refused else "allow")
        assert entry["reason"] == (case["problem"] if refused else "ok")
        assert entry["http.response.status_code"] == case["status"]
    assert len({entry["txn"] for entry in entries}) == 1


def test_the_backend_gets_identity_headers_and_neither_token(caller: Caller) -> None:
    answer, _ = caller.send("GET /orders", caller.user("reader"))
    headers = {name.lower(): value for name, value in answer.json()["headers"]}
    assert headers["x-identity-roles"] == "reader"
    assert headers["x-identity-client"]
    assert headers["x-identity-subject"]
    assert not {"authorization", "txn-token"} & set(headers)


def test_a_direct_call_to_apigee_is_refused(caller: Caller) -> None:
    answer, trace_id = caller.send("GET /orders", caller.user("reader"), base="apigee")
    assert answer.status_code == 401
    _check_problem(answer, "edge-token-required", trace_id)
    assert [entry["hop"] for entry in caller.audit(trace_id, 1)] == ["apigee"]


def test_a_page_that_may_call_may_read_answers_of_both_tiers(caller: Caller) -> None:
    page = "https://shop.acme.example"
    for token, status in ((caller.user("reader"), 200), (None, 401)):
        answer, _ = caller.send("GET /orders", token, Origin=page)
        assert (answer.status_code, answer.headers.get_list("access-control-allow-origin")) == (status, [page])
    answer, _ = caller.send("GET /orders", caller.user("reader"), Origin="https://evil.example")
    assert "access-control-allow-origin" not in answer.headers


def test_over_quota_is_429_with_the_limits_and_when_to_come_back(caller: Caller) -> None:
    token = caller.user("treasurer", "--user", "treasurer")
    for _ in range(QUOTA_TRIES):
        answer, trace_id = caller.send("GET /payments", token)
        if answer.status_code == 429 and "quota-exceeded" in answer.json()["type"]:
            break
    else:
        pytest.fail(f"no quota was exceeded in {QUOTA_TRIES} requests")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["trace_id"] == trace_id
    assert int(answer.headers["retry-after"]) >= 0
    assert answer.headers["ratelimit-policy"]
    assert answer.headers["ratelimit"]
    entries = caller.audit(trace_id, 1)
    if any(entry["hop"] == "edge" and entry["upstream_status"] is not None for entry in entries):
        entries = caller.audit(trace_id, 2)
    # The edge counts as Apigee does and mostly is the first to refuse; where their windows differ, it lets the call
    # through, and Apigee refuses. Each hop tells its own decision.
    assert {(entry["hop"], entry["decision"], entry["reason"]) for entry in entries} in (
        {("edge", "deny", "quota-exceeded")},
        {("edge", "allow", "ok"), ("apigee", "deny", "quota-exceeded")},
    )
    assert {entry["http.response.status_code"] for entry in entries} == {429}


@pytest.mark.parametrize(
    ("fault", "statuses", "problems"),
    [
        (["down"], {503}, {"backend-unavailable"}),
        (["status", "--status", "500"], {502}, {"backend-error"}),
        (["slow", "--seconds", "60"], {504}, {"backend-timeout"}),
    ],
    ids=["down", "answering 500", "too slow"],
)
def test_a_backend_that_is(fault: list[str], statuses: set[int], problems: set[str], caller: Caller) -> None:
    caller.checkout.portcullis("fault", "set", "orders", *fault)
    try:
        answer, trace_id = caller.send("GET /orders", caller.user("reader"))
    finally:
        caller.checkout.portcullis("fault", "clear", "orders")
    assert answer.status_code in statuses
    assert answer.json()["type"].rpartition("/")[2] in problems
    assert answer.json()["trace_id"] == trace_id
    entries = {entry["hop"]: entry for entry in caller.audit(trace_id, 2)}
    assert entries["apigee"]["decision"] == "error"
    assert entries["apigee"]["reason"] in problems
    assert (
        entries["edge"]["http.response.status_code"]
        == entries["apigee"]["http.response.status_code"]
        == answer.status_code
    )


def test_an_issuer_that_rotates_its_keys_is_followed(caller: Caller) -> None:
    admin = json.loads((caller.checkout.root / ".portcullis/sandbox/endpoints.json").read_text(encoding="utf-8"))
    caller.http.post(
        f"{admin['urls']['admin']}/issuers/partners/rotate",
        headers={"Authorization": f"Bearer {admin['token']}"},
        json={"keep_previous": True},
    ).raise_for_status()
    fresh = caller.checkout.portcullis("token", "--issuer", "partners")["token"]
    answer, _ = caller.send("GET /orders", fresh)
    assert answer.status_code == 200


def test_the_audit_of_everything_holds_audit_lines_and_no_event(caller: Caller) -> None:
    caller.send("GET /orders", caller.user("default"))
    entries = caller.checkout.portcullis("audit")
    assert entries
    assert [entry for entry in entries if entry.keys() != AUDIT_MEMBERS] == []
    caller.checkout.run(str(caller.checkout.root / ".venv/bin/portcullis"), "audit")


def _check_problem(answer: httpx.Response, slug: str, trace_id: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.json()
    assert problem["type"].endswith(f"/{slug}")
    assert problem["status"] == answer.status_code
    assert problem["trace_id"] == trace_id
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if answer.status_code == 405:
        assert answer.headers["allow"]


def _token(caller: Caller, kind: str) -> str | None:
    made: dict[str, Callable[[], str | None]] = {
        "none": lambda: None,
        "opaque": lambda: caller.user("opaque", "--opaque"),
        "unknown-opaque": lambda: secrets.token_urlsafe(32),
        "other-audience": lambda: _resigned(caller, aud="api://another"),
        "other-issuer": lambda: _resigned(caller, iss="https://evil.okta.example/oauth2/default"),
        "expired": lambda: _resigned(caller, iat=int(time.time()) - 7200, exp=int(time.time()) - 3600),
        "tampered": lambda: _tampered(caller.user("reader")),
        "alg-none": lambda: jwt.encode(_claims(caller), "", algorithm="none"),
        "stranger": lambda: _by_a_stranger(caller),
    }
    return made[kind]() if kind in made else caller.user(kind, "--user", kind)


def _claims(caller: Caller) -> dict[str, Any]:
    return jwt.decode(caller.user("reader"), options={"verify_signature": False})


def _resigned(caller: Caller, **claims: object) -> str:
    """Sign with the issuer's real key: only the claim is wrong."""
    with sqlite3.connect(f"file:{caller.checkout.database}?mode=ro", uri=True) as database:
        (body,) = database.execute("SELECT body FROM documents WHERE key = 'keys/workforce'").fetchone()
    key = json.loads(body)["keys"][0]
    headers = {"kid": key["kid"]}
    return jwt.encode({**_claims(caller), **claims}, jwt.PyJWK(key).key, key["alg"], headers=headers)


def _tampered(token: str) -> str:
    header, payload, signature = token.split(".")
    changed = json.loads(base64url_decode(payload)) | {"groups": ["store-treasury"]}
    return f"{header}.{base64url_encode(json.dumps(changed).encode()).decode()}.{signature}"


def _by_a_stranger(caller: Caller) -> str:
    kid = jwt.get_unverified_header(caller.user("reader"))["kid"]
    return jwt.encode(_claims(caller), rsa.generate_private_key(65537, 2048), "RS256", headers={"kid": kid})

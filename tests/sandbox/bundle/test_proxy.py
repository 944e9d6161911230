"""The project's own proxy in the runtime, from the token to the audit line."""

import base64
import hmac
import json
import re
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from ruamel.yaml import YAML

from components.apigee import MASKED
from portcullis.ring import generate_key
from tests.sandbox.bundle.deployed import AUDIENCE, NOON, Deployed, contract_of, echo

HERE = Path(__file__).parent
PROBLEMS = "https://developer.acme.example/problems"
# The edge's own line, member by member: regular expressions of JSON. Apigee's differs where it says so here.
SCHEMA: dict[str, str] = {
    **json.loads((HERE.parents[2] / "worker" / "test" / "data" / "audit_schema.json").read_text()),
    "hop": '"apigee"',
    "ring_seq": "null|7",
    "contract": 'null|"[0-9a-f]{12}"',
}
MEMBERS = list(SCHEMA)


def table(name: str) -> list[dict[str, Any]]:
    return YAML(typ="safe").load(HERE / name)


def assert_problem(answer: httpx.Response, status: int, slug: str, apigee: Deployed) -> dict[str, Any]:
    """What every refusal has in common, on the wire and in the audit line, which is returned."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem = answer.json()
    line = apigee.audited()
    assert set(problem) - {"violated-policies"} == {"type", "title", "status", "detail", "trace_id"}
    assert problem["type"].endswith(slug)
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["trace_id"] == line["trace_id"]
    assert answer.headers["cache-control"] == "no-store"
    assert "fault" not in answer.text.replace("gateway-fault", "")
    assert (line["reason"], line["error.type"], line["http.response.status_code"]) == (slug, slug, status)
    assert line["decision"] == ("deny" if status < 500 else "error")
    assert ("www-authenticate" in answer.headers) == (status == 401 or slug == "insufficient-role")
    return line


def assert_nobody_is_named(line: dict[str, Any]) -> None:
    for member in (
        "txn",
        "client_id",
        "issuer",
        "user.hash",
        "user.id",
        "kid",
        "ring_seq",
        "contract",
        "operation",
        "product",
    ):
        assert line[member] is None, member
    assert line["user.roles"] == []


async def test_a_good_call_reaches_the_backend_and_is_audited(apigee: Deployed) -> None:
    claims = apigee.claims("get-order", roles=["reader", "buyer"])
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await apigee.call("GET /orders/A-17?full=1", apigee.sign(claims), [("traceparent", parent)])
    assert (answer.status_code, answer.headers["x-backend"]) == (200, "echo")
    assert answer.json() == {"path": "/orders/A-17?full=1"}
    line = apigee.audited()
    assert list(line) == MEMBERS
    assert re.fullmatch(r"2027-01-15T08:00:00\.000Z", line.pop("ts"))
    assert re.fullmatch(r"[0-9a-f]{16}", line["span_id"])
    assert line.pop("span_id") != "b7ad6b7169203331"
    assert line == {
        "hop": "apigee",
        "env": "test",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "parent_id": "b7ad6b7169203331",
        "txn": claims["txn"],
        "decision": "allow",
        "reason": "ok",
        "error.type": None,
        "operation": "get-order",
        "http.request.method": "GET",
        "http.route": "/orders/{order}",
        "product": "orders",
        "client_id": "0oa1storefront",
        "issuer": "workforce",
        "user.hash": "0123456789abcdef0123456789abcdef",
        "user.id": None,
        "user.roles": ["reader", "buyer"],
        "kid": apigee.private["kid"],
        "ring_seq": 7,
        "contract": apigee.contract.version_hash,
        "auth.alg": None,
        "auth.kid": None,
        "auth.token_hash": None,
        "auth.cache": None,
        "http.response.status_code": 200,
        "upstream_status": 200,
        "duration_ms": 0,
    }


async def test_the_backend_learns_who_calls_from_verified_claims_alone(apigee: Deployed) -> None:
    claims = apigee.claims(roles=["reader", "buyer"])
    forged = [
        ("X-Identity-Subject", "root"),
        ("x-identity-roles", "treasurer"),
        ("X-Identity-Client", "root"),
        ("X-Identity-Issuer", "root"),
        ("X-Identity-Transaction", "root"),
        ("Authorization", "Bearer of-the-client"),
        ("X-Own", "kept"),
    ]
    assert (await apigee.call("GET /orders", apigee.sign(claims), forged)).status_code == 200
    (request,) = apigee.received
    identity = {name: value for name, value in request.headers.items() if name.startswith("x-identity-")}
    assert identity == {
        "x-identity-subject": "00u-jane",
        "x-identity-client": "0oa1storefront",
        "x-identity-roles": "reader buyer",
        "x-identity-issuer": "workforce",
        "x-identity-transaction": claims["txn"],
    }
    assert request.headers["host"] == "orders.internal.acme.example"
    assert request.headers["x-own"] == "kept"
    assert "authorization" not in request.headers
    assert "txn-token" not in request.headers
    assert "of-the-client" not in str(request.headers.raw)


@pytest.mark.parametrize("spelling", ["X_Identity_Roles", "x_identity_roles", "X-Identity_Roles", "X_Identity-Roles"])
async def test_a_header_that_a_backend_would_read_as_an_identity_is_dropped(apigee: Deployed, spelling: str) -> None:
    sent = [(spelling, "treasurer"), ("X-Identity-Roles", "treasurer"), ("Txn_Token", "x"), (spelling, "again")]
    assert (await apigee.call("GET /orders", apigee.token(roles=["reader"]), sent)).status_code == 200
    alike = [value for name, value in apigee.received[0].headers.multi_items() if "roles" in name]
    assert alike == ["reader"]
    assert "txn_token" not in apigee.received[0].headers


async def test_the_body_of_a_call_reaches_the_backend(apigee: Deployed) -> None:
    answer = await apigee.call("POST /orders", apigee.token("place-order"), json={"item": "A-17"})
    assert answer.status_code == 200
    assert json.loads(apigee.received[0].content) == {"item": "A-17"}


async def test_each_operation_goes_to_its_own_backend(apigee: Deployed) -> None:
    assert (await apigee.call("GET /payments", apigee.token("list-payments"))).status_code == 200
    assert apigee.received[0].headers["host"] == "payments.internal.acme.example"


async def test_the_trace_goes_on_to_the_backend(apigee: Deployed) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = [("traceparent", parent), ("tracestate", "acme=1")]
    await apigee.call("GET /orders", apigee.token(), sent)
    span = apigee.audited()["span_id"]
    assert apigee.received[0].headers["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-{span}-01"
    assert apigee.received[0].headers["tracestate"] == "acme=1"


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "garbage",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
    ],
)
async def test_an_invalid_trace_is_replaced_by_a_new_one(apigee: Deployed, traceparent: str) -> None:
    await apigee.call("GET /orders", apigee.token(), [("traceparent", traceparent), ("tracestate", "acme=1")])
    line = apigee.audited()
    assert re.fullmatch(r"(?!0{32})[0-9a-f]{32}", line["trace_id"])
    assert line["trace_id"] != "0af7651916cd43dd8448eb211c80319c"
    assert line["parent_id"] is None
    assert apigee.received[0].headers["traceparent"] == f"00-{line['trace_id']}-{line['span_id']}-00"
    assert "tracestate" not in apigee.received[0].headers


async def test_a_later_version_of_the_trace_header_is_read_as_the_first(apigee: Deployed) -> None:
    parent = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later"
    await apigee.call("GET /orders", apigee.token(), [("traceparent", parent)])
    assert apigee.audited()["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


async def test_two_traces_in_one_call_are_replaced_by_a_new_one(apigee: Deployed) -> None:
    one = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    other = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await apigee.call("GET /orders", apigee.token(), [("traceparent", one), ("traceparent", other)])
    assert apigee.audited()["parent_id"] is None


@pytest.mark.parametrize(
    "case", table("answers.yaml"), ids=lambda case: f"{case['as']}: {case['call']} {case['status']}"
)
async def test_what_a_caller_is_told(apigee: Deployed, case: dict[str, Any]) -> None:
    changed = {"roles": case["roles"]} if "roles" in case else {}
    if "client" in case:
        changed["client_id"] = case["client"]
    claims = apigee.claims(case["as"], **changed)
    answer = await apigee.call(case["call"], apigee.sign(claims))
    if case["status"] == 200:
        assert answer.status_code == 200, answer.text
        assert apigee.audited()["decision"] == "allow"
        return
    line = assert_problem(answer, case["status"], case["problem"], apigee)
    assert (line["txn"], line["client_id"]) == (claims["txn"], claims["client_id"])
    assert line["operation"] == case.get("operation")
    assert answer.headers.get("allow") == case.get("allow")
    assert apigee.received == []


async def test_a_role_that_does_not_suffice_is_told_by_rfc_6750(apigee: Deployed) -> None:
    answer = await apigee.call("GET /orders", apigee.token(roles=[]))
    assert answer.headers["www-authenticate"] == 'Bearer realm="acme-store", error="insufficient_scope"'


@pytest.mark.parametrize("headers", [[], [("Txn-Token", "")], [("Authorization", "Bearer x")]])
@pytest.mark.parametrize("request_line", ["GET /orders", "GET /nowhere", "DELETE /orders"])
async def test_a_direct_call_is_refused_whatever_it_asks_for(
    apigee: Deployed, headers: list[tuple[str, str]], request_line: str
) -> None:
    answer = await apigee.call(request_line, headers=headers)
    assert_nobody_is_named(assert_problem(answer, 401, "edge-token-required", apigee))
    assert answer.headers["www-authenticate"] == 'Bearer realm="acme-store"'
    assert apigee.received == []


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


async def refused(apigee: Deployed, token: str, *more: tuple[str, str], slug: str = "edge-token-invalid") -> None:
    answer = await apigee.call("GET /orders", token, list(more))
    line = assert_problem(answer, 401, slug, apigee)
    assert answer.headers["www-authenticate"] == 'Bearer realm="acme-store", error="invalid_token"'
    assert apigee.received == []
    assert token not in json.dumps(line)


def spoilt(apigee: Deployed, case: dict[str, Any]) -> str:
    now = int(apigee.clock.now())
    claims = {**apigee.claims(), **case.get("claims", {})}
    for name in ("iat", "exp", "nbf"):
        if name in case.get("claims", {}):
            claims[name] = now + case["claims"][name]
    for name in case.get("without", []):
        del claims[name]
    return apigee.sign(claims, case.get("header"))


@pytest.mark.parametrize("case", table("tokens.yaml"), ids=lambda case: case["name"])
async def test_a_token_is_refused(apigee: Deployed, case: dict[str, Any]) -> None:
    await refused(apigee, spoilt(apigee, case))


async def test_a_key_that_is_not_known_is_told_apart_so_that_the_edge_can_try_once_more(apigee: Deployed) -> None:
    await refused(apigee, apigee.sign(apigee.claims(), {"kid": "A" * 43}), slug="edge-key-unknown")


async def test_two_tokens_are_refused_though_both_are_good(apigee: Deployed) -> None:
    await refused(apigee, apigee.token(), ("Txn-Token", apigee.token()))


async def test_a_token_signed_by_a_stranger_under_a_known_kid_is_refused(apigee: Deployed) -> None:
    stranger, _ = generate_key("ES256")
    await refused(apigee, apigee.sign(apigee.claims(), private=stranger))


async def test_a_token_without_a_signature_is_refused(apigee: Deployed) -> None:
    header = {"typ": "txntoken+jwt", "kid": apigee.private["kid"]}
    await refused(apigee, jwt.encode(apigee.claims(), "", algorithm="none", headers=header))


async def test_a_public_key_is_no_shared_secret(apigee: Deployed) -> None:
    _, claims, _ = apigee.token().split(".")
    header = {"alg": "HS256", "typ": "txntoken+jwt", "kid": apigee.private["kid"]}
    signed = f"{unpadded(json.dumps(header).encode())}.{claims}"
    secret = json.dumps({"keys": [apigee.public]}).encode()
    await refused(apigee, f"{signed}.{unpadded(hmac.digest(secret, signed.encode(), 'sha256'))}")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"),
        lambda token: token + "=",
        lambda token: f"Bearer {token}",
        lambda token: token.rpartition(".")[0],
        lambda token: token + ".x",
        lambda token: "x" * 20_000,
        lambda token: "a.b.c",
        lambda token: f"{base64.urlsafe_b64encode(b'[1]').decode()}.{token.partition('.')[2]}",
    ],
    ids=["tampered", "padded", "with a scheme", "two parts", "four parts", "huge", "no JSON", "header no object"],
)
async def test_a_text_that_is_no_token_is_refused(apigee: Deployed, spoil: Any) -> None:
    await refused(apigee, spoil(apigee.token()))


async def test_a_token_within_the_leeway_is_good(apigee: Deployed) -> None:
    now = int(apigee.clock.now())
    for issued in (now - 65, now + 9):
        answer = await apigee.call("GET /orders", apigee.token(iat=issued, exp=issued + 60))
        assert answer.status_code == 200, answer.text


async def test_a_key_that_was_taken_away_is_trusted_no_longer_than_the_cache_keeps_it(apigee: Deployed) -> None:
    assert (await apigee.call("GET /orders", apigee.token())).status_code == 200
    apigee.store.delete("apigee.kvm_entries", f"acme/test/portcullis-keys/jwk.{apigee.private['kid']}")
    apigee.clock.advance(299)
    assert (await apigee.call("GET /orders", apigee.token())).status_code == 200
    apigee.clock.advance(2)
    assert (await apigee.call("GET /orders", apigee.token())).status_code == 401


async def test_a_new_key_is_trusted_as_soon_as_it_is_published(apigee: Deployed) -> None:
    private, public = generate_key("ES256")
    header = {"kid": public["kid"]}
    assert (await apigee.call("GET /orders", apigee.sign(apigee.claims(), header, private))).status_code == 401
    apigee.publish(public)
    assert (await apigee.call("GET /orders", apigee.sign(apigee.claims(), header, private))).status_code == 200


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "PS256"])
async def test_a_key_of_each_algorithm_of_the_ring_is_trusted_beside_the_others(
    apigee: Deployed, algorithm: str
) -> None:
    private, public = generate_key(algorithm)
    apigee.publish(public)
    assert (
        await apigee.call("GET /orders", apigee.sign(apigee.claims(), {"kid": public["kid"]}, private))
    ).status_code == 200
    assert (await apigee.call("GET /orders", apigee.token())).status_code == 200


async def test_a_broken_key_is_no_fault_of_the_caller(apigee: Deployed) -> None:
    apigee.publish({**apigee.public, "x": "AAAA"})
    answer = await apigee.call("GET /orders", apigee.token())
    assert_problem(answer, 503, "keys-unavailable", apigee)
    assert answer.headers["retry-after"] == "5"


async def test_every_answer_with_a_quota_says_what_is_left(apigee: Deployed) -> None:
    apigee.clock.advance(5)
    answer = await apigee.call("GET /orders", apigee.token())
    assert answer.headers["ratelimit-policy"] == '"orders";q=60;w=60'
    assert answer.headers["ratelimit"] == '"orders";r=59;t=55'
    apigee.clock.advance(10.5)
    answer = await apigee.call("GET /orders", apigee.token())
    assert answer.headers["ratelimit"] == '"orders";r=58;t=45'


async def used_up(apigee: Deployed, client: str = "0oa1storefront") -> httpx.Response:
    """Use the quota up, slowly enough for the burst limit, and ask once more."""
    for _ in range(60):
        answer = await apigee.call("GET /orders", apigee.token(client_id=client))
        assert answer.status_code == 200, answer.text
        apigee.clock.advance(0.25)
    apigee.logs.clear()
    apigee.received.clear()
    return await apigee.call("GET /orders", apigee.token(client_id=client))


async def test_a_refusal_after_the_app_is_known_tells_the_limit(apigee: Deployed) -> None:
    answer = await apigee.call("GET /orders", apigee.token(roles=[]))
    assert (answer.status_code, answer.headers["ratelimit-policy"]) == (403, '"orders";q=60;w=60')
    assert "ratelimit" not in answer.headers


async def test_both_keys_of_an_app_use_one_quota(apigee: Deployed) -> None:
    app = apigee.store.get("apigee.apps", "acme/storefront@acme.example/storefront")
    assert app is not None
    second = {**app["credentials"][0], "consumerKey": "0oa1storefront-2"}
    document = {**app, "credentials": [*app["credentials"], second]}
    apigee.store.put("apigee.apps", "acme/storefront@acme.example/storefront", document)
    assert (await apigee.call("GET /orders", apigee.token())).headers["ratelimit"] == '"orders";r=59;t=60'
    answer = await apigee.call("GET /orders", apigee.token(client_id="0oa1storefront-2"))
    assert answer.headers["ratelimit"] == '"orders";r=58;t=60'


async def test_a_product_of_somebody_elses_making_opens_nothing(apigee: Deployed) -> None:
    product = apigee.store.get("apigee.products", "acme/orders")
    assert product is not None
    apigee.store.put("apigee.products", "acme/unlimited", {**product, "name": "unlimited", "quota": "1000000"})
    key = "acme/storefront@acme.example/storefront"
    app = apigee.store.get("apigee.apps", key)
    assert app is not None
    products = [{"apiproduct": "unlimited", "status": "approved"}]
    apigee.store.put("apigee.apps", key, {**app, "credentials": [{**app["credentials"][0], "apiProducts": products}]})
    assert_problem(await apigee.call("GET /orders", apigee.token()), 403, "consumer-not-entitled", apigee)


async def test_a_used_up_quota_is_told_with_the_time_to_wait(apigee: Deployed) -> None:
    answer = await used_up(apigee)
    line = assert_problem(answer, 429, "quota-exceeded", apigee)
    assert answer.json()["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert answer.json()["violated-policies"] == ["orders"]
    assert answer.headers["retry-after"] == "45"
    assert answer.headers["ratelimit-policy"] == '"orders";q=60;w=60'
    assert answer.headers["ratelimit"] == '"orders";r=0;t=45'
    assert (line["operation"], line["product"], line["upstream_status"]) == ("list-orders", "orders", None)
    assert apigee.received == []


async def test_a_quota_is_each_consumers_own_and_each_products_own(apigee: Deployed) -> None:
    assert (await used_up(apigee)).status_code == 429
    partner = "4711-partners_apps_googleusercontent_example"
    assert (await apigee.call("GET /orders", apigee.token(client_id=partner))).status_code == 200
    assert (await apigee.call("GET /payments", apigee.token("list-payments"))).status_code == 200


async def test_a_quota_begins_anew(apigee: Deployed) -> None:
    assert (await used_up(apigee)).status_code == 429
    apigee.clock.advance(45)
    assert (await apigee.call("GET /orders", apigee.token())).status_code == 200


async def test_a_changed_quota_of_the_product_takes_hold_without_a_new_revision(apigee: Deployed) -> None:
    document = apigee.store.get("apigee.products", "acme/orders")
    assert document is not None
    apigee.store.put("apigee.products", "acme/orders", {**document, "quota": "7", "quotaTimeUnit": "hour"})
    answer = await apigee.call("GET /orders", apigee.token())
    assert answer.headers["ratelimit-policy"] == '"orders";q=7;w=3600'
    assert answer.headers["ratelimit"].startswith('"orders";r=6;t=')


async def test_a_burst_is_smoothed(apigee: Deployed) -> None:
    answers = [await apigee.call("GET /orders", apigee.token()) for _ in range(20)]
    refusals = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 200
    assert refusals
    assert {answer.json()["type"] for answer in refusals} == {f"{PROBLEMS}/rate-exceeded"}
    assert {answer.headers["retry-after"] for answer in refusals} == {"1"}
    assert {answer.headers["ratelimit-policy"] for answer in refusals} == {
        '"orders";q=60;w=60, "orders:burst";q=50;w=1'
    }
    assert {answer.headers["ratelimit"] for answer in refusals} == {'"orders:burst";r=0;t=1'}
    assert {tuple(answer.json()["violated-policies"]) for answer in refusals} == {("orders:burst",)}
    reasons = [line["reason"] for line in apigee.logs.entries()]
    assert reasons.count("rate-exceeded") == len(refusals)
    apigee.clock.advance(1)
    assert (await apigee.call("GET /orders", apigee.token())).status_code == 200


async def test_a_burst_of_one_consumer_is_not_the_others(apigee: Deployed) -> None:
    for _ in range(20):
        await apigee.call("GET /orders", apigee.token())
    partner = "4711-partners_apps_googleusercontent_example"
    assert (await apigee.call("GET /orders", apigee.token(client_id=partner))).status_code == 200


@pytest.mark.parametrize("case", table("backends.yaml"), ids=lambda case: case["name"])
async def test_what_a_caller_is_told_of_a_backend_that(apigee: Deployed, case: dict[str, Any]) -> None:
    def backend(request: httpx.Request) -> httpx.Response:
        if "raises" in case:
            raise getattr(httpx, case["raises"])("injected", request=request)
        return httpx.Response(case["answers"], text="the backend's own words", headers={"X-Inside": "1"})

    apigee.backend = backend
    answer = await apigee.call("GET /orders", apigee.token())
    if "problem" in case:
        line = assert_problem(answer, case["status"], case["problem"], apigee)
        assert "own words" not in answer.text
        assert "x-inside" not in answer.headers
    else:
        line = apigee.audited()
        assert (answer.status_code, line["decision"], line["reason"]) == (case["status"], "allow", "ok")
        assert answer.headers["x-inside"] == "1"
    assert (line["http.response.status_code"], line["upstream_status"]) == (case["status"], case["upstream"])
    assert (line["operation"], line["client_id"]) == ("list-orders", "0oa1storefront")
    assert answer.headers.get("retry-after") == case.get("retry")
    assert answer.headers["ratelimit"] == '"orders";r=59;t=60'


async def test_a_backend_whose_name_cannot_be_resolved_is_unavailable(apigee: Deployed) -> None:
    server = apigee.store.get("apigee.targetservers", "acme/test/orders")
    assert server is not None
    apigee.store.put("apigee.targetservers", "acme/test/orders", {**server, "host": "gone.acme.example"})
    assert_problem(await apigee.call("GET /orders", apigee.token()), 503, "backend-unavailable", apigee)


async def test_a_fault_that_no_rule_knows_is_the_gateways_own(apigee: Deployed) -> None:
    document = apigee.store.get("apigee.products", "acme/orders")
    assert document is not None
    apigee.store.put("apigee.products", "acme/orders", {**document, "quotaTimeUnit": "fortnight"})
    assert_problem(await apigee.call("GET /orders", apigee.token()), 502, "gateway-fault", apigee)


async def test_an_audit_line_may_name_the_subject_itself(tmp_path: Path) -> None:
    apigee = Deployed(contract_of(tmp_path, [("subject: hash ", "subject: plain ")]))
    await apigee.call("GET /orders", apigee.token(sub='j"ane \\ doe'))
    assert apigee.audited()["user.id"] == 'j"ane \\ doe'
    assert apigee.received[0].headers["x-identity-subject"] == 'j"ane \\ doe'
    await apigee.close()


async def test_a_token_of_one_stack_is_no_good_in_another(apigee: Deployed, tmp_path: Path) -> None:
    other = Deployed(contract_of(tmp_path), environment="prod")
    other.publish(apigee.public)
    answer = await other.call("GET /orders", apigee.token())
    assert_problem(answer, 401, "edge-token-invalid", other)
    await other.close()


async def test_no_token_is_in_any_audit_line_or_answer(apigee: Deployed) -> None:
    good, late = apigee.token(), apigee.token(iat=int(NOON) - 900, exp=int(NOON) - 840)
    answers = [await apigee.call("GET /orders", token) for token in (good, late, late[:-9])]
    told = json.dumps(apigee.logs.entries()) + "".join(answer.text + str(answer.headers.raw) for answer in answers)
    for token in (good, late):
        for part in token.split("."):
            assert part not in told
    assert [line["reason"] for line in apigee.logs.entries()] == ["ok", "edge-token-invalid", "edge-token-invalid"]


async def test_every_audit_line_has_exactly_the_agreed_members(apigee: Deployed) -> None:
    await apigee.call("GET /orders", apigee.token())
    await apigee.call("GET /orders")
    await apigee.call("GET /nowhere", apigee.token())
    await apigee.call("GET /orders", apigee.token(aud=AUDIENCE + "x"))
    apigee.backend = lambda _: httpx.Response(500)
    await apigee.call("GET /orders", apigee.token())
    lines = apigee.logs.entries()
    assert [line["reason"] for line in lines] == [
        *("ok", "edge-token-required", "operation-not-found", "edge-token-invalid", "backend-error")
    ]
    for line in lines:
        assert list(line) == MEMBERS
        for member, pattern in SCHEMA.items():
            assert re.fullmatch(pattern, json.dumps(line[member], separators=(",", ":"))), (member, line[member])
    apigee.backend = echo


async def test_a_method_that_would_break_the_line_is_written_as_text(apigee: Deployed) -> None:
    await apigee.http.request('GE"T', "/orders")
    assert apigee.logs.dropped == 0
    assert len(apigee.logs.entries()) <= 1


async def test_a_trace_session_shows_no_token(apigee: Deployed) -> None:
    apigee.store.put("apigee.debugmasks", "acme/test/debugmask", {"variables": list(MASKED)})
    stranger, _ = generate_key("ES256")
    tokens = [apigee.token(), apigee.token(aud="https://other.example"), apigee.sign(apigee.claims(), None, stranger)]
    for token in tokens:
        await apigee.call("GET /orders", token, [("Authorization", f"Bearer {token}")])
    shown = json.dumps(apigee.runtime.traces.all())
    assert shown.count('"AM-TakeToken"') >= len(tokens)
    for token in tokens:
        for part in token.split(".")[1:]:
            assert part not in shown

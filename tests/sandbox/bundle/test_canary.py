"""The canary's operation in the project's own proxy: what it proves, and what it is good for besides (nothing)."""

from typing import Any

import httpx
import pytest

from portcullis.deployed import CANARY_PATH, Realm, canary_token
from portcullis.ring import generate_key
from tests.sandbox.bundle.deployed import AUDIENCE, ISSUER, Deployed

REALM = Realm(ISSUER, AUDIENCE, "test")
QUOTA = 200


async def _canary(apigee: Deployed, token: str | None, request: str = f"GET {CANARY_PATH}") -> httpx.Response:
    return await apigee.call(request, token)


def _token(apigee: Deployed, private: dict[str, Any] | None = None, realm: Realm = REALM) -> str:
    return canary_token(private or apigee.private, 7, realm, apigee.clock.now())


async def test_a_published_key_is_accepted_by_name_without_a_backend(apigee: Deployed) -> None:
    answer = await _canary(apigee, _token(apigee))
    assert (answer.status_code, answer.json()) == (200, {"accepted": apigee.private["kid"]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "txn-token" not in answer.headers
    assert apigee.received == []
    line = apigee.audited()
    assert (line["decision"], line["operation"], line["kid"]) == ("allow", "ring_canary", apigee.private["kid"])
    assert (line["http.response.status_code"], line["product"], line["upstream_status"]) == (200, None, None)


async def test_it_meters_nothing_and_has_no_limit(apigee: Deployed) -> None:
    for _ in range(QUOTA):
        answer = await _canary(apigee, _token(apigee))
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("ratelimit")]
    good = await apigee.call("GET /orders", apigee.token())
    quota = apigee.contract.products["orders"].quota.requests
    assert good.headers["ratelimit"].startswith(f'"orders";r={quota - 1};')


async def test_a_key_that_is_not_published_is_refused(apigee: Deployed) -> None:
    stranger, _ = generate_key("ES256")
    assert (await _canary(apigee, _token(apigee, stranger))).status_code == 401


@pytest.mark.parametrize(
    "realm",
    [Realm(ISSUER, AUDIENCE, "prod"), Realm(ISSUER, f"{AUDIENCE}2", "test"), Realm("https://other", AUDIENCE, "test")],
    ids=["environment", "audience", "issuer"],
)
async def test_a_canary_of_another_stack_is_refused(apigee: Deployed, realm: Realm) -> None:
    assert (await _canary(apigee, _token(apigee, realm=realm))).status_code == 401


async def test_a_callers_token_does_not_open_the_canary(apigee: Deployed) -> None:
    assert (await _canary(apigee, apigee.token())).status_code == 401
    assert (await _canary(apigee, None)).status_code == 401


async def test_a_canary_opens_nothing_else(apigee: Deployed) -> None:
    for request in ("GET /orders", "GET /orders/A-17", "POST /payments"):
        apigee.logs.clear()
        assert (await _canary(apigee, _token(apigee), request)).status_code == 401
    assert (await _canary(apigee, _token(apigee), f"POST {CANARY_PATH}")).status_code == 404
    assert apigee.received == []

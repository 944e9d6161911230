"""Kept answers: given again to those whom the contract says, and to nobody else."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.bundle.deployed import Deployed, contract_of

SUBJECT = "cache: {seconds: 30, per: subject}"
EDITS = [
    (
        "list-orders: {method: GET, path: /orders, roles: [reader, buyer], backend: orders}",
        "list-orders: {method: GET, path: /orders, roles: [reader, buyer], backend: orders, "
        "cache: {seconds: 30, per: everyone}}",
    ),
    (
        'path: "/orders/{order}", roles: [reader, buyer], backend: orders}',
        f'path: "/orders/{{order}}", roles: [reader, buyer], backend: orders, {SUBJECT}}}',
    ),
    (
        "list-payments: {method: GET, path: /payments, roles: [reader, treasurer], backend: payments}",
        "list-payments: {method: GET, path: /payments, roles: [reader, treasurer], backend: payments, "
        "cache: {seconds: 30, per: consumer}}",
    ),
]
PARTNER = "4711-partners_apps_googleusercontent_example"


@pytest.fixture
async def apigee(tmp_path: Path) -> AsyncIterator[Deployed]:
    deployed = Deployed(contract_of(tmp_path, EDITS))
    numbers = count(1)
    deployed.backend = lambda _: httpx.Response(200, json={"number": next(numbers)})
    yield deployed
    await deployed.close()


async def asked(apigee: Deployed, request: str, operation: str, *headers: tuple[str, str], **claims: Any) -> Any:
    answer = await apigee.call(request, apigee.token(operation, **claims), list(headers))
    assert answer.status_code == 200, answer.text
    apigee.clock.advance(0.5)
    return answer.json()["number"]


async def test_an_answer_is_given_again_to_the_same_caller_until_it_is_old(apigee: Deployed) -> None:
    assert [await asked(apigee, "GET /orders/A-17", "get-order") for _ in range(3)] == [1, 1, 1]
    apigee.clock.advance(30)
    assert await asked(apigee, "GET /orders/A-17", "get-order") == 2


async def test_every_kept_answer_is_metered_audited_and_tells_what_is_left(apigee: Deployed) -> None:
    await asked(apigee, "GET /orders/A-17", "get-order")
    answer = await apigee.call("GET /orders/A-17", apigee.token("get-order"))
    assert answer.headers["ratelimit"].startswith('"orders";r=58;')
    first, second = apigee.logs.entries()
    assert (first["upstream_status"], second["upstream_status"]) == (200, None)
    assert (second["decision"], second["reason"], second["http.response.status_code"]) == ("allow", "ok", 200)
    assert len(apigee.received) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "00u-john"},
        {"roles": ["reader"]},
        {"client_id": PARTNER},
        {"sub": '00u-jane","get-order'},
    ],
    ids=["another subject", "other roles", "another consumer", "a subject that would read as two parts"],
)
async def test_an_answer_for_one_caller_is_never_given_to(apigee: Deployed, claims: dict[str, Any]) -> None:
    assert await asked(apigee, "GET /orders/A-17", "get-order") == 1
    assert await asked(apigee, "GET /orders/A-17", "get-order", **claims) == 2


async def test_an_answer_for_another_issuers_subject_of_the_same_name_is_never_given(apigee: Deployed) -> None:
    assert await asked(apigee, "GET /orders/A-17", "get-order") == 1
    other = {**apigee.claims("get-order")["tctx"], "issuer": "partners"}
    assert await asked(apigee, "GET /orders/A-17", "get-order", tctx=other) == 2


@pytest.mark.parametrize(
    ("request_line", "headers"),
    [
        ("GET /orders/A-18", []),
        ("GET /orders/A-17?full=1", []),
        ("GET /orders/A-17", [("Accept", "text/csv")]),
        ("GET /orders/A-17", [("Accept-Language", "de")]),
    ],
)
async def test_an_answer_to_one_request_is_never_given_to_another(
    apigee: Deployed, request_line: str, headers: list[tuple[str, str]]
) -> None:
    assert await asked(apigee, "GET /orders/A-17", "get-order", ("Accept", "application/json")) == 1
    plain = headers or [("Accept", "application/json")]
    assert await asked(apigee, request_line, "get-order", *plain) == 2


async def test_an_answer_per_consumer_is_given_to_its_callers_alone(apigee: Deployed) -> None:
    assert await asked(apigee, "GET /payments", "list-payments") == 1
    assert await asked(apigee, "GET /payments", "list-payments", sub="00u-john", roles=["reader"]) == 1


async def test_an_answer_for_everyone_is_given_to_everyone_who_may_call(apigee: Deployed) -> None:
    assert await asked(apigee, "GET /orders", "list-orders") == 1
    assert await asked(apigee, "GET /orders", "list-orders", client_id=PARTNER, sub="x", roles=["reader"]) == 1
    refused = await apigee.call("GET /orders", apigee.token("list-orders", roles=[]))
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"Cache-Control": "public, no-store"}),
        (200, {"Cache-Control": "Private"}),
        (200, {"Set-Cookie": "a=b"}),
        (200, {"Vary": "Accept, X-Tenant"}),
        (200, {"Vary": "*"}),
        (201, {}),
        (404, {}),
    ],
    ids=str,
)
async def test_a_backends_answer_is_not_kept(apigee: Deployed, status: int, headers: dict[str, str]) -> None:
    numbers = count(1)
    apigee.backend = lambda _: httpx.Response(status, json={"number": next(numbers)}, headers=headers)
    answers = [await apigee.call("GET /orders/A-17", apigee.token("get-order")) for _ in range(2)]
    assert [answer.json()["number"] for answer in answers] == [1, 2]


async def test_a_backends_failure_is_not_kept(apigee: Deployed) -> None:
    apigee.backend = lambda _: httpx.Response(500)
    assert (await apigee.call("GET /orders/A-17", apigee.token("get-order"))).status_code == 502
    apigee.backend = lambda _: httpx.Response(200, json={"number": 7})
    assert await asked(apigee, "GET /orders/A-17", "get-order") == 7


async def test_a_part_of_an_answer_is_neither_kept_nor_cut_from_a_kept_one(apigee: Deployed) -> None:
    assert await asked(apigee, "GET /orders/A-17", "get-order") == 1
    assert await asked(apigee, "GET /orders/A-17", "get-order", ("Range", "bytes=0-1")) == 2
    assert await asked(apigee, "GET /orders/A-17", "get-order") == 1


async def test_an_operation_without_a_cache_is_asked_each_time(apigee: Deployed) -> None:
    assert await asked(apigee, "POST /orders", "place-order") == 1
    assert await asked(apigee, "POST /orders", "place-order") == 2

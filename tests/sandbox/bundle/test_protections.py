"""Threat protection and cross-origin access, where the contract asks for them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.sandbox.bundle.deployed import Deployed, contract_of, echo
from tests.unit.bundle.rendered import EVERYTHING

ROWS: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("requests.yaml"))
PAGE = "https://shop.acme.example"


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Deployed]:
    deployed = Deployed(contract_of(tmp_path, [(old, new) for old, new in EVERYTHING]))
    yield deployed
    await deployed.close()


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
async def test_what_becomes_of(whole: Deployed, row: dict[str, Any]) -> None:
    kind = row.get("type", "application/json" if "body" in row else "")
    headers = [*row.get("headers", {}).items(), *([("Content-Type", kind)] if kind else [])]
    body = row["body"].replace("…", row.get("filler", "") * 400) if "body" in row else None
    answer = await whole.call(row["call"], whole.token(row["as"]), headers, content=body)
    assert answer.status_code == row["status"], answer.text
    line = whole.audited()
    if row["status"] == 200:
        assert line["reason"] == "ok"
        assert whole.received[0].content.decode() == (body or "")
        return
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["type"].rpartition("/")[2], line["reason"]) == (row["problem"], row["problem"])
    assert (line["decision"], line["client_id"]) == ("deny", "0oa1storefront")
    assert answer.headers["ratelimit"].endswith(";t=60")
    assert whole.received == []


async def test_a_page_that_may_call_may_read_the_answer(whole: Deployed) -> None:
    answer = await whole.call("GET /orders", whole.token(), [("Origin", PAGE)])
    assert answer.headers["access-control-allow-origin"] == PAGE
    exposed = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id, Location"
    assert answer.headers["access-control-expose-headers"] == exposed
    assert "Origin" in answer.headers.get_list("vary")
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_that_may_call_may_read_a_refusal(whole: Deployed) -> None:
    answer = await whole.call("GET /orders", headers=[("Origin", PAGE)])
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, PAGE)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        f"{PAGE}.evil.example",
        f"{PAGE}:444",
        "http://shop.acme.example",
        "null",
        "",
        f"{PAGE}, https://evil.example",
    ],
)
async def test_no_other_page_may_read_anything(whole: Deployed, origin: str) -> None:
    whole.backend = lambda request: echo(request)
    answer = await whole.call("GET /orders", whole.token(), [("Origin", origin)])
    assert answer.headers.get("access-control-allow-origin") in {None, PAGE}
    if not origin.startswith(f"{PAGE},"):
        assert "access-control-allow-origin" not in answer.headers


async def test_a_backend_says_nothing_about_pages(whole: Deployed) -> None:
    def backend(request: Any) -> Any:
        answer = echo(request)
        answer.headers.update({"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true"})
        return answer

    whole.backend = backend
    answer = await whole.call("GET /orders", whole.token(), [("Origin", "https://evil.example")])
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_a_preflight_that_went_around_the_edge_is_refused(whole: Deployed) -> None:
    asked = [("Origin", PAGE), ("Access-Control-Request-Method", "POST")]
    assert (await whole.call("OPTIONS /orders", headers=asked)).status_code == 401

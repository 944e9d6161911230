"""Waiting for a revision: by a clock that the test moves, and by what the API answers."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from portcullis.deployed.revision import Revision, RevisionNotReadyError, Waiting, look_at, wait_until_ready

ROWS: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("revision.yaml"))
SEVENTH = Revision("acme", "prod", "store", 7)
ENDPOINT = "https://apigee.example/v1/"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_a_revision_that_is(row: dict[str, Any]) -> None:
    clock, asked = Clock(), list[Revision]()

    def look(revision: Revision) -> dict[str, Any] | None:
        asked.append(revision)
        return row["looks"][min(len(asked), len(row["looks"])) - 1]

    waiting = Waiting(clock.now, clock.sleep, limit_seconds=60)
    if "said" in row:
        with pytest.raises(RevisionNotReadyError) as problem:
            wait_until_ready(SEVENTH, look, waiting)
        assert row["said"] in str(problem.value)
    else:
        wait_until_ready(SEVENTH, look, waiting)
    assert len(asked) == row.get("asked", len(asked))
    assert clock.seconds <= 60


def looked(handler: Any) -> dict[str, Any] | None:
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return look_at(client, ENDPOINT, SEVENTH, "the-token")


def test_it_asks_for_the_deployment_of_the_revision() -> None:
    asked = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"state": "READY"})

    assert looked(answer) == {"state": "READY"}
    path = "organizations/acme/environments/prod/apis/store/revisions/7/deployments"
    assert (asked[0].method, str(asked[0].url)) == ("GET", f"{ENDPOINT}{path}")
    assert asked[0].headers["authorization"] == "Bearer the-token"


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_an_answer_that_another_look_may_mend_says_nothing_yet(status: int) -> None:
    assert looked(lambda _: httpx.Response(status, json={"error": {"message": "later"}})) is None


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b'"READY"'])
def test_an_answer_that_is_no_deployment_says_nothing(content: bytes) -> None:
    assert looked(lambda _: httpx.Response(200, content=content)) is None


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    body = json.dumps({"state": "READY", "filler": "x" * 2_000_000}).encode()
    assert looked(lambda _: httpx.Response(200, content=body)) is None


def test_a_broken_connection_says_nothing_yet() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert looked(broken) is None


@pytest.mark.parametrize("status", [400, 401, 403])
def test_credentials_that_may_not_look_end_the_wait_with_what_they_need(status: int) -> None:
    refusal = {"error": {"code": status, "message": "Permission denied on resource\n."}}
    with pytest.raises(RevisionNotReadyError) as problem:
        looked(lambda _: httpx.Response(status, json=refusal))
    assert f"({status}: Permission denied on resource)" in str(problem.value)
    assert "apigee.deployments.get" in str(problem.value)
    assert "the-token" not in str(problem.value)

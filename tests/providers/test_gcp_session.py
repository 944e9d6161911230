"""Long-running operations, endpoints that cannot be reached, and what counts as the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import grpc
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from engine.providers.gcp import GCP, INSTANCE, GoogleSession
from engine.providers.rest import ApiError, Dialect, RestSession
from portcullis.sandbox.apigee.management import create_app
from portcullis.sandbox.clock import MovableClock
from portcullis.sandbox.store import Store
from tests.providers.driver import TOKEN, Recorder, Resource, plugin, served


@dataclass
class Slow:
    """An API whose operations take 25 seconds of a clock that only waiting moves."""

    url: str
    recorder: Recorder
    clock: MovableClock

    def session(self, pause: Callable[[float], None] | None = None) -> GoogleSession:
        rest = RestSession(f"{self.url}/v1/", {"Authorization": f"Bearer {TOKEN}"}, Dialect(error=json.dumps))
        return GoogleSession(rest, 10, pause or self.clock.advance)


@pytest.fixture
def slow() -> Generator[Slow]:
    async def on_change() -> None:
        pass

    clock = MovableClock(1_780_000_000)
    recorder = Recorder(create_app(Store(), lambda _bundle: [], on_change, lro_delay_seconds=25, clock=clock))
    with served(recorder) as url:
        yield Slow(url, recorder, clock)


def test_a_slow_operation_is_waited_for(slow: Slow) -> None:
    with plugin(replace(GCP, connect=lambda _config: slow.session())) as driver:
        driver.configure({"project": "acme"})
        resource = Resource("gcp:apigee/organization:Organization", "org")
        made = driver.create(resource, driver.check(resource, {"projectId": "acme", "disableVpcPeering": True}))
        assert made.id == "organizations/acme"
        assert slow.clock.now() == 1_780_000_030
        polls = [line for line in slow.recorder.lines("GET") if "/operations/" in line]
        assert len(polls) == 3


def test_two_operations_at_once_are_refused_with_apigees_words(slow: Slow) -> None:
    session = slow.session()
    session.request(
        "POST", "organizations", query={"parent": "projects/acme"}, body={"name": "acme", "disableVpcPeering": True}
    )
    impatient = slow.session(pause=lambda _seconds: (_ for _ in ()).throw(TimeoutError))
    with pytest.raises(TimeoutError):
        impatient.request("POST", "organizations/acme/environments", body={"name": "prod"})
    with pytest.raises(ApiError, match="the resource is locked by another operation"):
        session.request("POST", "organizations/acme/envgroups", body={"name": "public"})


def scripted(*answers: tuple[int, dict[str, object]]) -> Starlette:
    """An API that gives these answers one after the other."""
    remaining = list(answers)

    async def answer(_request: Request) -> JSONResponse:
        status, body = remaining.pop(0)
        return JSONResponse(body, status)

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


OPERATION: dict[str, object] = {"name": "organizations/acme/operations/1", "done": False}
GONE: dict[str, object] = {"error": {"code": 404, "message": "not yet", "status": "NOT_FOUND"}}


def test_an_operation_that_is_not_known_yet_is_asked_for_again() -> None:
    done: dict[str, object] = {**OPERATION, "done": True, "response": {"name": "a"}}
    with served(scripted((200, OPERATION), (404, GONE), (200, done))) as url:
        session = GoogleSession(RestSession(url, {}, Dialect(error=json.dumps)), 1, lambda _seconds: None)
        assert session.request("POST", "organizations") == {"name": "a"}


def test_an_operation_that_fails_says_why() -> None:
    failed: dict[str, object] = {**OPERATION, "done": True, "error": {"code": 9, "message": "no quota left"}}
    with served(scripted((200, OPERATION), (200, failed))) as url:
        session = GoogleSession(RestSession(url, {}, Dialect(error=json.dumps)), 1, lambda _seconds: None)
        with pytest.raises(ApiError, match="organizations/acme/operations/1 failed: no quota left"):
            session.request("POST", "organizations")


def test_an_operation_that_never_ends_is_given_up() -> None:
    with served(scripted(*[(200, OPERATION)] * 5)) as url:
        session = GoogleSession(RestSession(url, {}, Dialect(error=json.dumps)), 1200, lambda _seconds: None)
        with pytest.raises(ApiError, match="still not done after an hour"):
            session.request("POST", "organizations")


def test_an_api_that_cannot_be_reached_is_named_after_some_attempts() -> None:
    with served(scripted()) as url:
        pass
    session = RestSession(
        f"{url}/v1", {"Authorization": f"Bearer {TOKEN}"}, Dialect(error=json.dumps), pauses_seconds=(0, 0)
    )
    with pytest.raises(ApiError, match=f"POST organizations: cannot reach {url}/v1") as caught:
        session.request("POST", "organizations", body={})
    assert TOKEN not in str(caught.value)


def test_a_post_that_may_have_been_carried_out_is_not_repeated() -> None:
    error: dict[str, object] = {"error": {"message": "broken"}}
    with served(scripted((500, error), (200, {}))) as url:
        session = RestSession(url, {}, Dialect(error=json.dumps), pauses_seconds=(0, 0))
        with pytest.raises(ApiError, match="HTTP 500"):
            session.request("POST", "organizations", body={})
    with served(scripted((500, error), (200, {"name": "a"}))) as url:
        session = RestSession(url, {}, Dialect(error=json.dumps), pauses_seconds=(0, 0))
        assert session.request("GET", "organizations") == {"name": "a"}


def test_as_many_projects_are_the_same_projects() -> None:
    field = INSTANCE.field("consumerAcceptLists")
    assert field is not None
    assert field.same is not None
    assert field.same(["acme", "x-tp"], ["123456"])
    assert not field.same(["acme"], ["acme", "shop"])


def test_a_refused_token_is_told_without_showing_it(slow: Slow) -> None:
    with plugin(GCP) as driver:
        driver.configure({"project": "p", "accessToken": TOKEN, "apigeeCustomEndpoint": f"{slow.url}/v1/"})
        body = {"error": {"code": 401, "message": f"bad {TOKEN}", "status": "UNAUTHENTICATED"}}
        slow.recorder.failures.append((401, json.dumps(body).encode()))
        with pytest.raises(grpc.RpcError, match=r"HTTP 401: UNAUTHENTICATED: bad \[secret\]"):
            driver.read(Resource("gcp:apigee/organization:Organization", "org", id="organizations/acme"))

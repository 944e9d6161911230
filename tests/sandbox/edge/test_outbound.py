"""What a Worker's `fetch()` reaches, and how the ways there break."""

from collections.abc import AsyncGenerator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from portcullis.sandbox.loopback import bind, url_of
from portcullis.sandbox.network import Fault
from tests.sandbox.edge.running import RunningEdge, serving, worker_source

pytestmark = pytest.mark.workerd

ORIGIN = "orders.internal.acme.example"


async def _origin(request: Request) -> Response:
    if request.url.path == "/redirect":
        return RedirectResponse("https://elsewhere.example/")
    answer = JSONResponse(
        {
            "method": request.method,
            "target": request.scope["raw_path"].decode() + "?" + request.scope["query_string"].decode(),
            "headers": dict(request.headers),
            "body": (await request.body()).decode(),
        },
        status_code=203,
    )
    answer.raw_headers += [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    return answer


@pytest.fixture
async def fetching(running: RunningEdge) -> AsyncGenerator[RunningEdge]:
    async with serving(Starlette(routes=[Route("/{p:path}", _origin, methods=["GET", "POST"])]), bind()) as url:
        running.origins[ORIGIN] = url
        await running.deploy(worker_source("fetcher"))
        yield running


async def test_a_fetch_goes_by_its_hostname_with_nothing_added(fetching: RunningEdge) -> None:
    url = f"https://{ORIGIN}:8443/a%252Fb//c?q=%7C^&q"
    answer = await fetching.client.post("/", params={"url": url}, content=b"body")
    assert answer.status_code == 203
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    seen = answer.json()
    assert (seen["method"], seen["target"], seen["body"]) == ("POST", "/a%252Fb//c?q=%7C^&q", "body")
    assert set(seen["headers"]) <= {"host", "x-from", "content-length", "content-type", "accept-encoding"}
    assert seen["headers"]["host"] == f"{ORIGIN}:8443"


async def test_a_redirect_is_the_workers_to_follow(fetching: RunningEdge) -> None:
    answer = await fetching.client.get("/", params={"url": f"https://{ORIGIN}/redirect"})
    assert answer.headers["location"] == "https://elsewhere.example/"


async def test_a_large_body_streams_through(fetching: RunningEdge) -> None:
    answer = await fetching.client.post("/", params={"url": f"http://{ORIGIN}/"}, content=b"z" * 3_000_000)
    assert len(answer.json()["body"]) == 3_000_000


@pytest.mark.parametrize("url", ["https://nowhere.example/", "http://127.0.0.1:1/", "http://[::1]/"])
async def test_a_name_that_nobody_answers_for_is_530_with_error_1016(fetching: RunningEdge, url: str) -> None:
    answer = await fetching.client.get("/", params={"url": url})
    assert (answer.status_code, answer.text) == (530, "error code: 1016")


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault("down"), 521), (Fault("status", status=503), 503), (Fault("slow", seconds=1000), 524)],
    ids=["down", "wrong", "slow beyond the limit"],
)
async def test_a_fault_on_the_way_is_what_the_edge_makes_of_it(
    fetching: RunningEdge, fault: Fault, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portcullis.sandbox.cloudflare.edge.outbound.PROXY_READ_SECONDS", 0.1)
    fetching.network.set_fault(ORIGIN, fault)
    assert (await fetching.client.get("/", params={"url": f"https://{ORIGIN}/"})).status_code == status
    fetching.network.set_fault(ORIGIN, None)
    assert (await fetching.client.get("/", params={"url": f"https://{ORIGIN}/"})).status_code == 203


async def test_a_slow_host_meets_the_workers_own_deadline(fetching: RunningEdge) -> None:
    fetching.network.set_fault(ORIGIN, Fault("slow", seconds=1000))
    answer = await fetching.client.get("/", params={"url": f"https://{ORIGIN}/"}, headers={"x-timeout": "200"})
    assert answer.json() == {"thrown": "TimeoutError"}


async def test_a_port_where_nobody_listens_is_521(fetching: RunningEdge) -> None:
    listener = bind()
    fetching.origins["closed.example"] = url_of(listener)
    listener.close()
    answer = await fetching.client.get("/", params={"url": "https://closed.example/"})
    assert (answer.status_code, answer.text) == (521, "error code: 521")

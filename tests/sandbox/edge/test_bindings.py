"""KV, rate limits, analytics and scheduled events through real workerd."""

from typing import Any

import httpx
import pytest

from portcullis.sandbox.cloudflare.edge import KV_HOSTNAME, EdgeError, EdgeRejected, create_kv
from portcullis.sandbox.network import Fault
from portcullis.sandbox.store import Store
from tests.sandbox.edge.running import NAMESPACE, RunningEdge, until, worker_source

pytestmark = pytest.mark.workerd

KV = {"name": "KV", "type": "kv_namespace", "namespace_id": NAMESPACE}


class _Kv:
    def __init__(self, running: RunningEdge) -> None:
        self._running = running

    async def __call__(self, operation: str, *args: Any) -> Any:
        answer = (await self._running.client.post("/", json={"operation": operation, "args": args})).json()
        return answer["error"] if "error" in answer else answer["result"]


@pytest.fixture
async def kv(running: RunningEdge) -> _Kv:
    await running.deploy(worker_source("kv"), bindings=[KV])
    return _Kv(running)


@pytest.mark.parametrize("key", ["plain", "a/b", "jwk.é 😀", "%2F", "a+b&c=d?e#f", "..x", "x" * 512])
async def test_a_value_comes_back_under_any_key(kv: _Kv, running: RunningEdge, key: str) -> None:
    assert await kv("get", key) is None
    await kv("put", key, "välue")
    assert await kv("get", key) == "välue"
    assert running.store.get_blob("cf.kv", f"{NAMESPACE}/{key}") == "välue".encode()
    await kv("delete", key)
    assert await kv("get", key) is None


async def test_metadata_comes_back_with_the_value(kv: _Kv) -> None:
    await kv("put", "a", '{"b": 1}', {"metadata": {"x": ["é", 2, None]}})
    got = await kv("getWithMetadata", "a", "json")
    assert (got["value"], got["metadata"]) == ({"b": 1}, {"x": ["é", 2, None]})


async def test_a_value_written_by_the_api_is_read_by_the_worker(kv: _Kv, running: RunningEdge) -> None:
    running.store.put_blob("cf.kv", f"{NAMESPACE}/jwks", b"{}")
    running.store.put("cf.kv_meta", f"{NAMESPACE}/jwks", {"expiration": None, "metadata": None})
    assert await kv("get", "jwks", "json") == {}


async def test_a_key_is_gone_when_its_time_is_over(kv: _Kv, running: RunningEdge) -> None:
    now = int(running.clock.now())
    await kv("put", "by-ttl", "1", {"expirationTtl": 60})
    await kv("put", "by-time", "2", {"expiration": now + 120})
    listed = await kv("list")
    assert {key["name"]: key["expiration"] for key in listed["keys"]} == {"by-ttl": now + 60, "by-time": now + 120}
    running.clock.advance(60)
    assert await kv("get", "by-ttl") is None
    assert await kv("get", "by-time") == "2"
    running.clock.advance(60)
    assert (await kv("list"))["keys"] == []


@pytest.mark.parametrize(
    ("operation", "args", "words"),
    [
        ("put", ["a", "1", {"expirationTtl": 59}], "400"),
        ("put", ["a", "1", {"expiration": 1}], "400"),
        ("put", ["a", "1", {"metadata": "x" * 1100}], "413"),
        ("get", ["a", {"cacheTtl": 1}], "400"),
        ("get", ["x" * 513], "512"),
        ("list", [{"limit": 2000}], "400"),
        ("list", [{"cursor": "%"}], "400"),
        ("get", [[f"k{number}" for number in range(101)]], "400"),
    ],
)
async def test_what_cloudflare_refuses_is_refused(kv: _Kv, operation: str, args: list[Any], words: str) -> None:
    assert words in await kv(operation, *args)
    assert await kv("get", "a") is None


async def test_keys_are_listed_in_order_by_prefix_and_page(kv: _Kv) -> None:
    for key in ("b", "a/3", "a/1", "é", "a/2"):
        await kv("put", key, "1", {"metadata": {"of": key}})
    assert [key["name"] for key in (await kv("list"))["keys"]] == ["a/1", "a/2", "a/3", "b", "é"]
    first = await kv("list", {"prefix": "a/", "limit": 2})
    assert [(key["name"], key["metadata"]) for key in first["keys"]] == [
        ("a/1", {"of": "a/1"}),
        ("a/2", {"of": "a/2"}),
    ]
    assert not first["list_complete"]
    rest = await kv("list", {"prefix": "a/", "limit": 2, "cursor": first["cursor"]})
    assert [key["name"] for key in rest["keys"]] == ["a/3"]
    assert rest["list_complete"]


async def test_many_keys_are_read_at_once(kv: _Kv) -> None:
    await kv("put", "a", "1", {"metadata": "m"})
    assert await kv("get", ["a", "b"], "json") == {"a": 1, "b": None}
    got = await kv("getWithMetadata", ["a", "b"])
    assert (got["a"]["value"], got["a"]["metadata"]) == ("1", "m")


async def test_a_namespace_that_does_not_exist_is_an_error_not_an_empty_one(kv: _Kv, running: RunningEdge) -> None:
    running.store.delete("cf.kv_namespaces", NAMESPACE)
    assert "400" in await kv("get", "a")


@pytest.mark.parametrize(("fault", "words"), [(Fault("down"), "503"), (Fault("status", status=429), "429")])
async def test_kv_can_be_down_or_wrong_and_recovers(kv: _Kv, running: RunningEdge, fault: Fault, words: str) -> None:
    await kv("put", "a", "1")
    running.network.set_fault(KV_HOSTNAME, fault)
    assert words in await kv("get", "a")
    assert words in await kv("put", "a", "2")
    running.network.set_fault(KV_HOSTNAME, None)
    assert await kv("get", "a") == "1"


async def test_a_value_over_the_limit_is_refused() -> None:
    store = Store()
    store.put("cf.kv_namespaces", NAMESPACE, {"id": NAMESPACE})
    transport = httpx.ASGITransport(create_kv(store))
    headers = {"portcullis-kv-namespace": NAMESPACE}
    async with httpx.AsyncClient(transport=transport, base_url="http://kv", headers=headers) as client:
        answer = await client.put("/big", content=b"0" * (25 * 1024 * 1024 + 1))
        assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
        assert (await client.get("/big")).status_code == httpx.codes.NOT_FOUND


async def test_a_rate_limit_counts_by_key_in_its_period_across_versions(running: RunningEdge) -> None:
    limiter = {"name": "LIMITER", "type": "ratelimit", "namespace_id": "1", "simple": {"limit": 2, "period": 60}}
    bindings = [limiter, {"name": "POINTS", "type": "analytics_engine", "dataset": "decisions"}]
    await running.deploy(worker_source("limited"), "v1", bindings=bindings)
    statuses = [(await running.client.get("/a")).status_code for _ in range(2)]
    await running.deploy(worker_source("limited"), "v2", bindings=bindings)
    statuses += [(await running.client.get(path)).status_code for path in ("/a", "/b")]
    running.clock.advance(60)
    statuses.append((await running.client.get("/a")).status_code)
    assert statuses == [204, 204, 429, 204, 204]
    await until(lambda: running.workerd_log().count('"analytics_engine":"decisions"') == 5)


async def test_no_model_runs_but_an_answer_has_the_form_that_was_asked_for(running: RunningEdge) -> None:
    await running.deploy(worker_source("models"), bindings=[{"name": "AI", "type": "ai"}])
    schema = {
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": ["a", "b"]},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
        },
    }

    async def asked(words: str, form: dict[str, Any] | None = None, model: str = "@cf/meta/llama-3.1-8b") -> Any:
        inputs = {"messages": [{"role": "user", "content": words}]}
        if form is not None:
            inputs |= {"response_format": {"type": "json_schema", "json_schema": form}}
        return (await running.client.post("/", json={"model": model, "inputs": inputs})).json()

    answers = [(await asked(f"question {number}", schema))["response"] for number in range(20)]
    assert {answer["label"] for answer in answers} == {"a", "b"}
    assert all(0 <= answer["score"] <= 1 for answer in answers)
    assert len({answer["score"] for answer in answers}) > 10
    assert (await asked("question 3", schema))["response"] == answers[3]
    assert "runs no model" in (await asked("in words"))["response"]
    assert "No such model" in (await asked("in words", model="gpt"))["error"]


async def test_a_scheduled_event_reaches_the_worker(running: RunningEdge) -> None:
    await running.deploy(worker_source("scheduled"), bindings=[KV])
    for name in ("edge", "EDGE.example"):
        outcome = await running.edge.trigger_scheduled(name, "*/5 * * * *", 1_800_000_000.0)
        assert outcome["outcome"] == "ok"
    ran = running.store.get_blob("cf.kv", f"{NAMESPACE}/ran")
    assert ran == b"*/5 * * * * at 1800000000000"
    with pytest.raises(EdgeError, match="nobody"):
        await running.edge.trigger_scheduled("nobody", "* * * * *")


async def test_the_crons_of_a_minute_run_in_that_minute(running: RunningEdge) -> None:
    running.store.put("cf.schedules", "edge", {"schedules": [{"cron": "*/5 * * * *"}]})
    await running.deploy(worker_source("scheduled"), bindings=[KV])
    await running.edge.run_due(1_800_000_060.0)
    assert running.store.get_blob("cf.kv", f"{NAMESPACE}/ran") is None
    await running.edge.run_due(1_800_000_300.0)
    assert running.store.get_blob("cf.kv", f"{NAMESPACE}/ran") == b"*/5 * * * * at 1800000300000"


async def test_a_cron_that_the_sandbox_cannot_read_is_refused(running: RunningEdge) -> None:
    running.store.put("cf.schedules", "edge", {"schedules": [{"cron": "0 0 L * *"}]})
    with pytest.raises(EdgeRejected, match="day of month"):
        await running.deploy(worker_source("scheduled"), bindings=[KV])

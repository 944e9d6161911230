"""What the front line tells the Worker, keeps from it, and refuses."""

import asyncio
import base64
import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from portcullis.sandbox.loopback import bind
from tests.sandbox.edge.running import RunningEdge, send_raw, serving, until, worker_source

pytestmark = pytest.mark.workerd

TARGETS: list[str] = YAML(typ="safe").load(Path(__file__).with_name("targets.yaml"))


def _body(answer: bytes) -> Any:
    return json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])


async def test_a_target_reaches_the_worker_as_it_was_spelled(running: RunningEdge) -> None:
    await running.deploy(worker_source("echo"))
    for target in TARGETS:
        answer = await send_raw(running.gateway, [b"GET " + target.encode() + b" HTTP/1.1", b"Host: edge.example"])
        # A bare `?` is lost by the server, which tells an empty query from none no more than CGI did.
        assert _body(answer)["url"] == f"https://edge.example{target.removesuffix('?')}", target


async def test_the_worker_is_told_who_calls_and_nothing_that_a_client_made_up(running: RunningEdge) -> None:
    await running.deploy(worker_source("echo"))
    forged = {
        "CF-Connecting-IP": "6.6.6.6",
        "CF-Access-Jwt-Assertion": "forged",
        "CF-Portcullis-Cf": '{"colo":"FORGED"}',
        "CF-Ray": "forged",
        "X-Forwarded-For": "7.7.7.7",
        "X-Forwarded-Proto": "http",
        "Connection": "x-hop",
        "X-Hop": "1",
        "X-Kept": "2",
    }
    answer = await running.client.get("/", headers={"Host": "Edge.Example:8443", **forged})
    seen = answer.json()
    headers = seen["headers"]
    assert seen["url"] == "https://edge.example/"
    assert headers["host"] == "edge.example"
    assert headers["cf-connecting-ip"] == "127.0.0.1"
    assert headers["x-forwarded-for"] == "7.7.7.7, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["cf-visitor"] == '{"scheme":"https"}'
    assert headers["x-kept"] == "2"
    assert headers["cf-ray"] == answer.headers["cf-ray"] != "forged"
    assert "x-hop" not in headers
    assert "forged" not in json.dumps(seen).lower()
    assert seen["cf"]["colo"] == "LCL"


async def test_doubled_headers_stay_apart_both_ways(running: RunningEdge) -> None:
    await running.deploy(
        """export default { fetch(request) {
            const headers = new Headers({ "x-seen": request.headers.get("x-a") });
            headers.append("set-cookie", "a=1");
            headers.append("set-cookie", "b=2, c");
            return new Response("teapot", { status: 418, headers });
        } }"""
    )
    answer = await running.client.get("/", headers=[("X-A", "1"), ("X-A", "2, 3")])
    assert answer.status_code == 418
    assert answer.headers["x-seen"] == "1, 2, 3"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2, c"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_arrives(running: RunningEdge, method: str) -> None:
    await running.deploy(
        "export default { fetch({ method }) { "
        'return new Response(method === "HEAD" ? null : "x", { headers: { m: method } }); } }'
    )
    assert (await running.client.request(method, "/")).headers["m"] == method


async def test_bodies_stream_both_ways_and_compressed_ones_stay_so(running: RunningEdge) -> None:
    await running.deploy(
        """export default { async fetch(request) {
            if (request.method === "GET") {
                const bytes = Uint8Array.from(atob(request.headers.get("x-gzip")), (c) => c.charCodeAt(0));
                return new Response(bytes, { encodeBody: "manual", headers: { "content-encoding": "gzip" } });
            }
            let size = 0;
            for await (const chunk of request.body) size += chunk.length;
            return new Response(String(size));
        } }"""
    )

    async def chunks():
        for _ in range(200):
            yield b"x" * 10_000

    assert (await running.client.post("/", content=chunks())).text == "2000000"
    assert (await running.client.post("/", content=b"y" * 123)).text == "123"
    packed = base64.b64encode(gzip.compress(b"hello")).decode()
    answer = await running.client.get("/", headers={"x-gzip": packed})
    assert (answer.text, answer.headers["content-encoding"]) == ("hello", "gzip")


async def test_an_answer_is_passed_on_as_it_is_made(running: RunningEdge) -> None:
    await running.deploy(
        """let finish;
        export default { async fetch(request, env, context) {
            if (request.method === "POST") { finish?.(); return new Response("finished"); }
            const { readable, writable } = new TransformStream();
            const writer = writable.getWriter();
            context.waitUntil((async () => {
                await writer.write(new TextEncoder().encode("first"));
                await fetch("https://gate.example/").catch(() => {});
                await writer.write(new TextEncoder().encode(" last"));
                await writer.close();
            })());
            return new Response(readable);
        } }"""
    )
    gate = asyncio.Event()

    async def origin(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with serving(origin, bind()) as url:
        running.origins["gate.example"] = url
        async with running.client.stream("GET", "/") as answer:
            parts = answer.aiter_text()
            assert await anext(parts) == "first"
            gate.set()
            assert "".join([part async for part in parts]) == " last"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"GET / HTTP/1.1", b"Host: other.example"], 530),
        ([b"GET / HTTP/1.1", b"Host: a b"], 400),
        ([b"GET / HTTP/1.1", b"Host: user@edge.example"], 400),
        ([b"GET /a#b HTTP/1.1", b"Host: edge.example"], 400),
        ([b"GET /a<b HTTP/1.1", b"Host: edge.example"], 400),
        ([b"OPTIONS * HTTP/1.1", b"Host: edge.example"], 400),
        ([b"GET /" + b"a" * 16 * 1024 + b" HTTP/1.1", b"Host: edge.example"], 414),
        ([b"GET / HTTP/1.1", b"Host: edge.example", b"X-Large: " + b"a" * 128 * 1024], 431),
        ([b"GET http://edge.example/absolute HTTP/1.1", b"Host: other.example"], 200),
    ],
)
async def test_a_request_without_a_worker_or_over_a_limit_is_refused(
    running: RunningEdge, lines: list[bytes], status: int
) -> None:
    await running.deploy(worker_source("echo"))
    answer = await send_raw(running.gateway, lines)
    assert answer.startswith(b"HTTP/1.1 %d " % status)


async def test_loopback_stands_for_the_only_hostname_and_for_none_of_several(running: RunningEdge) -> None:
    nothing = await running.client.get("/")
    assert (nothing.status_code, "1016" in nothing.text) == (530, True)
    await running.deploy(worker_source("echo"))
    assert (await running.client.get("/x")).json()["url"] == "https://edge.example/x"
    running.store.put("cf.routes", "z/r", {"pattern": "second.example/*", "script": "edge"})
    await running.edge.reconcile()
    ambiguous = await running.client.get("/x")
    assert ambiguous.status_code == httpx.codes.NOT_FOUND
    assert "edge.example, second.example" in ambiguous.text


async def test_a_client_that_leaves_ends_the_request(running: RunningEdge) -> None:
    await running.deploy("export default { fetch() { return new Promise((done) => setTimeout(done, 60_000)); } }")
    with pytest.raises(httpx.ReadTimeout):
        await running.client.get("/", timeout=0.5)
    (process,) = running.edge._processes.values()
    await until(lambda: process._leases == 0)

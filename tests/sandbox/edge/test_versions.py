"""How versions are started, refused, switched, split and restarted, in real workerd."""

import asyncio
import base64
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from portcullis.sandbox.cloudflare.edge import EdgeError, EdgeRejected, find_workerd
from portcullis.sandbox.loopback import bind
from tests.sandbox.edge.running import (
    NAMESPACE,
    PROJECT,
    RunningEdge,
    module,
    running_edge,
    serving,
    until,
    worker_source,
)

pytestmark = pytest.mark.workerd

SECRET = "a-secret-that-must-not-be-seen"
ADDER = bytes.fromhex("0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b")


def _name(name: str) -> list[dict[str, str]]:
    return [{"name": "NAME", "type": "plain_text", "text": name}]


class _Gate:
    """An origin that answers when it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0

    async def answer(self, _: Request) -> PlainTextResponse:
        self.waiting += 1
        await self.open.wait()
        return PlainTextResponse("the gate")


@contextlib.asynccontextmanager
async def _gate(running: RunningEdge) -> AsyncGenerator[_Gate]:
    gate = _Gate()
    async with serving(Starlette(routes=[Route("/", gate.answer)]), bind()) as url:
        running.origins["gate.example"] = url
        yield gate


async def test_every_kind_of_module_and_binding_arrives_as_it_was_uploaded(running: RunningEdge) -> None:
    modules = [
        module("policy.json", "application/json", '{"a": [1, "é"]}'),
        module("./texts/greeting.txt", "text/plain", "héllo\n"),
        module("bytes.bin", "application/octet-stream", bytes([0, 255, 10])),
        module("adder.wasm", "application/wasm", ADDER),
        module("index.js.map", "application/source-map", "{}"),
    ]
    awkward = 'quote " back\\slash \n\r\t\x01\x7f é \u2028 😀 \\x41 ${x}'
    bindings = [
        {"name": "JSON_TEXT", "type": "json", "json": '{"b": "é"}'},
        {"name": "JSON_VALUE", "type": "json", "json": {"b": [awkward]}},
        {"name": "PLAIN", "type": "plain_text", "text": awkward},
        {"name": "SECRET", "type": "secret_text", "text": awkward},
        {"name": "VERSION", "type": "version_metadata"},
    ]
    await running.deploy(
        worker_source("bindings"), "v7", modules=modules, bindings=bindings, created_on="2026-11-24T00:00:00Z"
    )
    answer = (await running.client.get("/")).json()
    assert answer == {
        "policy": {"a": [1, "é"]},
        "greeting": "héllo\n",
        "bytes": [0, 255, 10],
        "sum": 5,
        "plain": awkward,
        "secret": awkward,
        "json": {"b": [awkward]},
        "jsonText": {"b": "é"},
        "version": {"id": "v7", "tag": "", "timestamp": "2026-11-24T00:00:00Z"},
    }


async def test_nothing_is_restarted_where_nothing_changed(running: RunningEdge) -> None:
    await running.deploy(worker_source("named"), bindings=_name("one"))
    before = running.pids()
    running.store.put("cf.routes", "z/r", {"pattern": "other.example/*", "script": "edge"})
    await asyncio.gather(*(running.edge.reconcile() for _ in range(3)))
    assert running.pids() == before
    assert (await running.client.get("/", headers={"Host": "other.example"})).text == "one"


async def test_a_deployment_under_load_loses_no_request(running: RunningEdge) -> None:
    await running.deploy(worker_source("named"), "v1", bindings=_name("v1"))
    answers: list[tuple[int, str]] = []
    done = asyncio.Event()

    async def call() -> None:
        while not done.is_set():
            answer = await running.client.get("/")
            answers.append((answer.status_code, answer.text))

    callers = [asyncio.create_task(call()) for _ in range(8)]
    for number in range(2, 5):
        seen = len(answers)
        await until(lambda seen=seen: len(answers) > seen + 20)
        await running.deploy(worker_source("named"), f"v{number}", bindings=_name(f"v{number}"))
        # From here on no new request may reach the old version.
        fresh = await running.client.get("/")
        assert fresh.text == f"v{number}"
    done.set()
    await asyncio.gather(*callers)
    assert {status for status, _ in answers} == {200}
    assert {text for _, text in answers} >= {"v1", "v2", "v3"}
    await until(lambda: not running.edge._retiring)
    assert len(running.pids()) == 1


async def test_a_request_in_flight_is_answered_by_the_version_it_began_in(running: RunningEdge) -> None:
    async with _gate(running) as gate:
        await running.deploy(worker_source("slow"), "v1", bindings=_name("v1"))
        early = asyncio.create_task(running.client.get("/"))
        await until(lambda: gate.waiting == 1)
        await running.deploy(worker_source("slow"), "v2", bindings=_name("v2"))
        late = asyncio.create_task(running.client.get("/"))
        await until(lambda: gate.waiting == 2)
        gate.open.set()
        assert (await early).text == "v1 after the gate"
        assert (await late).text == "v2 after the gate"


async def test_what_a_replaced_version_does_after_its_answer_is_done(tmp_path: Path) -> None:
    async with running_edge(tmp_path, linger_seconds=30) as running, _gate(running) as gate:
        kv = [{"name": "KV", "type": "kv_namespace", "namespace_id": NAMESPACE}]
        await running.deploy(worker_source("later"), "v1", bindings=kv)
        assert (await running.client.get("/")).text == "accepted"
        await until(lambda: gate.waiting == 1)
        await running.deploy(worker_source("named"), "v2", bindings=_name("v2"))
        gate.open.set()
        await until(lambda: running.store.get_blob("cf.kv", f"{NAMESPACE}/later") == b"done")


@pytest.mark.parametrize(
    ("source", "members", "words"),
    [
        ("export default { fetch( }", {}, "SyntaxError"),
        ('import a from "./missing.js"; export default {}', {}, "missing.js"),
        ('throw new Error("at the top")', {}, "at the top"),
        ("export default {}", {"compatibility_date": "2099-01-01"}, "compatibility date"),
        ("export default {}", {"compatibility_flags": ["no_such_flag"]}, "no_such_flag"),
        ("export default {}", {"bindings": [{"name": "B", "type": "r2_bucket"}]}, "`r2_bucket`"),
        ("export default {}", {"bindings": [{"name": "B", "type": "kv_namespace"}]}, "namespace_id"),
        ("export default {}", {"bindings": [{"name": "B", "type": "plain_text", "text": "\ud800"}]}, "not Unicode"),
        ("export default {}", {"bindings": [{"name": "B", "type": "secret_text", "text": "a\0b"}]}, "NUL"),
        (
            "export default {}",
            {
                "bindings": [
                    {"name": "B", "type": "ratelimit", "namespace_id": "1", "simple": {"limit": 1, "period": 5}}
                ]
            },
            "10 or 60",
        ),
        ("export default {}", {"main_module": "other.js"}, "other.js"),
        ("export default {}", {"modules": [module("a.py", "text/x-python", "")]}, "text/x-python"),
        ("export default {}", {"modules": [module("a.txt", "text/plain", b"\xff")]}, "not UTF-8"),
        ("export default {}", {"modules": [module("a.json", "application/json", "{")]}, "JSON"),
        (
            f'import {{ env }} from "cloudflare:workers"; throw new Error(env.S + " or {SECRET}")',
            {"bindings": [{"name": "S", "type": "secret_text", "text": SECRET}]},
            r"\[secret\] or \[secret\]",
        ),
    ],
)
async def test_a_version_that_cannot_run_is_refused_and_the_old_one_serves_on(
    running: RunningEdge, source: str, members: dict[str, Any], words: str
) -> None:
    await running.deploy(worker_source("named"), "good", bindings=_name("good"))
    before = running.pids()
    with pytest.raises(EdgeRejected, match=words) as refused:
        await running.deploy(source, "bad", **members)
    assert SECRET not in str(refused.value)
    assert str(running.state_dir) not in str(refused.value)
    assert SECRET not in running.workerd_log()
    assert (await running.client.get("/")).text == "good"
    assert running.pids() == before


async def test_no_part_of_a_change_happens_if_another_part_is_refused(running: RunningEdge) -> None:
    await running.deploy(worker_source("named"), "v1", bindings=_name("v1"))
    running.put_version("edge", "v2", worker_source("named"), bindings=_name("v2"))
    running.put_deployment("edge", ("v2", 100))
    with pytest.raises(EdgeRejected):
        await running.deploy("syntax error", "v1", worker="other")
    assert (await running.client.get("/", headers={"Host": "edge.example"})).text == "v1"


async def test_a_deployment_of_a_version_that_is_gone_is_refused(running: RunningEdge) -> None:
    running.put_worker("edge", "edge.example")
    running.put_deployment("edge", ("nowhere", 100))
    with pytest.raises(EdgeRejected, match="nowhere"):
        await running.edge.reconcile()


async def test_two_versions_share_the_requests_by_their_percentages(running: RunningEdge) -> None:
    running.put_worker("edge", "edge.example")
    for version in ("v1", "v2", "v3"):
        running.put_version("edge", version, worker_source("named"), bindings=_name(version))
    running.put_deployment("edge", ("v1", 80), ("v2", 20), ("v3", 0))
    await running.edge.reconcile()
    answers = [(await running.client.get("/")).text for _ in range(200)]
    assert set(answers) == {"v1", "v2"}
    # 40 are expected, with a deviation of 5.7: five deviations off is not chance.
    assert 12 <= answers.count("v2") <= 68


async def test_a_change_of_percentages_starts_nothing_anew(running: RunningEdge) -> None:
    running.put_worker("edge", "edge.example")
    for version in ("v1", "v2"):
        running.put_version("edge", version, worker_source("named"), bindings=_name(version))
    running.put_deployment("edge", ("v1", 50), ("v2", 50))
    await running.edge.reconcile()
    before = running.pids()
    running.put_deployment("edge", ("v1", 99), ("v2", 1))
    await running.edge.reconcile()
    assert running.pids() == before


async def test_a_deleted_worker_answers_no_more(running: RunningEdge) -> None:
    await running.deploy(worker_source("named"), bindings=_name("one"))
    (pid,) = running.pids()
    for collection in ("cf.workers", "cf.domains", "cf.deployments"):
        for key, _ in running.store.items(collection):
            running.store.delete(collection, key)
    await running.edge.reconcile()
    assert (await running.client.get("/")).status_code == 530
    await until(lambda: not _alive(pid))


async def test_a_workerd_that_dies_is_restarted_and_requests_wait_for_it(running: RunningEdge) -> None:
    await running.deploy(worker_source("named"), bindings=_name("one"))
    (pid,) = running.pids()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not running.edge._processes or "restarted" in running.workerd_log())
    assert (await running.client.get("/")).text == "one"
    assert running.pids() != [pid]


async def test_a_closed_edge_leaves_no_process_and_no_configuration(tmp_path: Path) -> None:
    async with running_edge(tmp_path, linger_seconds=60) as running:
        await running.deploy(worker_source("named"), "v1", bindings=_name("v1"))
        pids = running.pids()
        await running.deploy(worker_source("named"), "v2", bindings=_name("v2"))
        pids += running.pids()
    assert len(pids) == 2
    assert not any(_alive(pid) for pid in pids)
    assert list((tmp_path / "edge").iterdir()) == []
    with pytest.raises(EdgeError, match="closed"):
        await running.edge.reconcile()


async def test_a_secret_is_in_no_file_and_no_log(running: RunningEdge) -> None:
    bindings = [{"name": "SECRET", "type": "secret_text", "text": SECRET}]
    seen: list[Path] = []
    watching = asyncio.create_task(_watch(running.state_dir, seen))
    await running.deploy(worker_source("console"), bindings=bindings)
    assert (await running.client.get("/")).text == "ok"
    await until(lambda: "secret [secret]" in running.workerd_log())
    watching.cancel()
    assert any(path.name == "config.capnp" for path in seen)
    encoded = base64.b64encode(SECRET.encode())
    for path in running.state_dir.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()
            assert encoded not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0


async def _watch(folder: Path, seen: list[Path]) -> None:
    """Look into every file that is there for a moment only."""
    while True:
        for path in (folder / "edge").rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    seen.append(path)
                    assert SECRET.encode() not in path.read_bytes()
                    assert path.stat().st_mode & 0o077 == 0
        await asyncio.sleep(0.001)


async def test_audit_lines_go_to_the_log_service_and_cannot_be_forged_by_a_line_break(running: RunningEdge) -> None:
    bindings = [{"name": "SECRET", "type": "secret_text", "text": SECRET}]
    await running.deploy(worker_source("console"), bindings=bindings)
    await running.client.get("/")
    await until(lambda: "secret" in running.workerd_log())
    assert running.logs.entries() == [{"hop": "edge", "trace_id": "0" * 32, "reason": "ok"}]
    assert "hello" in running.workerd_log()


async def test_a_missing_binary_is_told_with_what_to_do(running: RunningEdge, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match="npm ci"):
        find_workerd(tmp_path)
    running.edge._workerd = tmp_path / "workerd"
    with pytest.raises(EdgeError, match="npm ci"):
        await running.deploy(worker_source("named"), bindings=_name("one"))


async def test_an_unhandled_exception_is_a_500_and_is_logged(running: RunningEdge) -> None:
    await running.deploy('export default { fetch() { throw new Error("boom"); } }')
    answer = await running.client.get("/")
    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert "boom" not in answer.text
    await until(lambda: "boom" in running.workerd_log())


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
async def test_no_process_outlives_a_sandbox_that_is_killed(tmp_path: Path) -> None:
    sandbox = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SANDBOX, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=PROJECT
    )
    assert sandbox.stdout is not None
    pid = int(await asyncio.wait_for(sandbox.stdout.readline(), 60))
    assert _alive(pid)
    sandbox.kill()
    await sandbox.wait()
    await until(lambda: not _alive(pid))


_SANDBOX = """
import asyncio, pathlib, sys
from tests.sandbox.edge.running import running_edge

async def main():
    async with running_edge(pathlib.Path(sys.argv[1])) as running:
        await running.deploy("export default { fetch() {} }")
        print(*running.pids(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_request_in_a_workerd_that_dies_is_a_502(running: RunningEdge) -> None:
    async with _gate(running) as gate:
        await running.deploy(worker_source("slow"), bindings=_name("one"))
        answer = asyncio.create_task(running.client.get("/"))
        await until(lambda: gate.waiting == 1)
        os.kill(running.pids()[0], signal.SIGKILL)
        assert (await answer).status_code == httpx.codes.BAD_GATEWAY
        gate.open.set()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

"""Durable Objects of a Worker's own class, and of another Worker's."""

import asyncio
import os
import signal

import pytest

from portcullis.sandbox.cloudflare.edge import EdgeRejected
from tests.sandbox.edge.running import RunningEdge, until, worker_source

pytestmark = pytest.mark.workerd

OWN = {"name": "COUNTER", "type": "durable_object_namespace", "class_name": "Counter"}
ANOTHERS = {**OWN, "script_name": "counters"}
CALLER = worker_source("objects").split("export default")[1]


async def _deploy_both(running: RunningEdge) -> None:
    running.put_worker("counters", None)
    running.put_version("counters", "v1", worker_source("objects"))
    running.put_deployment("counters", ("v1", 100))
    await running.deploy(f"export default{CALLER}", bindings=[ANOTHERS])


async def test_an_object_of_an_own_class_counts_each_call_once(running: RunningEdge) -> None:
    await running.deploy(worker_source("objects"), bindings=[OWN])
    counts = await asyncio.gather(*(running.client.get("/same") for _ in range(10)))
    assert sorted(int(answer.text) for answer in counts) == list(range(1, 11))
    assert (await running.client.get("/other")).text == "1"


async def test_an_object_of_another_workers_class_is_kept_over_a_crash(running: RunningEdge) -> None:
    await _deploy_both(running)
    assert (await running.client.get("/same")).text == "1"
    before = running.pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len(running.pids()) == len(before) and running.pids() != before)
    assert (await running.client.get("/same")).text == "2"


async def test_a_class_of_a_worker_that_is_not_deployed_is_refused(running: RunningEdge) -> None:
    with pytest.raises(
        EdgeRejected, match="`counters` has Durable Object classes that are bound to, and is not deployed"
    ):
        await running.deploy(f"export default{CALLER}", bindings=[ANOTHERS])

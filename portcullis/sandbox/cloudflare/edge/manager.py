"""The edge: the deployed versions of every Worker, each in a workerd of its own, and which one answers a request."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from portcullis.sandbox.cloudflare.edge import state
from portcullis.sandbox.cloudflare.edge.config import runnable
from portcullis.sandbox.cloudflare.edge.console import Console
from portcullis.sandbox.cloudflare.edge.errors import EdgeError
from portcullis.sandbox.cloudflare.edge.process import WorkerdProcess
from portcullis.sandbox.cloudflare.edge.routing import RoutingTable
from portcullis.sandbox.cloudflare.edge.state import DeployedWorker, DesiredState, VersionKey
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import JsonObject, Store

DRAIN_SECONDS = 120.0
"""The longest that a replaced version may go on answering the requests it has."""

LINGER_SECONDS = 30.0
"""How long a replaced version lives on after its last answer: what Cloudflare gives `waitUntil`."""

BODY_STALL_SECONDS = 100.0
STOP_SECONDS = 2.0
_POOL_IDLE_SECONDS = 2.0
"""workerd closes an idle connection after 5 s; one closed here first is never met half-closed by a request."""


@dataclass(frozen=True)
class _Live:
    """What the front sees: replaced as a whole, so that no request meets half of a change."""

    workers: Mapping[str, DeployedWorker]
    routing: RoutingTable


class Edge:
    """Runs what the store says is deployed."""

    def __init__(
        self,
        store: Store,
        network: Network,
        logs: LogSink,
        state_dir: Path,
        workerd: Path,
        kv_url: str,
        outbound_url: str,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        """Prepare; nothing runs before the first `reconcile()`.

        Args:
            store: the documents of the Cloudflare API.
            network: the sandbox's internet. A Worker reaches it through `outbound_url`, not through this object.
            logs: where audit lines go.
            state_dir: `logs/workerd.log` is written there, and configuration while workerd reads it.
            workerd: the binary, see `find_workerd`.
            kv_url: base URL of the listener of `create_kv`.
            outbound_url: base URL of the listener of `create_outbound`.
            linger_seconds: how long a replaced version lives on after its last answer, for its `waitUntil`.
        """
        self.network = network
        self.client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            # A Worker has no wall-clock limit while its client waits; one that stops reading a body has.
            timeout=httpx.Timeout(None, write=BODY_STALL_SECONDS),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=_POOL_IDLE_SECONDS),
        )
        self._store = store
        self._work_dir = state_dir / "edge"
        self._console = Console(logs, state_dir / "logs")
        self._workerd = workerd
        self._urls = (kv_url, outbound_url)
        self._linger_seconds = linger_seconds
        self._turn = asyncio.Lock()
        self._live = _Live({}, RoutingTable())
        self._processes: dict[VersionKey, WorkerdProcess] = {}
        self._retiring: dict[asyncio.Task[None], WorkerdProcess] = {}
        self._timer: asyncio.Task[None] | None = None
        self._closed = False

    async def reconcile(self) -> None:
        """Make the edge run what is deployed; one call at a time, and nothing happens where nothing changed.

        New versions are started and answer before any request goes to them; then routing switches as a whole; then
        versions that are no longer deployed finish what they have, and end in the background. Raises `EdgeRejected`
        where a version cannot run: nothing has changed then, and what ran before goes on.
        """
        async with self._turn:
            if self._closed:
                raise EdgeError("the edge is closed")
            desired = state.read(self._store)
            started = await self._start(desired, [key for key in desired.versions if key not in self._processes])
            self._processes.update(started)
            self._live = _Live({worker.name: worker for worker in desired.workers}, desired.routing)
            for key in [key for key in self._processes if key not in desired.versions]:
                self._retire(self._processes.pop(key))
            self._start_timer()

    def hostnames(self) -> list[str]:
        """Return the hostnames, without wildcards, that some deployed Worker answers for."""
        return self._live.routing.hostnames()

    def lease(self, hostname: str, target: str) -> AbstractContextManager[WorkerdProcess] | None:
        """Return a hold on the version that answers, chosen by the deployment's percentages, or `None`.

        `hostname` is in lower case, `target` is path and query as they came.
        """
        name = self._live.routing.worker_for(hostname, target)
        worker = self._worker(name) if name else None
        return self._choose(worker).lease() if worker else None

    async def trigger_scheduled(self, hostname_or_worker: str, cron: str, seconds: float | None = None) -> JsonObject:
        """Run the `scheduled` handler of a Worker, named by id, name or a hostname it answers for.

        `seconds` is the scheduled time since the epoch, now by default. Returns workerd's `{outcome, noRetry}`, whose
        outcome is `ok` where the handler ended well. Raises `EdgeError` where no such Worker is deployed.
        """
        worker = self._worker(hostname_or_worker)
        if worker is None:
            routed = self._live.routing.worker_for(hostname_or_worker.lower(), "/")
            worker = self._worker(routed) if routed else None
        if worker is None:
            raise EdgeError(f"no Worker is deployed as `{hostname_or_worker}`")
        process = self._choose(worker)
        outcome = await process.trigger_scheduled(cron, time.time() if seconds is None else seconds)
        self._console.note(worker.name, f"cron `{cron}`: {outcome.get('outcome')}")
        return outcome

    async def run_due(self, seconds: float) -> None:
        """Run every Worker's crons that are due in the minute of `seconds` since the epoch, all at once."""
        moment = datetime.fromtimestamp(seconds, UTC)
        due = [(w, text) for w in self._live.workers.values() for text, cron in w.crons.items() if cron.due(moment)]
        results = await asyncio.gather(
            *(self.trigger_scheduled(worker.id, text, seconds) for worker, text in due), return_exceptions=True
        )
        for (worker, text), result in zip(due, results, strict=True):
            if isinstance(result, BaseException):
                self._console.note(worker.name, f"cron `{text}` did not run: {result}")

    async def close(self) -> None:
        """End every process, at once; nothing runs afterwards."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        async with self._turn:
            retiring = dict(self._retiring)
            for task in retiring:
                task.cancel()
            await asyncio.gather(*retiring, return_exceptions=True)
            await _stop_all([*self._processes.values(), *retiring.values()])
            self._processes.clear()
            self._live = _Live({}, RoutingTable())
        await self.client.aclose()
        self._console.close()

    async def _start(self, desired: DesiredState, keys: Iterable[VersionKey]) -> dict[VersionKey, WorkerdProcess]:
        """Start the versions, all of them or none."""
        names = {worker.id: worker.name for worker in desired.workers}
        scripts = {worker.name: desired.versions[next(iter(worker.shares))] for worker in desired.workers}
        new: dict[VersionKey, WorkerdProcess] = {}
        for key in keys:
            version = runnable(names[key.worker_id], desired.versions[key], scripts, *self._urls)
            new[key] = WorkerdProcess(self._workerd, version, self._work_dir, self._console)
        try:
            outcomes = await asyncio.gather(*(process.start() for process in new.values()), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        except BaseException:
            await _stop_all(new.values())
            raise
        return new

    def _retire(self, process: WorkerdProcess) -> None:
        task = asyncio.create_task(self._drain(process))
        self._retiring[task] = process
        task.add_done_callback(self._retiring.pop)

    async def _drain(self, process: WorkerdProcess) -> None:
        await process.drained(DRAIN_SECONDS)
        await asyncio.sleep(self._linger_seconds)
        await process.stop(STOP_SECONDS)

    def _worker(self, name: str) -> DeployedWorker | None:
        named = self._live.workers.get(name)
        return named or next((worker for worker in self._live.workers.values() if worker.id == name), None)

    def _choose(self, worker: DeployedWorker) -> WorkerdProcess:
        keys = list(worker.shares)
        (chosen,) = random.choices(keys, weights=list(worker.shares.values()))  # noqa: S311 - spreads load
        return self._processes[chosen]

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        """Run the crons of each minute as it begins; minutes that passed in sleep are not made up for."""
        runs: set[asyncio.Task[None]] = set()
        while True:
            minute = (time.time() // 60 + 1) * 60
            await asyncio.sleep(max(0.0, minute - time.time()))
            run = asyncio.create_task(self.run_due(minute))
            runs.add(run)
            run.add_done_callback(runs.discard)


async def _stop_all(processes: Iterable[WorkerdProcess]) -> None:
    await asyncio.gather(*(process.stop(STOP_SECONDS) for process in processes), return_exceptions=True)

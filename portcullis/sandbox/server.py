"""The sandbox as one process: every local cloud on a loopback listener of its own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import secrets
import signal
import socket
from collections.abc import Generator
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

import uvicorn
from starlette.types import ASGIApp

from portcullis.sandbox import admin, backend, identity
from portcullis.sandbox.apigee import management, runtime
from portcullis.sandbox.clock import SystemClock
from portcullis.sandbox.cloudflare import api, edge
from portcullis.sandbox.faulty import APIGEE_API_HOST, CLOUDFLARE_API_HOST, with_faults
from portcullis.sandbox.hosts import Hosts
from portcullis.sandbox.identity import Directory
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.loopback import bind, bind_preferring, url_of
from portcullis.sandbox.network import Network
from portcullis.sandbox.rollout import rollout
from portcullis.sandbox.store import JsonObject, Store

LISTENERS = (
    "gateway",
    "apigee",
    "cloudflare_api",
    "apigee_api",
    "issuers",
    "backend",
    "kv",
    "outbound",
    "admin",
)
MAX_HEADER_BYTES = 160 * 1024
"""Cloudflare takes 128 KB of headers and a URL of 16 KB; what is larger ends here."""

GRACE_SECONDS = 5


class AlreadyRunningError(RuntimeError):
    """Another sandbox runs on the same state folder."""


@dataclass(frozen=True)
class Options:
    """Where the sandbox keeps its state, which `workerd` it runs, and the ports of the two APIs a stack names."""

    state_dir: Path
    workerd: Path
    cloudflare_api_port: int
    apigee_api_port: int


async def serve(options: Options) -> None:
    """Run until told to stop by signal or through the admin API.

    Writes `endpoints.json` in the state folder once every listener answers, keeps `hosts.json` there, which says where
    each deployed hostname answers, and removes both at the end. Raises `AlreadyRunningError`, or `OSError` where one of
    the two API ports is taken.
    """
    with _only_one(options.state_dir):
        sandbox = _Sandbox(options)
        try:
            await sandbox.run()
        finally:
            await sandbox.close()


class _Sandbox:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._token = secrets.token_urlsafe(32)
        self._sockets = _bind_all(options)
        self._urls = {name: url_of(listener) for name, listener in self._sockets.items()}
        self._stop = asyncio.Event()
        self._store = Store(options.state_dir / "state.db")
        self._logs = LogSink(options.state_dir / "logs" / "audit.jsonl")
        self._network = Network()
        self._directory = Directory(self._store)
        self._hosts = Hosts(self._store)
        self._edge = edge.Edge(
            self._store,
            self._network,
            self._logs,
            options.state_dir,
            options.workerd,
            self._urls["kv"],
            self._urls["outbound"],
        )
        self._runtime = runtime.Runtime(self._store, self._network, SystemClock(), self._logs)
        self._network.add_resolver(self._resolve)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        servers = {name: _Server(app) for name, app in self._apps().items()}
        tasks = [asyncio.create_task(s.serve(sockets=[self._sockets[name]])) for name, s in servers.items()]
        await asyncio.gather(*(server.ready.wait() for server in servers.values()))
        await self._start_edge()
        self._write_hosts()
        self._announce()
        await self._stop.wait()
        for server in servers.values():
            server.should_exit = True
        await asyncio.gather(*tasks)

    async def _start_edge(self) -> None:
        try:
            await self._edge.reconcile()
        except (edge.EdgeError, edge.EdgeRejected) as problem:
            # A stored version that does not run any more must not keep the sandbox from being repaired.
            logging.getLogger(__name__).error("the deployed Worker does not start: %s", problem)

    async def close(self) -> None:
        for name in ("endpoints.json", "hosts.json"):
            (self._options.state_dir / name).unlink(missing_ok=True)
        await self._edge.close()
        await self._runtime.close()
        await self._network.close()
        self._store.close()

    def _apps(self) -> dict[str, ASGIApp]:
        clock = SystemClock()
        controls = admin.Controls(
            token=self._token,
            status=self._status,
            directory=self._directory,
            network=self._network,
            hosts=self._hosts,
            logs=self._logs,
            traces=self._runtime.traces.all,
            reset=self._reset,
            trigger_cron=self._trigger_cron,
            stop=self._stop,
        )
        return {
            "gateway": edge.create_front(self._edge),
            "apigee": runtime.create_app(self._runtime),
            "cloudflare_api": with_faults(
                api.create_app(self._store, self._reconcile_edge), self._network, CLOUDFLARE_API_HOST
            ),
            "apigee_api": with_faults(
                management.create_app(
                    self._store,
                    runtime.validate_bundle,
                    self._reload_runtime,
                    undeployable=runtime.undeployable,
                    traces=self._runtime.traces.all,
                    rollout=lambda: rollout(self._network),
                ),
                self._network,
                APIGEE_API_HOST,
            ),
            "issuers": identity.create_app(self._directory, self._store, clock),
            "backend": backend.create_app(),
            "kv": edge.create_kv(self._store, network=self._network),
            "outbound": edge.create_outbound(self._network),
            "admin": admin.create_app(controls),
        }

    def _resolve(self, hostname: str) -> str | None:
        if hostname in self._directory.hostnames():
            return self._urls["issuers"]
        if hostname in self._directory.backends():
            return self._urls["backend"]
        if hostname in self._runtime.hostnames():
            return self._urls["apigee"]
        return self._hosts.resolve(hostname)

    def _status(self) -> JsonObject:
        issuers = {
            issuer.name: f"{self._urls['issuers']}/{issuer.hostname}{issuer.path}"
            for issuer in self._directory.issuers()
        }
        return {
            "running": True,
            "pid": os.getpid(),
            "gateway": self._urls["gateway"],
            "apigee": self._urls["apigee"],
            "cloudflare_api": f"{self._urls['cloudflare_api']}/client/v4",
            "apigee_api": f"{self._urls['apigee_api']}/v1/",
            "issuers": issuers,
            "backend": self._urls["backend"],
            "logs": str(self._options.state_dir / "logs"),
        }

    def _announce(self) -> None:
        """Write the file that tells clients where the sandbox is."""
        document = {"pid": os.getpid(), "token": self._token, "urls": self._urls}
        _write_whole(self._options.state_dir / "endpoints.json", document)
        ports = {name: listener.getsockname()[1] for name, listener in self._sockets.items()}
        (self._options.state_dir / "ports.json").write_text(json.dumps(ports), encoding="utf-8")

    async def _reset(self) -> None:
        self._store.clear()
        self._logs.clear()
        self._runtime.reset()
        await self._reconcile_edge()

    async def _reload_runtime(self) -> None:
        self._runtime.reload()
        self._write_hosts()

    async def _reconcile_edge(self) -> None:
        await self._edge.reconcile()
        self._write_hosts()

    def _write_hosts(self) -> None:
        """Write which hostname of the clouds answers on which listener: what DNS says elsewhere."""
        hosts = dict.fromkeys(self._edge.hostnames(), self._urls["gateway"])
        hosts |= dict.fromkeys(self._runtime.hostnames(), self._urls["apigee"])
        _write_whole(self._options.state_dir / "hosts.json", hosts)

    async def _trigger_cron(self, cron: str) -> None:
        for worker_id, document in self._store.items("cf.schedules"):
            if any(schedule["cron"] == cron or not cron for schedule in document["schedules"]):
                await self._edge.trigger_scheduled(worker_id, cron)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves the process's signals to the sandbox, which stops all of them at once."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                http="h11",
                ws="none",
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _bind_all(options: Options) -> dict[str, socket.socket]:
    """Bind every listener: the APIs where the stack looks for them, the others where they were last if that is free."""
    named = {"cloudflare_api": options.cloudflare_api_port, "apigee_api": options.apigee_api_port}
    last = _last_ports(options.state_dir)
    bound = {name: bind(port) for name, port in named.items()}  # first, lest another listener is given one of them
    return {name: bound.get(name) or bind_preferring(last.get(name, 0)) for name in LISTENERS}


def _write_whole(path: Path, document: JsonObject) -> None:
    """Write a file that others read at any time: it appears whole or not at all, and for this user alone."""
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(document), encoding="utf-8")
    draft.replace(path)


def _last_ports(state_dir: Path) -> dict[str, int]:
    try:
        return json.loads((state_dir / "ports.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


@contextlib.contextmanager
def _only_one(state_dir: Path) -> Generator[IO[str]]:
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunningError(f"a sandbox is already running on {state_dir}") from None
        yield lock


def log_to(state_dir: Path) -> None:
    """Send the process's log to `logs/sandbox.log` in the state folder, two files of 1 MB at most."""
    path = state_dir / "logs" / "sandbox.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # One line for every request to a loopback listener would say nothing and could name what must not be named.
    logging.getLogger("httpx").setLevel(logging.WARNING)

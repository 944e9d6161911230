"""An edge that runs in real workerd, with its listeners, for tests: documents go into the store by hand."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from portcullis.sandbox.clock import MovableClock
from portcullis.sandbox.cloudflare.edge import Edge, create_front, create_kv, create_outbound, find_workerd
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.loopback import bind, url_of
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import Store

PROJECT = Path(__file__).parents[3]
WORKERS = Path(__file__).parent / "workers"
NAMESPACE = "0123456789abcdef0123456789abcdef"


@dataclass
class RunningEdge:
    """What a test has in its hands; `client` talks to the front."""

    edge: Edge
    store: Store
    network: Network
    logs: LogSink
    clock: MovableClock
    client: httpx.AsyncClient
    gateway: str
    state_dir: Path
    origins: dict[str, str] = field(default_factory=dict)

    def put_worker(self, worker: str, hostname: str | None) -> None:
        self.store.put("cf.workers", worker, {"id": worker, "name": worker, "account": "a" * 32})
        if hostname:
            domain = {"hostname": hostname, "service": worker, "zone_id": "z" * 32}
            self.store.put("cf.domains", f"domain-{worker}", domain)

    def put_version(self, worker: str, version: str, source: str, **members: Any) -> None:
        modules = [module("index.js", "application/javascript+module", source), *members.pop("modules", [])]
        document = {
            "id": version,
            "number": 1,
            "main_module": "index.js",
            "compatibility_date": "2026-09-01",
            "compatibility_flags": [],
            "bindings": [],
            "modules": modules,
            **members,
        }
        self.store.put("cf.versions", f"{worker}/{version}", document)

    def put_deployment(self, worker: str, *shares: tuple[str, float]) -> None:
        number = len(self.store.items("cf.deployments", f"{worker}/"))
        versions = [{"version_id": version, "percentage": percentage} for version, percentage in shares]
        self.store.put("cf.deployments", f"{worker}/{number}", {"versions": versions, "created_on": "2026-11-24"})

    async def deploy(self, source: str, version: str = "v1", worker: str = "edge", **members: Any) -> None:
        """Deploy one version of a Worker to all requests of `<worker>.example`."""
        self.put_worker(worker, f"{worker}.example")
        self.put_version(worker, version, source, **members)
        self.put_deployment(worker, (version, 100))
        await self.edge.reconcile()

    def workerd_log(self) -> str:
        return (self.state_dir / "logs" / "workerd.log").read_text()

    def pids(self) -> list[int]:
        return sorted(process.pid for process in self.edge._processes.values() if process.pid)


def module(name: str, content_type: str, content: str | bytes) -> dict[str, str]:
    data = content.encode() if isinstance(content, str) else content
    return {"name": name, "content_type": content_type, "content_base64": base64.b64encode(data).decode()}


def worker_source(name: str) -> str:
    return (WORKERS / f"{name}.js").read_text()


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncGenerator[str]:
    """Serve on a bound socket as the sandbox does; yield the base URL."""
    server = _Server(
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
            h11_max_incomplete_event_size=160 * 1024,
            timeout_graceful_shutdown=1,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def running_edge(state_dir: Path, linger_seconds: float = 0.0) -> AsyncGenerator[RunningEdge]:
    store, logs, clock = Store(), LogSink(), MovableClock(1_800_000_000.0)
    store.put("cf.kv_namespaces", NAMESPACE, {"id": NAMESPACE, "title": "test"})
    network = Network()
    front, kv, outbound = bind(), bind(), bind()
    edge = Edge(store, network, logs, state_dir, find_workerd(PROJECT), url_of(kv), url_of(outbound), linger_seconds)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(serving(create_kv(store, clock, network), kv))
        await stack.enter_async_context(serving(create_outbound(network), outbound))
        gateway = await stack.enter_async_context(serving(create_front(edge), front))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway, trust_env=False, timeout=60))
        stack.push_async_callback(network.close)
        stack.push_async_callback(edge.close)
        running = RunningEdge(edge, store, network, logs, clock, client, gateway, state_dir)
        network.add_resolver(running.origins.get)
        yield running


async def send_raw(gateway: str, lines: Sequence[bytes], body: bytes = b"") -> bytes:
    """Send a request spelled to the byte, and return all of the answer."""
    url = httpx.URL(gateway)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"\r\n".join([*lines, b"Connection: close", b"", body]))
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until the condition, looked at every few milliseconds, is true."""
    deadline = asyncio.get_running_loop().time() + seconds
    for _ in iter(condition, True):
        assert asyncio.get_running_loop().time() < deadline, f"not so within {seconds} s"
        await asyncio.sleep(0.01)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

"""What runs: the built gateway, its rival and all they talk to, as services of one workerd process."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.errors import BenchError
from bench.traffic import GATEWAY_HOST, Traffic
from components.edge import COMPATIBILITY_DATE
from portcullis.contract import Contract
from portcullis.contract.edge_limits import binding_name, edge_limit
from portcullis.contract.model import Product
from portcullis.contract.policy_table import policy_table
from portcullis.ring import generate_key, worker_ring
from portcullis.sandbox.cloudflare.edge import EdgeError, find_workerd
from portcullis.sandbox.cloudflare.edge.capnp import Embed, Value, document

APIGEE_HOST: Final = "apigee.acme.example"

GATEWAY: Final = "gateway"
GATEWAY_REUSE: Final = "gateway-reuse"
PASS_THROUGH: Final = "pass-through"
RIVALS: Final[Mapping[str, str]] = {"hono": "hono.js", "jose": "jose.js", "worker-jwt": "worker_jwt.js"}
"""The same gateway written the usual way, by the library that verifies: the file under `workers/rivals/`."""

LEAST: Final = "least"
"""What no gateway with an internal token can do without."""

SIDES: Final = (GATEWAY, GATEWAY_REUSE, PASS_THROUGH, LEAST, *RIVALS)
ISSUER: Final = "issuer"
INTERNET: Final = "internet"
KV: Final = "kv"
CACHE: Final = "cache"
COUNTING: Final = (ISSUER, INTERNET, KV, CACHE)
"""What counts how often it is asked, and tells it at `/count`."""

REUSE_SECONDS: Final = 30
"""The longest that rule I4 allows with the contract's lifetimes."""

LIMITER: Final = "bench:limiter"

BUILD_SECONDS: Final = 60
START_SECONDS: Final = 30
STOP_SECONDS: Final = 5
STARTS: Final = 3
"""How often each Worker's start is timed; the median counts."""

PROJECT: Final = Path(__file__).resolve().parent.parent

_WORKERS: Final = Path(__file__).parent / "workers"


@dataclass(frozen=True)
class World:
    """A running workerd: its process id, the loopback port of each Worker, the bytes that each is deployed as, and the
    seconds until a workerd with that Worker alone listened."""

    pid: int
    ports: Mapping[str, int]
    sizes: Mapping[str, int]
    starts: Mapping[str, float]

    def counted(self, service: str) -> dict[str, int]:
        """How often one of `COUNTING` was asked so far, by the kind of question."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[service]}/count") as answer:
            return json.load(answer)

    def cpu_seconds(self) -> float | None:
        """CPU seconds, user and system, that the process has used so far; `None` where there is no /proc.

        See proc_pid_stat(5), fields 14 and 15; the resolution is a clock tick, mostly 10 ms.
        """
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        # Field 2, in parentheses, may hold spaces; counting starts after it, with field 3.
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running_world(project: Path, contract: Contract, traffic: Traffic) -> Generator[World]:
    """Build the gateway, start workerd, and end it (by its process id) and remove its files afterwards.

    Raises:
        BenchError: the Worker does not build, or workerd is missing or does not start; the message says what to do.
    """
    try:
        binary = find_workerd(project)
    except EdgeError as problem:
        raise BenchError(str(problem)) from None
    # The folder, which holds the run's own key ring, is the owner's alone (0700).
    with tempfile.TemporaryDirectory(prefix="portcullis-bench-") as name:
        folder = Path(name)
        sizes = _write_files(project, contract, traffic, folder)
        starts = {side: median(_start_seconds(binary, folder, side) for _ in range(STARTS)) for side in SIDES}
        with _workerd(binary, folder, "config.capnp", len(SIDES) + len(COUNTING)) as (pid, ports):
            yield World(pid, ports, sizes, starts)


@contextmanager
def gateways_world(contracts: Mapping[str, Contract], traffic: Traffic, folder: Path) -> Generator[Mapping[str, int]]:
    """Run the gateway once for each contract, with one KV that keeps what is put; gives the port of each by name.

    Raises:
        BenchError: as `running_world`.
    """
    try:
        binary = find_workerd(PROJECT)
    except EdgeError as problem:
        raise BenchError(str(problem)) from None
    _write_files(PROJECT, next(iter(contracts.values())), traffic, folder)
    for name, contract in contracts.items():
        _write_json(folder / f"{name}.json", _policy(contract))
    _write_config(folder, "gateways.capnp", _gateways_config(contracts, traffic.issuer_host))
    with _workerd(binary, folder, "gateways.capnp", len(contracts)) as (_, ports):
        yield ports


def _gateways_config(contracts: Mapping[str, Contract], issuer_host: str) -> Mapping[str, Value]:
    # One ring and one salt for all, as the isolates of one version have.
    bindings = _gateway_bindings(next(iter(contracts.values())), _ring())
    services: dict[str, Value] = {
        **{name: _worker("index.js", bindings, "policy.json", f"{name}.json") for name in contracts},
        **_surroundings(issuer_host),
        "kv": _worker("memory_kv.js", []),
    }
    return _document(services, tuple(contracts))


def _policy(contract: Contract) -> dict[str, Any]:
    return policy_table(contract, f"https://{GATEWAY_HOST}", f"https://{APIGEE_HOST}/{contract.api.name}")


def _write_files(project: Path, contract: Contract, traffic: Traffic, folder: Path) -> dict[str, int]:
    """Write the configuration and all Workers; returns the bytes of each side's module."""
    for source in _WORKERS.glob("*.js"):
        shutil.copy(source, folder)
    policy = _policy(contract)
    again = {**policy, "internal": {**policy["internal"], "reuse_seconds": REUSE_SECONDS}}
    _write_json(folder / "policy.json", policy)
    _write_json(folder / "policy_reuse.json", again)
    _write_json(folder / "documents.json", traffic.issuer_documents)
    _write_json(folder / "facts.json", {**traffic.facts, **_rivals_policy(policy, traffic.facts["operation"])})
    _build([project / "worker" / "build.mjs", "--outfile", folder / "index.js"])
    for name in RIVALS.values():
        _build([_WORKERS.parent / "build.mjs", _WORKERS / "rivals" / name, folder / name])
    _write_config(folder, "config.capnp", _config(contract, traffic.issuer_host, SIDES))
    for side in SIDES:
        _write_config(folder, f"{side}.capnp", _config(contract, traffic.issuer_host, [side]))
    modules = {
        GATEWAY: "index.js",
        GATEWAY_REUSE: "index.js",
        PASS_THROUGH: "pass_through.js",
        LEAST: "least.js",
        **RIVALS,
    }
    return {side: (folder / module).stat().st_size for side, module in modules.items()}


def _rivals_policy(policy: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """What the rivals take of the policy table: they serve one operation."""
    product = next(one["product"] for one in policy["operations"] if one["name"] == operation)
    return {
        "internal": policy["internal"],
        "problems": policy["problems"],
        "contract": policy["contract"],
        "origins": policy["cors"]["origins"] if policy["cors"] is not None else [],
        "product": product,
        "limiter": binding_name(product),
        "consumers": {client: consumer["consumer_key"] for client, consumer in policy["consumers"].items()},
        "timeoutSeconds": policy["upstream_timeout_seconds"],
    }


def _write_config(folder: Path, name: str, config: Mapping[str, Value]) -> None:
    (folder / name).write_text(document(config), encoding="utf-8")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _build(arguments: Sequence[str | Path]) -> None:
    node = shutil.which("node")
    if node is None:
        raise BenchError("node is not installed: install Node 20 or newer")
    command = [node, *map(str, arguments)]
    try:
        built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchError(f"a Worker did not build within {BUILD_SECONDS} s; try again on a quieter machine") from None
    if built.returncode != 0:
        raise BenchError(f"a Worker does not build; after `npm ci` in worker/, see:\n{built.stderr.strip()}")


def _config(contract: Contract, issuer_host: str, sides: Sequence[str]) -> Mapping[str, Value]:
    ring = _ring()
    gateway = _gateway_bindings(contract, ring)
    workers: dict[str, Value] = {
        GATEWAY: _worker("index.js", gateway, "policy.json"),
        GATEWAY_REUSE: _worker("index.js", gateway, "policy.json", "policy_reuse.json"),
        PASS_THROUGH: _worker("pass_through.js", [_origin()]),
        LEAST: _worker("least.js", [_origin(), ring]),
        **{name: _worker(module, gateway, "facts.json") for name, module in RIVALS.items()},
    }
    services: dict[str, Value] = {
        **{side: workers[side] for side in sides},
        **_surroundings(issuer_host),
        KV: _worker("no_kv.js", []),
    }
    return _document(services, (*sides, *COUNTING))


def _surroundings(issuer_host: str) -> dict[str, Value]:
    """What the Workers talk to."""
    routes: list[Value] = [
        {"name": "APIGEE_HOST", "text": APIGEE_HOST},
        {"name": "ISSUER_HOST", "text": issuer_host},
        {"name": "UPSTREAM", "service": "upstream"},
        {"name": "ISSUER", "service": ISSUER},
    ]
    return {
        INTERNET: _worker("internet.js", routes),
        "upstream": _worker("upstream.js", []),
        ISSUER: _worker("issuer.js", [], "documents.json"),
        CACHE: _worker("no_cache.js", []),
    }


def _document(services: Mapping[str, Value], open_to_clients: Sequence[str]) -> Mapping[str, Value]:
    return {
        "services": [{"name": name, "worker": worker} for name, worker in services.items()],
        "extensions": [{"modules": [{"name": LIMITER, "esModule": Embed("limiter.js"), "internal": True}]}],
        "sockets": [{"name": name, "address": "127.0.0.1:0", "http": {}, "service": name} for name in open_to_clients],
    }


def _origin() -> Value:
    return {"name": "APIGEE_ORIGIN", "text": f"https://{APIGEE_HOST}"}


def _ring() -> Value:
    private, public = generate_key("ES256")
    return {"name": "RING", "text": worker_ring(1, private, [public])}


def _worker(module: str, bindings: list[Value], data: str | None = None, file: str | None = None) -> Value:
    """A Worker of one module, and of JSON under the name `data`, from another `file` where that is given."""
    modules: list[Value] = [{"name": module, "esModule": Embed(module)}]
    if data is not None:
        modules.append({"name": data, "json": Embed(file or data)})
    return {
        "modules": modules,
        "compatibilityDate": COMPATIBILITY_DATE,
        "bindings": bindings,
        "globalOutbound": "internet",
        "cacheApiOutbound": "cache",
    }


def _gateway_bindings(contract: Contract, ring: Value) -> list[Value]:
    introspection = {name: "unused" for name, issuer in contract.issuers.items() if issuer.introspection is not None}
    return [
        _origin(),
        ring,
        {"name": "AUDIT_SALT", "text": "a salt of the benchmark"},
        {"name": "ENVIRONMENT", "text": "bench"},
        {"name": "INTROSPECTION_SECRETS", "text": json.dumps(introspection)},
        *(_limiter(name, product) for name, product in contract.products.items()),
        {"name": "KV", "kvNamespace": "kv"},
        {"name": "VERSION", "json": json.dumps({"id": "bench"})},
    ]


def _limiter(name: str, product: Product) -> Value:
    settings = {"product": name, "seconds": edge_limit(name, product).seconds}
    inner: list[Value] = [{"name": "settings", "json": json.dumps(settings)}]
    return {"name": binding_name(name), "wrapped": {"moduleName": LIMITER, "innerBindings": inner}}


def _start_seconds(binary: Path, folder: Path, side: str) -> float:
    started = time.monotonic()
    with _workerd(binary, folder, f"{side}.capnp", 1 + len(COUNTING)):
        return time.monotonic() - started


@contextmanager
def _workerd(binary: Path, folder: Path, config: str, sockets: int) -> Generator[tuple[int, dict[str, int]]]:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as control, (folder / "errors").open("wb") as errors:
        try:
            process = subprocess.Popen(
                [str(binary), "serve", f"--control-fd={write_end}", config],
                cwd=folder,
                env={},
                stdin=subprocess.DEVNULL,
                # The gateway's audit lines: it pays for writing them, and nobody here for reading them.
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(write_end,),
            )
        except OSError as problem:
            raise BenchError(f"cannot run {binary}: {problem.strerror}; run `npm ci` in worker/") from None
        finally:
            os.close(write_end)
        try:
            ports = _read_ports(control.fileno(), sockets)
            if ports is None:
                said = (folder / "errors").read_text(encoding="utf-8", errors="replace")
                raise BenchError(f"workerd did not start within {START_SECONDS} s: {said.strip() or 'it said nothing'}")
            yield process.pid, ports
        finally:
            _end(process)


def _read_ports(control: int, count: int) -> dict[str, int] | None:
    """Return port by socket, which workerd tells once it listens; `None` where it ended or took too long."""
    deadline = time.monotonic() + START_SECONDS
    text = b""
    while text.count(b"\n") < count:
        ready, _, _ = select.select([control], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(control, 4096) if ready else b""
        if not chunk:
            return None
        text += chunk
    messages = [json.loads(line) for line in text.splitlines()]
    return {message["socket"]: message["port"] for message in messages}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""Drives the load generator, a Node process of its own (`generator.mjs`), so that neither side of a ratio pays for it.

An HTTP client of Python's costs more than the Worker it measures; this one costs a fraction.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.errors import BenchError

STOP_SECONDS: Final = 5

_SCRIPT: Final = Path(__file__).with_name("generator.mjs")


@dataclass(frozen=True)
class Target:
    """Where requests go, and how: `host` is the `Host` they name."""

    port: int
    host: str
    path: str


@dataclass(frozen=True)
class Result:
    """What a batch took: seconds on the clock, CPU seconds of the generator, and the answers' latencies in ms."""

    seconds: float
    cpu: float
    p50: float
    p99: float


class LoadGenerator:
    """The running generator."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Talk to `process` over its standard streams."""
        self._process = process

    def send(
        self,
        target: Target,
        tokens: Sequence[str | None],
        requests: int,
        *,
        expected: int,
        connections: int,
        rate: float | None = None,
    ) -> Result:
        """Send so many requests, the tokens in turn (`None` sends none), and wait for the answers.

        Without `rate` each connection sends as fast as answers come; with it so many are due each second, and the
        latency of each counts from when it was due.

        Raises:
            BenchError: an answer had another status than `expected`, or the batch did not come to its end.
        """
        order: dict[str, Any] = {
            "port": target.port,
            "host": target.host,
            "path": target.path,
            "tokens": list(tokens),
            "requests": requests,
            "connections": connections,
        }
        answer = self._exchange(order if rate is None else {**order, "rate": rate})
        statuses: Mapping[str, int] = answer["statuses"]
        if dict(statuses) != {str(expected): requests}:
            counts = ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
            raise BenchError(f"{requests} requests should be answered with {expected}, but the answers were: {counts}")
        p50, p99 = answer["latencies"]
        return Result(answer["seconds"], answer["cpu"], p50, p99)

    def _exchange(self, order: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise BenchError("the load generator has ended") from None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("a connection broke off, or a batch took more than a minute: try fewer --requests")
        return json.loads(line)


@contextmanager
def running_generator() -> Generator[LoadGenerator]:
    """Start the generator, and end it afterwards. Raises `BenchError` where there is no Node."""
    node = shutil.which("node")
    if node is None:
        raise BenchError("node is not installed: install Node 20 or newer")
    process = subprocess.Popen(
        [node, str(_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield LoadGenerator(process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

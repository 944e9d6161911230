"""What interpreting a proxy costs over a bare Starlette pass-through: `python -m bench.apigee`; see README.md."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.apigee_server import HOST, KEY
from bench.errors import BenchError
from bench.load import send_batch, send_one

SIDES: Final = ("runtime", "pass-through")
CONNECTIONS: Final = 8
WARM_UP_REQUESTS: Final = 100
LIMIT_SECONDS: Final = 30.0
"""No round begins after so long; the one that runs is finished."""

MAX_ROUNDS: Final = 50
MAX_REQUESTS: Final = 5_000
MAX_STARTS: Final = 20
STOP_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Case:
    """A kind of request, the same for both sides."""

    name: str
    title: str
    path: str

    @property
    def request(self) -> bytes:
        """The request as it goes over the wire."""
        return f"GET {self.path} HTTP/1.1\r\nHost: {HOST}\r\nX-Api-Key: {KEY}\r\n\r\n".encode()


CASES: Final = (
    Case("local", "an answer made without a target: one AssignMessage against one Starlette route", "/local"),
    Case("forward", "a request forwarded as it is, without any policy", "/forward/items/7"),
    Case("keyed", "VerifyAPIKey, SpikeArrest, two conditional flows, AssignMessage, then forwarded", "/keyed/items/7"),
)


@dataclass
class Measured:
    """Requests per second of one case by side, in the order of the rounds."""

    rates: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def ratios(self) -> list[float]:
        """Rates of the runtime over those of the pass-through, round by round."""
        return [one / other for one, other in zip(*(self.rates[side] for side in SIDES), strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table; 1 where it cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help=f"1 to {MAX_ROUNDS}")
    parser.add_argument(
        "--requests", type=int, default=500, help=f"of each case and side in a round, 1 to {MAX_REQUESTS}"
    )
    parser.add_argument("--starts", type=int, default=3, help=f"of each side, 1 to {MAX_STARTS}")
    options = parser.parse_args(arguments)
    limits = (("rounds", MAX_ROUNDS), ("requests", MAX_REQUESTS), ("starts", MAX_STARTS))
    for name, most in limits:
        if not 1 <= getattr(options, name) <= most:
            parser.error(f"--{name} is 1 to {most}")
    try:
        with ExitStack() as stack:
            backend = stack.enter_context(_server("backend"))
            starts = {side: median(_start_seconds(side, backend.port) for _ in range(options.starts)) for side in SIDES}
            ports = {side: stack.enter_context(_server(side, backend.port)).port for side in SIDES}
            measured, done = asyncio.run(_measure(ports, options.rounds, options.requests))
    except BenchError as problem:
        print(f"bench.apigee: {problem}", file=sys.stderr)
        return 1
    _report(measured, starts, done, options.requests)
    return 0


async def _measure(ports: Mapping[str, int], rounds: int, requests: int) -> tuple[dict[str, Measured], int]:
    for case in CASES:
        answers = {side: await send_one(ports[side], case.request) for side in SIDES}
        if len(set(answers.values())) != 1 or answers[SIDES[0]][0] != 200:
            raise BenchError(f"{case.name}: both sides should answer alike with 200, but answered {answers}")
    measured = {case.name: Measured() for case in CASES}
    await _round({case.name: Measured() for case in CASES}, ports, min(requests, WARM_UP_REQUESTS))
    started, done = time.monotonic(), 0
    while done < rounds and (done == 0 or time.monotonic() - started < LIMIT_SECONDS):
        await _round(measured, ports, requests)
        done += 1
    return measured, done


async def _round(measured: Mapping[str, Measured], ports: Mapping[str, int], requests: int) -> None:
    """Measure both sides of each case, one right after the other."""
    for case in CASES:
        for side in SIDES:
            seconds = await send_batch(ports[side], [case.request] * requests, 200, CONNECTIONS)
            measured[case.name].rates[side].append(requests / seconds)


@dataclass(frozen=True)
class _Running:
    port: int
    seconds: float


@contextmanager
def _server(role: str, backend: int = 0) -> Generator[_Running]:
    """Start a server process and end it afterwards; `seconds` is from its start until it answered that it listens."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "bench.apigee_server", role, str(backend)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.strip().isdecimal():
            raise BenchError(f"the server {role} did not start")
        yield _Running(int(line), time.perf_counter() - started)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start_seconds(side: str, backend: int) -> float:
    """Return the seconds from the start of a process until its first answer: for the runtime with compiling."""
    started = time.perf_counter()
    with _server(side, backend) as running:
        asyncio.run(send_one(running.port, CASES[0].request))
        return time.perf_counter() - started


def _report(measured: Mapping[str, Measured], starts: Mapping[str, float], rounds: int, requests: int) -> None:
    print("The Apigee interpreter against a bare Starlette pass-through, each in a process of its own, alternating.")
    print(f"Rounds: {rounds}; requests of each case and side in a round: {requests}; connections: {CONNECTIONS}.\n")
    for case in CASES:
        print(f"  {case.name:<8} {case.title}")
    print(f"\n{'requests per second, median':<30} {SIDES[0]:>10} {SIDES[1]:>14}")
    for name, one in measured.items():
        print(f"{name:<30} {median(one.rates[SIDES[0]]):>10.0f} {median(one.rates[SIDES[1]]):>14.0f}")
    print(f"{'seconds to the first answer':<30} {starts[SIDES[0]]:>10.2f} {starts[SIDES[1]]:>14.2f}")
    print(f"\nRATIO, {SIDES[0]} / {SIDES[1]}")
    for name, one in measured.items():
        ratios = one.ratios()
        spread = f"min {min(ratios):.2f}  median {median(ratios):.2f}  max {max(ratios):.2f}"
        print(f"RATIO {name:<10} requests/s (more is better)  {spread}")
    print(f"RATIO start      seconds (less is better)     {starts[SIDES[0]] / starts[SIDES[1]]:.2f}")


if __name__ == "__main__":
    sys.exit(main())

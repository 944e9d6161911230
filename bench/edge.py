"""What the edge Worker costs beside a bare pass-through and three rivals: `python -m bench.edge`; see README.md."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from types import FrameType
from typing import Final, NoReturn

from bench.errors import BenchError
from bench.generator import LoadGenerator, Result, Target, running_generator
from bench.traffic import GATEWAY_HOST, Case, Traffic, make_traffic, measured_contract
from bench.world import (
    CACHE,
    GATEWAY,
    GATEWAY_REUSE,
    INTERNET,
    ISSUER,
    KV,
    LEAST,
    PASS_THROUGH,
    PROJECT,
    RIVALS,
    SIDES,
    World,
    running_world,
)
from portcullis.contract import ContractError

CONNECTIONS: Final = 16
FLOOD_REQUESTS: Final = 300
LIMIT_SECONDS: Final = 120.0
"""No round begins after so long; the one that runs is finished."""

_ASKED: Final = (
    ("upstream", "upstream"),
    ("fetches", "issuer"),
    ("kv_reads", "KV reads"),
    ("kv_writes", "KV writes"),
    ("cache_reads", "cache reads"),
    ("cache_writes", "cache writes"),
    ("list_looks", "looks at the revocation list"),
)
"""What sides ask of others, as it is counted and as it is printed."""

MAX_ROUNDS: Final = 100
MAX_REQUESTS: Final = 5_000


@dataclass(frozen=True)
class Batch:
    """What one batch cost: requests per second, and CPU seconds of workerd (`None` where unknown) and of the client.

    `asked` is how often the side asked others for something, by what it was.
    """

    rate: float
    workerd_cpu: float | None
    client_cpu: float
    asked: Mapping[str, int]


@dataclass
class Measured:
    """The batches of one case by side, in the order of the rounds; all sides have equally many."""

    case: Case
    batches: dict[str, list[Batch]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def rate(self, side: str) -> float:
        """Requests per second, the median of the rounds."""
        return median(batch.rate for batch in self.batches[side])

    def rate_ratio(self, rival: str, side: str = GATEWAY) -> float:
        """Requests per second of a side over the rival's: the median over the rounds, in which they alternate."""
        pairs = zip(self.batches[side], self.batches[rival], strict=True)
        return median(one.rate / other.rate for one, other in pairs)

    def workerd_cpu(self, side: str) -> float | None:
        """CPU seconds of workerd over all rounds; `None` where unknown or below the clock's resolution."""
        known = [batch.workerd_cpu for batch in self.batches[side] if batch.workerd_cpu is not None]
        return sum(known) or None

    def cpu_ratio(self, rival: str, side: str = GATEWAY) -> float | None:
        """CPU seconds of workerd for a side over those for the rival; `None` where either is unknown."""
        one, other = self.workerd_cpu(side), self.workerd_cpu(rival)
        return None if one is None or other is None else one / other

    def asked(self, side: str) -> Counter[str]:
        """How often a side asked others for something over all rounds, by what it was."""
        total = Counter[str]()
        for batch in self.batches[side]:
            total.update(batch.asked)
        return total

    def client_cpu(self) -> float:
        """CPU seconds of the load generator over all rounds of all sides."""
        return sum(batch.client_cpu for side in SIDES for batch in self.batches[side])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status: 0, or 1 where nothing could be measured."""
    options = _options(arguments)
    try:
        _run(options.rounds, options.requests)
    except (BenchError, ContractError) as problem:
        print(f"bench.edge: {problem}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.edge", description=__doc__)
    parser.add_argument("--rounds", type=_between(1, MAX_ROUNDS), default=8, help="rounds of each case (%(default)s)")
    parser.add_argument(
        "--requests", type=_between(1, MAX_REQUESTS), default=800, help="requests of a batch (%(default)s)"
    )
    return parser.parse_args(arguments)


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not from {least} to {most}")
        return value

    return number


def _run(rounds: int, requests: int) -> None:
    contract = measured_contract(PROJECT / "gateway.yaml")
    traffic = make_traffic(contract)
    with running_world(PROJECT, contract, traffic) as world, running_generator() as generator:
        bench = Bench(world, generator, traffic)
        bench.warm_up(requests)
        measured = [Measured(case) for case in traffic.cases]
        started, done = time.monotonic(), 0
        while done < rounds and (done == 0 or time.monotonic() - started < LIMIT_SECONDS):
            for one in measured:
                bench.round(one, requests)
            done += 1
        if done < rounds:
            print(f"Stopped after {done} of {rounds} rounds: the machine is slow today.")
        _report(measured, done, requests)
        bench.latency(measured[0], requests)
        bench.flood(min(requests, FLOOD_REQUESTS))
        _report_sizes(world)


class Bench:
    """Sends the batches of one run."""

    def __init__(self, world: World, generator: LoadGenerator, traffic: Traffic) -> None:
        """Measure the sides of `world` with the tokens of `traffic`."""
        self._world = world
        self._generator = generator
        self._traffic = traffic

    def warm_up(self, requests: int) -> None:
        """Start the isolates and fetch the issuer's keys, with every case once; nothing of it is counted."""
        for case in self._traffic.cases:
            self.round(Measured(case), requests)

    def round(self, measured: Measured, requests: int) -> None:
        """Measure all sides of a case, one right after the other; tokens that must be new are so for each side."""
        for side in SIDES:
            tokens = measured.case.make(requests)
            asked, before = self._asked(), self._world.cpu_seconds()
            result = self._send(side, tokens, requests, measured.case.status)
            after = self._world.cpu_seconds()
            cpu = None if before is None or after is None else after - before
            more = Counter(self._asked())
            more.subtract(asked)
            measured.batches[side].append(Batch(requests / result.seconds, cpu, result.cpu, more))

    def latency(self, measured: Measured, requests: int) -> None:
        """Print the latency at half of what the gateway can do, at the same pace for all sides."""
        rate = measured.rate(GATEWAY) / 2
        print(
            f"\nLatency of `{measured.case.name}` at half load, {rate:.0f} requests/s for each side, in milliseconds:"
        )
        results = {side: self._send(side, measured.case.make(1), requests, 200, rate) for side in SIDES}
        for side, result in results.items():
            added = result.p50 - results[PASS_THROUGH].p50
            print(
                f"LATENCY {side:<14} p50 {result.p50:.2f}  p99 {result.p99:.2f}  p50 over the pass-through {added:+.2f}"
            )

    def flood(self, requests: int) -> None:
        """Print how often each side fetches the issuer's keys while every request names another key."""
        case = self._traffic.unknown_kids
        print(f"\nFetches of the key set in a flood of {requests} tokens with key ids made up for each:")
        for side in (GATEWAY, *RIVALS):
            before = self._fetches()
            self._send(side, case.make(requests), requests, case.status)
            print(f"FETCHES {side:<14} {self._fetches() - before}")

    def _send(
        self, side: str, tokens: Sequence[str | None], requests: int, status: int, rate: float | None = None
    ) -> Result:
        target = Target(self._world.ports[side], GATEWAY_HOST, self._traffic.path)
        # The one lets everybody through, the other everybody with a token.
        lets_through = side == PASS_THROUGH or (side == LEAST and None not in tokens)
        expected = 200 if lets_through else status
        try:
            return self._generator.send(target, tokens, requests, expected=expected, connections=CONNECTIONS, rate=rate)
        except BenchError as problem:
            raise BenchError(f"{side}: {problem}") from None

    def _fetches(self) -> int:
        return self._world.counted(ISSUER)["fetches"]

    def _asked(self) -> dict[str, int]:
        return {
            kind: count for service in (INTERNET, KV, CACHE) for kind, count in self._world.counted(service).items()
        }


def _report(measured: Sequence[Measured], rounds: int, requests: int) -> None:
    print("The edge Worker, a bare pass-through, and the same gateway written with three libraries, in one workerd.")
    print(f"Rounds: {rounds}; requests of each case and side in a round: {requests}; connections: {CONNECTIONS}.\n")
    for one in measured:
        print(f"  {one.case.name:<13} {one.case.title}")
    _table("Requests per second, median", measured, lambda one, side: f"{one.rate(side):.0f}")
    sent = rounds * requests
    _table("CPU of workerd, microseconds per request", measured, lambda one, side: _micros(one.workerd_cpu(side), sent))
    total = sum(one.client_cpu() for one in measured)
    everything = len(SIDES) * len(measured) * sent
    print(
        f"\nThe load generator, a process of its own: {_micros(total, everything)} microseconds of CPU per request.\n"
    )
    _report_asked(measured, sent)
    for one in measured:
        for side in (GATEWAY, GATEWAY_REUSE):
            for rival in (PASS_THROUGH, LEAST, *RIVALS):
                _report_ratio(one, side, rival)
        _report_ratio(one, LEAST, PASS_THROUGH)


def _report_ratio(one: Measured, side: str, rival: str) -> None:
    rate, cpu = one.rate_ratio(rival, side), _number(one.cpu_ratio(rival, side))
    print(f"RATIO {one.case.name:<13} {side:<14} / {rival:<13} requests/s {rate:.2f}   CPU {cpu}")


def _report_asked(measured: Sequence[Measured], sent: int) -> None:
    print(f"What each side asked of others for its {sent} requests of a case:")
    for one in measured:
        for side in SIDES:
            asked = one.asked(side)
            print(
                f"ASKED {one.case.name:<13} {side:<14} " + "  ".join(f"{what} {asked[kind]}" for kind, what in _ASKED)
            )
    print(f"({dict(_ASKED)['list_looks']}: once in 10 s and isolate, behind a request's back.)\n")


def _table(heading: str, measured: Sequence[Measured], cell: Callable[[Measured, str], str]) -> None:
    print(f"\n{heading}\n{'':<14}" + "".join(f"{side:>15}" for side in SIDES))
    for one in measured:
        print(f"{one.case.name:<14}" + "".join(f"{cell(one, side):>15}" for side in SIDES))


def _report_sizes(world: World) -> None:
    print("\nSize of the module, and time until a workerd with that Worker alone listens:")
    for side in SIDES:
        start = world.starts[side] * 1000
        over = world.starts[side] / world.starts[PASS_THROUGH]
        size = world.sizes[side] / 1024
        print(f"SIZE {side:<14} {size:7.1f} KiB   start {start:.0f} ms, {over:.2f} of the pass-through's")


def _micros(seconds: float | None, requests: int) -> str:
    return "unknown" if seconds is None else f"{seconds * 1e6 / requests:.0f}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _end_by_signal(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave by an exception, so that workerd is ended and its files removed on the way out."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end_by_signal)
    sys.exit(main())

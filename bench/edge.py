"""What the edge Worker costs over a bare pass-through Worker: `python -m bench.edge`; see README.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Final, NoReturn

from bench.errors import BenchError
from bench.load import send_batch, send_one
from bench.traffic import Case, make_traffic
from bench.world import GATEWAY, PASS_THROUGH, World, running_world
from portcullis.contract import ContractError, load

PROJECT: Final = Path(__file__).resolve().parent.parent
SIDES: Final = (GATEWAY, PASS_THROUGH)
CONNECTIONS: Final = 16
WARM_UP_REQUESTS: Final = 200
LIMIT_SECONDS: Final = 30.0
"""No round begins after so long; the one that runs is finished."""

MAX_ROUNDS: Final = 100
MAX_REQUESTS: Final = 5_000


@dataclass(frozen=True)
class Batch:
    """What one batch cost: requests per second, and CPU seconds of workerd (`None` where unknown) and of the client."""

    rate: float
    workerd_cpu: float | None
    client_cpu: float


@dataclass
class Measured:
    """The batches of one case by side, in the order of the rounds; both sides have equally many."""

    case: Case
    batches: dict[str, list[Batch]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def rate_ratios(self) -> list[float]:
        """Requests per second of the gateway over those of the pass-through, round by round."""
        pairs = zip(self.batches[GATEWAY], self.batches[PASS_THROUGH], strict=True)
        return [gateway.rate / rival.rate for gateway, rival in pairs]

    def workerd_cpu(self, side: str) -> float | None:
        """CPU seconds of workerd over all rounds; `None` where unknown or below the clock's resolution."""
        known = [batch.workerd_cpu for batch in self.batches[side] if batch.workerd_cpu is not None]
        return sum(known) or None

    def client_cpu(self) -> float:
        """CPU seconds of the load generator over all rounds of both sides."""
        return sum(batch.client_cpu for side in SIDES for batch in self.batches[side])

    def cpu_ratio(self) -> float | None:
        """CPU seconds of workerd for the gateway over those for the pass-through; `None` where either is unknown."""
        gateway, rival = self.workerd_cpu(GATEWAY), self.workerd_cpu(PASS_THROUGH)
        return None if gateway is None or rival is None else gateway / rival


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status: 0, or 1 where nothing could be measured."""
    options = _options(arguments)
    try:
        asyncio.run(_run(options.rounds, options.requests))
    except (BenchError, ContractError) as problem:
        print(f"bench.edge: {problem}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.edge", description=__doc__)
    parser.add_argument("--rounds", type=_between(1, MAX_ROUNDS), default=12, help="rounds of each case (%(default)s)")
    parser.add_argument(
        "--requests", type=_between(1, MAX_REQUESTS), default=400, help="requests of a batch (%(default)s)"
    )
    return parser.parse_args(arguments)


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not from {least} to {most}")
        return value

    return number


async def _run(rounds: int, requests: int) -> None:
    contract = load(PROJECT / "gateway.yaml")
    traffic = make_traffic(contract)
    with running_world(PROJECT, contract, traffic) as world:
        for case in traffic.cases:
            await _check(world, case)
        measured = [Measured(case) for case in traffic.cases]
        await _round(world, [Measured(case) for case in traffic.cases], min(requests, WARM_UP_REQUESTS))
        started, done = time.monotonic(), 0
        while done < rounds and (done == 0 or time.monotonic() - started < LIMIT_SECONDS):
            await _round(world, measured, requests)
            done += 1
    if done < rounds:
        print(f"Stopped after {done} of {rounds} rounds: the machine is slow today.")
    _report(measured, done, requests)


async def _check(world: World, case: Case) -> None:
    """See that each side does what is measured: the gateway's own token arrives upstream, or nothing does."""
    [request] = case.make(1)
    for side, status, minted in ((GATEWAY, case.gateway_status, True), (PASS_THROUGH, 200, False)):
        answered, body = await send_one(world.ports[side], request)
        if answered != status:
            raise BenchError(f"{case.name}: the {side} should answer {status}, but answered {answered}")
        if status == 200 and json.loads(body).get("minted") is not minted:
            raise BenchError(f"{case.name}: the {side} answered 200, but not with what the upstream says")


async def _round(world: World, measured: Sequence[Measured], requests: int) -> None:
    """Measure both sides of each case, one right after the other, with the same requests."""
    for one in measured:
        batch = one.case.make(requests)
        for side, status in ((GATEWAY, one.case.gateway_status), (PASS_THROUGH, 200)):
            one.batches[side].append(await _batch(world, side, batch, status))


async def _batch(world: World, side: str, requests: Sequence[bytes], status: int) -> Batch:
    workerd_before, client_before = world.cpu_seconds(), time.process_time()
    try:
        seconds = await send_batch(world.ports[side], requests, status, CONNECTIONS)
    except BenchError as problem:
        raise BenchError(f"{side}: {problem}") from None
    client, workerd_after = time.process_time() - client_before, world.cpu_seconds()
    workerd = None if workerd_before is None or workerd_after is None else workerd_after - workerd_before
    return Batch(len(requests) / seconds, workerd, client)


def _report(measured: Sequence[Measured], rounds: int, requests: int) -> None:
    print("The edge Worker against a bare pass-through Worker, both in one workerd process, alternating.")
    print(f"Rounds: {rounds}; requests of each case and side in a round: {requests}; connections: {CONNECTIONS}.\n")
    for one in measured:
        print(f"  {one.case.name:<15} {one.case.title}")
    print(f"\n{'':<17} requests per second, median   workerd CPU s per 1,000 requests   load generator")
    print(f"{'':<17} {GATEWAY:>10} {PASS_THROUGH:>15} {GATEWAY:>16} {PASS_THROUGH:>15} {'CPU s per 1,000':>18}")
    for one in measured:
        rates = [f"{median(batch.rate for batch in one.batches[side]):.0f}" for side in SIDES]
        cpu = [_number(_per_thousand(one.workerd_cpu(side), rounds * requests)) for side in SIDES]
        client = _number(_per_thousand(one.client_cpu(), len(SIDES) * rounds * requests))
        print(f"{one.case.name:<17} {rates[0]:>10} {rates[1]:>15} {cpu[0]:>16} {cpu[1]:>15} {client:>18}")
    print(f"\nRATIO, {GATEWAY} / {PASS_THROUGH}: requests per second over the rounds (more is better), CPU of workerd")
    for one in measured:
        ratios = one.rate_ratios()
        spread = f"min {min(ratios):.2f}  median {median(ratios):.2f}  max {max(ratios):.2f}"
        print(f"RATIO {one.case.name:<15} requests/s  {spread}   CPU {_number(one.cpu_ratio(), 2)}")
    print(
        "\nThe load generator's own cost is in every rate above and the same for both sides, which draws the ratios of"
        "\nrates towards 1. The CPU ratio is without it, but with the upstream and the routing, which are in the same"
        "\nprocess. A request that the gateway refuses never reaches the upstream; the pass-through forwards it."
    )


def _per_thousand(seconds: float | None, requests: int) -> float | None:
    return None if seconds is None else seconds * 1000 / requests


def _number(value: float | None, digits: int = 3) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"


def _end_by_signal(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave by an exception, so that workerd is ended and its files removed on the way out."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end_by_signal)
    sys.exit(main())

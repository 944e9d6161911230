"""What remembering verified tokens is worth, tier by tier: `python -m bench.token_cache`; see README.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from bench.errors import BenchError
from bench.generator import Target, running_generator
from bench.traffic import GATEWAY_HOST, make_traffic, measured_contract
from bench.world import PROJECT, gateways_world
from portcullis.contract import Contract, ContractError, TokenCache

CONNECTIONS: Final = 8
MAX_TOKENS: Final = 2_000
MAX_ROUNDS: Final = 50

VERIFY: Final = "verify"
"""Remembers nothing: each token is verified each time."""
ISOLATE: Final = "isolate"
"""Remembers in the isolate."""
WRITER: Final = "kv-writer"
"""Verifies, and writes into KV."""
KV: Final = "kv-reader"
"""Another isolate with the same KV: it has not seen a token, and KV has."""

_SETTINGS: Final = {
    VERIFY: TokenCache(seconds=0, kv=False),
    ISOLATE: TokenCache(seconds=300, kv=False),
    WRITER: TokenCache(seconds=300, kv=True),
    KV: TokenCache(seconds=300, kv=True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status: 0, or 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.token_cache", description=__doc__)
    parser.add_argument("--rounds", type=int, choices=range(1, MAX_ROUNDS + 1), default=8, metavar="N")
    parser.add_argument("--tokens", type=int, choices=range(1, MAX_TOKENS + 1), default=300, metavar="N")
    options = parser.parse_args(arguments)
    try:
        _run(options.rounds, options.tokens)
    except (BenchError, ContractError) as problem:
        print(f"bench.token_cache: {problem}", file=sys.stderr)
        return 1
    return 0


def _run(rounds: int, tokens: int) -> None:
    contract = measured_contract(PROJECT / "gateway.yaml")
    traffic = make_traffic(contract)
    [fresh] = [case for case in traffic.cases if case.name == "fresh-rs256"]
    settings = {name: _with(contract, cache) for name, cache in _SETTINGS.items()}
    with (
        tempfile.TemporaryDirectory(prefix="portcullis-bench-") as folder,
        gateways_world(settings, traffic, Path(folder)) as ports,
        running_generator() as generator,
    ):

        def send(name: str, batch: Sequence[str | None]) -> float:
            target = Target(ports[name], GATEWAY_HOST, traffic.path)
            sent = generator.send(target, batch, len(batch), expected=200, connections=CONNECTIONS)
            return len(batch) / sent.seconds

        for name in _SETTINGS:  # The keys are fetched once for each isolate, and not in the time.
            send(name, fresh.make(20))
        rates: dict[str, list[float]] = {ISOLATE: [], KV: []}
        for _ in range(rounds):
            batch = fresh.make(tokens)
            for name in (WRITER, ISOLATE):
                send(name, batch)  # They see the tokens for the first time.
            verify = send(VERIFY, batch)
            for name in (ISOLATE, KV):
                rates[name].append(send(name, batch) / verify)
    _report(rates, rounds, tokens)


def _with(contract: Contract, cache: TokenCache) -> Contract:
    edge = contract.edge.model_copy(update={"token_cache": cache})
    return contract.model_copy(update={"edge": edge})


def _report(rates: dict[str, list[float]], rounds: int, tokens: int) -> None:
    print("Tokens that were seen before, against verifying each anew: requests per second, in one workerd process.")
    print(f"Rounds: {rounds}; tokens in a round: {tokens}; connections: {CONNECTIONS}.\n")
    print(f"{'remembered in':<16}{'min':>8}{'median':>8}{'max':>8}")
    for name, ratios in rates.items():
        numbers = "".join(f"{value:>8.2f}" for value in (min(ratios), median(ratios), max(ratios)))
        print(f"{name:<16}{numbers}")
    print("\nAbove 1, remembering is faster than verifying. This KV answers at once; a real one takes milliseconds.")


if __name__ == "__main__":
    sys.exit(main())

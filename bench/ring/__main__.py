"""Prints what callers noticed of every scenario, and of every rule broken: `python -m bench.ring`; see README.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from bench.ring.broken import BROKEN, Broken
from bench.ring.scenarios import SCENARIOS
from bench.ring.simulation import Outcome, Scenario, simulate

REQUESTS = 100_000
BROKEN_REQUESTS = 20_000
"""A broken rule shows with fewer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0 where no kept scenario refused a request and every broken rule was found, else 1."""
    options = _options(arguments)
    scenarios = [each for each in SCENARIOS if options.only in each.name]
    rules = [each for each in BROKEN if options.only in each.rule]
    kept = [_keep(scenario, options.seed, options.requests) for scenario in scenarios]
    found = [_break(broken, options.seed, min(options.requests, BROKEN_REQUESTS)) for broken in rules]
    if not (kept or found):
        print(f"bench.ring: no scenario and no rule has {options.only!r} in its name", file=sys.stderr)
    return 0 if (kept or found) and all(kept) and all(found) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.ring", description=__doc__)
    parser.add_argument("--requests", type=_positive, default=REQUESTS, help="in each scenario (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed gives the same figures (default: %(default)s)"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="scenarios and rules with this in their name")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _keep(scenario: Scenario, seed: int, requests: int) -> bool:
    outcome = simulate(scenario, seed, requests)
    late = f", {outcome.exposed} revoked keys trusted past the bound" if scenario.bounds_exposure else ""
    print(
        f"{scenario.name:<48} {outcome.requests:>7} requests  {outcome.refused} refused"
        f"  {outcome.rotations:>3} rotations  seed {seed}{late}  [{_told(_unusual(outcome))}]{_reasons(outcome)}",
        flush=True,
    )
    return outcome.refused == 0 and outcome.exposed == 0 and outcome.rotations > 0


def _break(broken: Broken, seed: int, requests: int) -> bool:
    kept, outcome = simulate(broken.kept, seed, requests), simulate(broken.broken, seed, requests)
    print(
        f"broken {broken.rule:<42} {outcome.requests:>6} requests  {kept.refused} refused where it is kept,"
        f" {outcome.refused} where {broken.how}  seed {seed}{_reasons(outcome)}",
        flush=True,
    )
    return kept.refused == 0 and outcome.refused > 0


def _unusual(outcome: Outcome) -> Mapping[str, int]:
    usual = ("none", "rotated", "begun")
    return {name: count for name, count in outcome.updates.items() if name not in usual}


def _reasons(outcome: Outcome) -> str:
    return f"  ({_told(outcome.refusals)})" if outcome.refusals else ""


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing unusual"


if __name__ == "__main__":
    sys.exit(main())

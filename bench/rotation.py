"""Rotations under continuous load, with everything that goes wrong: `python -m bench.rotation`; see README.md."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.errors import BenchError
from bench.rotation_world import Callers, Stack, loosen_limits, wait_until
from tests.e2e.checkout import make_checkout

PERIOD: Final = "25h"
"""A little more than the rotation period of the sandbox's stack."""

ROTATIONS: Final = 20
MOST_RESOURCES: Final = 40

_WAIT_BEFORE_DROP: Final = "10m"


@dataclass(frozen=True)
class Settings:
    """How much of everything: rotations in a row, and the resource numbers after which an update is killed."""

    rotations: int
    kills: range


Scenario = Callable[[Stack, Settings, random.Random], None]


def in_a_row(stack: Stack, settings: Settings, _: random.Random) -> None:
    """Rotate by plain `pulumi up`, again and again."""
    for _number in range(settings.rotations):
        before = stack.generation()
        stack.advance(PERIOD)
        _expect(stack.up() == 0, "pulumi up ends well")
        _expect(stack.generation() == before + 1, "the ring is one generation further")
        stack.learn_private_values()


def missed_runs(stack: Stack, _: Settings, chance: random.Random) -> None:
    """Miss runs for days, then run, twice."""
    before = stack.generation()
    stack.advance(f"{chance.randint(2, 30)}d")
    _expect(stack.rotate() == "rotated", "the late run rotates")
    _expect(stack.rotate() == "nothing due", "the second run does nothing")
    _expect(stack.generation() == before + 1, "a late run moves the ring by one slot")


def killed(stack: Stack, settings: Settings, _: random.Random) -> None:
    """Kill the update after its first resource, then one after its second, and so on to the last."""
    for after in settings.kills:
        before = stack.generation()
        stack.advance(PERIOD)
        was_killed = stack.kill_update(after)
        stack.learn_private_values()
        outcome = stack.rotate()
        _expect(outcome in (("rotated", "nothing due") if was_killed else ("nothing due",)), f"{outcome} after {after}")
        _expect(stack.generation() == before + 1, f"the ring is one generation further, killed after {after}")
        if not was_killed:
            return


def _refusing(api: str) -> Scenario:
    def scenario(stack: Stack, _: Settings, __: random.Random) -> None:
        stack.advance(PERIOD)
        _refused_once(stack, api)
        before = stack.generation()
        _expect(stack.rotate() == "rotated", "the next run finishes it")
        _expect(stack.generation() == before + 1, "the ring is one generation further")

    scenario.__doc__ = f"Let {api} refuse every write, then run again."
    return scenario


def _in_order(first: str, second: str) -> Scenario:
    def scenario(stack: Stack, _: Settings, __: random.Random) -> None:
        before = stack.generation()
        stack.advance(PERIOD)
        for api in (first, second):
            _refused_once(stack, api)
        _expect(stack.rotate() == "rotated", "the third run finishes it")
        _expect(stack.generation() == before + 1, "the ring is one generation further")

    scenario.__doc__ = f"Let {first} refuse, and in the next run {second}."
    return scenario


def _refused_once(stack: Stack, api: str) -> None:
    stack.checkout.portcullis("fault", "set", api, "status", "--status", "403")
    try:
        _expect(stack.rotate() == "failed", f"an update that {api} refuses fails")
    finally:
        stack.checkout.portcullis("fault", "clear", api)


def at_the_same_time(stack: Stack, _: Settings, __: random.Random) -> None:
    """Run the rotation twice at the same time."""
    before = stack.generation()
    stack.advance(PERIOD)
    outcomes: list[str] = []
    runs = [threading.Thread(target=lambda: outcomes.append(stack.rotate())) for _number in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    _expect("rotated" in outcomes and set(outcomes) <= {"rotated", "busy", "nothing due"}, f"one rotates: {outcomes}")
    _expect(stack.generation() == before + 1, "the ring is one generation further")


def older_state(stack: Stack, _: Settings, __: random.Random) -> None:
    """Restore the state from before a rotation, run, and restore the newest again."""
    folder = Path(tempfile.mkdtemp())
    try:
        _expect(stack.pulumi("stack", "export", "--file", str(folder / "older.json")) == 0, "the state is exported")
        stack.advance(PERIOD)
        _expect(stack.rotate() == "rotated", "the ring rotates")
        newest = stack.generation()
        _expect(stack.pulumi("stack", "export", "--file", str(folder / "newest.json")) == 0, "the state is exported")
        _expect(stack.pulumi("stack", "import", "--file", str(folder / "older.json")) == 0, "the state is imported")
        _expect(stack.rotate() == "stopped", "an older state stops the run")
        _expect(stack.up() != 0, "and a plain update")
        _expect(stack.generation() == newest, "the ring stays")
        _expect(stack.pulumi("stack", "import", "--file", str(folder / "newest.json")) == 0, "the state is imported")
        _expect(stack.rotate() == "nothing due", "the newest state is as the gateway")
    finally:
        shutil.rmtree(folder)


def refused_canary(stack: Stack, _: Settings, __: random.Random) -> None:
    """Delete the entry of the next key behind Pulumi's back: the canary stops the update, a refresh mends it."""
    before = stack.generation()
    kid = stack.portcullis("ring")[1]["slots"]["next"]["kid"]
    entries = "organizations/acme-sandbox/environments/local/keyvaluemaps/portcullis-keys/entries"
    url = f"{stack.apigee_api}{entries}/jwk.{kid}"
    httpx.delete(url, headers={"Authorization": "Bearer bench"}, trust_env=False).raise_for_status()
    stack.advance(PERIOD)
    _expect(stack.rotate() == "failed", "the canary stops the update")
    _expect(stack.generation() == before, "the Worker signs with the key before")
    _expect(stack.pulumi("refresh", "--yes", "--skip-preview") == 0, "a refresh finds the missing entry")
    _expect(stack.rotate() == "rotated", "the next run makes it anew and finishes")
    _expect(stack.generation() == before + 1, "the ring is one generation further")


def emergency(stack: Stack, _: Settings, __: random.Random) -> None:
    """Revoke the current key, at once again (too soon), drop it after the wait; then revoke the next key."""
    before = stack.generation()
    stack.advance(PERIOD)
    _expect(stack.portcullis("revoke", "current")[1]["outcome"] == "rotated", "the current key is revoked")
    code, again = stack.portcullis("revoke", "current")
    _expect((code, again["outcome"]) == (20, "stopped"), "a second emergency at once is refused")
    _expect("cannot be revoked before" in again["reason"], "with the time when it is possible")
    stack.advance(_WAIT_BEFORE_DROP)
    _expect(stack.rotate() == "rotated", "the revoked key is dropped")
    _expect(stack.portcullis("ring")[1]["slots"]["previous"] is None, "nobody trusts it any more")
    _expect(stack.portcullis("revoke", "next")[1]["outcome"] == "rotated", "the next key is replaced")
    _expect(stack.generation() == before + 3, "each step is a generation")


SCENARIOS: Final[dict[str, Scenario]] = {
    "rotations in a row": in_a_row,
    "missed runs": missed_runs,
    "killed after each resource": killed,
    "Apigee refuses writes": _refusing("apigee_api"),
    "Cloudflare refuses writes": _refusing("cloudflare_api"),
    "Apigee, then Cloudflare": _in_order("apigee_api", "cloudflare_api"),
    "Cloudflare, then Apigee": _in_order("cloudflare_api", "apigee_api"),
    "two runs at a time": at_the_same_time,
    "older state restored": older_state,
    "canary refused": refused_canary,
    "emergency": emergency,
}


def run_scenario(stack: Stack, name: str, settings: Settings, seed: int, token: str, pause_seconds: float) -> Callers:
    """Run one scenario under load and print its line; return the callers, who have stopped."""
    before = stack.generation()
    stack.learn_private_values()
    started = time.monotonic()
    callers = Callers(stack.gateway, token, pause_seconds=pause_seconds)
    with callers.calling():
        wait_until(lambda: callers.requests)
        SCENARIOS[name](stack, settings, random.Random(seed))
        stack.learn_private_values()
        done = callers.requests
        # What was deployed last answers some calls too.
        wait_until(lambda: callers.requests >= done + 5)
    rotations = stack.generation() - before
    print(
        f"{name:<28} requests {callers.requests:>6}  rejected {callers.rejected}  rotations {rotations:>2}"
        f"  seed {seed}  {time.monotonic() - started:.0f} s",
        flush=True,
    )
    return callers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios; the exit code is 1 where a request was rejected, a secret leaked or a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.rotation", description=__doc__)
    parser.add_argument("--rotations", type=int, default=ROTATIONS, help="in the first scenario")
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--only", choices=list(SCENARIOS), action="append", help="a scenario; may be given again")
    options = parser.parse_args(arguments)
    settings = Settings(options.rotations, range(1, MOST_RESOURCES))
    folder = Path(tempfile.mkdtemp(prefix="portcullis-rotation-"))
    try:
        return _run(folder, options.only or list(SCENARIOS), settings, options.seed)
    except BenchError as problem:
        print(f"bench.rotation: {problem}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, names: Sequence[str], settings: Settings, seed: int) -> int:
    checkout = make_checkout(folder)
    loosen_limits(folder)
    checkout.portcullis("sandbox", "start")
    try:
        checkout.run("pulumi", "stack", "init", "local", "--non-interactive")
        checkout.up()
        stack = Stack(checkout)
        rejected, requests, token = 0, 0, ""
        for name in names:
            # A token lives for an hour.
            token = checkout.portcullis("token")["token"]
            callers = run_scenario(stack, name, settings, seed, token, pause_seconds=0.02)
            rejected, requests = rejected + callers.rejected, requests + callers.requests
            if callers.rejected:
                print(f"{'':<28} {dict(callers.statuses)}")
        leaks = stack.leaks(token)
        print(f"{'all':<28} requests {requests:>6}  rejected {rejected}  seed {seed}")
        print(f"private values known {len(stack.private)}, found in {', '.join(leaks) or 'no place'}")
    finally:
        checkout.portcullis("sandbox", "stop")
    return 1 if rejected or leaks else 0


def _expect(holds: bool, promise: str) -> None:
    if not holds:
        raise BenchError(f"this does not hold: {promise}")


if __name__ == "__main__":
    sys.exit(main())

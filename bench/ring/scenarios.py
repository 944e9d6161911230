"""The events that a ring must survive without a refused request, one scenario for each, and all of them at random."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from bench.ring.loop import Process
from bench.ring.simulation import TIGHT, Scenario, World
from bench.ring.tiers import Key
from bench.ring.updates import State


def nothing(_: World) -> Process:
    """Rotations on time."""
    yield 0.0


def apigee_written_worker_not(world: World) -> Process:
    """Cloudflare refuses every write, for a while that grows to several periods."""
    for length in (0.2, 1.0, 3.0):
        yield world.period
        world.updates.weather.cloudflare_refuses = True
        yield length * world.period
        world.updates.weather.cloudflare_refuses = False
        yield world.period


def worker_written_apigee_not(world: World) -> Process:
    """Apigee loses the next key that it says it has written, and the Worker signs with the one before."""
    yield from miswritten(world, "nothing")


def canary_is_refused(world: World) -> Process:
    """Apigee keeps another key than the next one that it was given."""
    yield from miswritten(world, "another key")


def miswritten(world: World, stored: Literal["another key", "nothing"]) -> Process:
    """The canary stops the promotion of a key that Apigee does not trust, until its entry is mended."""
    for _ in range(4):
        world.updates.weather.apigee_stores = stored
        yield 1.2 * world.period
        world.updates.weather.apigee_stores = "the key"
        key = next_key(world)
        yield 2 * world.period
        if key is not None:
            yield from mended(world, key)


def either_tier_refuses(world: World) -> Process:
    """Each tier refuses every write, in turn."""
    for _ in range(3):
        yield world.period
        world.updates.weather.apigee_refuses = True
        yield 1.5 * world.period
        world.updates.weather.apigee_refuses, world.updates.weather.cloudflare_refuses = False, True
        yield 1.5 * world.period
        world.updates.weather.cloudflare_refuses = False


def next_key_is_lost(world: World) -> Process:
    """Somebody deletes the entry of the next key in Apigee: the canary stops its promotion until it is mended."""
    for _ in range(4):
        rotations = world.updates.outcomes["rotated"]
        while world.updates.outcomes["rotated"] == rotations or world.updates.running:
            yield 5.0
        lost = next_key(world)
        if lost is not None:
            world.clouds.withdraw(lost.kid)
            yield 2 * world.period
            yield from mended(world, lost)


def next_key(world: World) -> Key | None:
    """The key that is published and waits."""
    state = world.updates.state
    return None if state.ring is None or state.ring.next not in state.entries else state.keys[state.ring.next]


def mended(world: World, key: Key) -> Process:
    """As docs/rotation.md says: the schedule is stopped, the entry is made again, V is waited for."""
    world.runs_every = None
    while world.updates.running:
        yield 1.0
    world.clouds.publish(key)
    yield world.settings.verifier_delay_seconds
    world.runs_every = 60.0


def late_runs(world: World) -> Process:
    """Updates run at any time, mostly late."""
    while True:
        world.runs_every = world.chance.uniform(0.05, 1.0) * world.period
        yield world.chance.uniform(0, 2.0) * world.period


def missed_runs(world: World) -> Process:
    """No update runs for several periods, and again."""
    for length in (1.0, 3.0, 6.0):
        world.runs_every = None
        yield length * world.period
        world.runs_every = 60.0
        yield world.period


def run_twice(world: World) -> Process:
    """Two updates one right after the other, all the time."""
    world.runs_every = 10.0
    yield 0.0


def run_at_once(world: World) -> Process:
    """Two updates at once, of which the state's lock admits one."""
    world.loop.spawn(world.schedule())
    world.runs_every = 20.0
    yield 0.0


def run_at_once_without_a_lock(world: World) -> Process:
    """Two updates at once in a backend whose lock was lost: both make the next key, and one state is kept."""
    updates = world.updates
    updates.weather.locks_are_lost = True
    conflicts = 0
    while True:
        if updates.outcomes["RingConflictError"] > conflicts and not updates.running:
            # As the refusal says: find the state that the Worker was updated from, and go on with that.
            updates.restore(updates.deployed_from)
            conflicts = updates.outcomes["RingConflictError"]
        for delay in (0.0, world.chance.uniform(0, 60)):
            world.loop.after(delay, lambda: world.loop.spawn(updates.update()))
        yield world.period / 3


def older_state(world: World) -> Process:
    """An older state is restored, twice; some time later somebody puts the newest back."""
    for age in (1.5, 3.5):
        backup = world.updates.backup()
        yield age * world.period
        yield from restored(world, backup, 2 * world.period)
        yield world.period


def restored(world: World, backup: State, seconds: float) -> Process:
    """For so long, the state is the backup; an update that runs is waited for, as the backend makes one do.

    Where the Worker had not moved on since the backup, and the backup now has, that is the newest state.
    """
    updates = world.updates
    runs_every, world.runs_every = world.runs_every, None
    while updates.running:
        yield 1.0
    # Before that, an edge location that is asked may not run the newest ring itself: docs/ring-rules.md.
    yield world.settings.edge_delay_seconds
    world.runs_every = runs_every
    newest = updates.backup()
    updates.restore(backup)
    yield seconds
    while updates.running:
        yield 1.0
    if updates.state.seq == backup.seq:
        updates.restore(newest)


def killed_after_each_write(world: World) -> Process:
    """Each update of a rotation is killed after one write more than the one before, then each of an emergency."""
    weather = world.updates.weather
    for emergency in (False, True):
        for writes in range(6):
            weather.kill_after = writes
            if emergency:
                world.updates.revoke = current(world)
            while weather.threatens:
                yield 10.0
            yield 1.5 * world.period


def current(world: World) -> int | None:
    """The number of the key that signs."""
    ring = world.updates.state.ring
    return None if ring is None else ring.current


def store_down(world: World) -> Process:
    """The edge's key-value store is down, and isolates start afresh: what they sign with comes with their version."""
    while True:
        yield 5.0
        world.chance.choice(world.clouds.isolates).restart()


def current_is_compromised(world: World) -> Process:
    """The current key is revoked, and again once that is possible."""
    for _ in range(3):
        yield 1.7 * world.period
        world.updates.revoke = current(world)
        yield 2.5 * world.period


def next_is_compromised(world: World) -> Process:
    """The next key is revoked, shortly before it would sign too."""
    for wait in (1.7, 1.3, 1.9):
        yield wait * world.period
        ring = world.updates.state.ring
        world.updates.revoke = None if ring is None else ring.next
        yield world.period


def emergencies_too_soon(world: World) -> Process:
    """One emergency right after the other: each asks for more than the rules allow at that time."""
    while True:
        ring = world.updates.state.ring
        world.updates.revoke = None if ring is None else world.chance.choice(ring.published)
        yield world.chance.uniform(0.1, 0.8) * world.period


def revoked_while_the_edge_refuses(world: World) -> Process:
    """The current key is revoked while Cloudflare refuses writes: nothing may be dropped before another one signs."""
    yield 1.2 * world.period
    world.updates.weather.cloudflare_refuses = True
    world.updates.revoke = current(world)
    yield 3 * world.period
    world.updates.weather.cloudflare_refuses = False


def paused(world: World) -> Process:
    """Rotation is paused and resumed."""
    for length in (0.5, 2.0):
        yield world.period
        world.updates.mode = "paused"
        yield length * world.period
        world.updates.mode = "auto"


def everything(world: World) -> Process:
    """Everything above, at random and at once."""
    updates, chance = world.updates, world.chance
    backup = updates.backup()
    while True:
        weather = updates.weather
        weather.apigee_refuses, weather.cloudflare_refuses = chance.random() < 0.2, chance.random() < 0.2
        weather.kill_after = chance.choice((None, None, *range(9)))
        world.runs_every = chance.choice((None, 20.0, 60.0, 60.0, 0.7 * world.period))
        updates.mode = chance.choice(("auto", "auto", "auto", "paused"))
        ring = updates.state.ring
        if ring is not None and chance.random() < 0.1:
            updates.revoke = chance.choice(ring.published)
        if chance.random() < 0.1 and not updates.running:
            backup = updates.backup()
        if chance.random() < 0.05:
            yield from restored(world, backup, chance.uniform(0.1, 1.0) * world.period)
        yield chance.uniform(0.1, 0.8) * world.period


LONG_TOKENS: Final = replace(
    # I2 decides the shortest period here, where I1 does in `TIGHT`.
    TIGHT,
    period_seconds=435,
    token_life_seconds=300,
    key_cache_seconds=30,
    reuse_seconds=200,
)
WRONG_CLOCKS: Final = replace(
    TIGHT, period_seconds=375, clock_error_seconds=15, leeway_seconds=30, token_life_seconds=90, reuse_seconds=40
)
# What is deleted by hand must be gone everywhere before it would sign: no rule helps a key that goes after that.
ROOMY: Final = replace(TIGHT, period_seconds=1_200)
TWO_DAYS: Final = replace(TIGHT, period_seconds=172_800)

SCENARIOS: Final = (
    Scenario("rotations on time", nothing),
    Scenario("rotations on time, long-lived tokens", nothing, LONG_TOKENS),
    Scenario("rotations on time, wrong clocks", nothing, WRONG_CLOCKS),
    Scenario("Apigee written, Worker not", apigee_written_worker_not),
    Scenario("Worker written, Apigee not", worker_written_apigee_not),
    Scenario("each tier down for more than a period", either_tier_refuses, periods=20),
    Scenario(
        "the default period, each tier down for 3 days", either_tier_refuses, TWO_DAYS, periods=20, runs_every=900
    ),
    Scenario("read-back differs: the next key is deleted", next_key_is_lost, ROOMY),
    Scenario("canary is refused: Apigee has another key", canary_is_refused),
    Scenario("late runs", late_runs, periods=24),
    Scenario("missed runs", missed_runs, periods=20),
    Scenario("run twice", run_twice),
    Scenario("run at once", run_at_once),
    Scenario("run at once without a lock", run_at_once_without_a_lock),
    Scenario("an older state is restored", older_state, periods=20),
    Scenario("killed after each write", killed_after_each_write, periods=36),
    Scenario("KV down, isolates start afresh", store_down),
    Scenario("current key is compromised", current_is_compromised, bounds_exposure=True),
    Scenario("current key is compromised, Cloudflare refuses", revoked_while_the_edge_refuses),
    Scenario("next key is compromised", next_is_compromised),
    Scenario("emergencies too soon", emergencies_too_soon),
    Scenario("paused and resumed", paused),
    Scenario("everything at random", everything, periods=60),
    Scenario("everything at random, long-lived tokens", everything, LONG_TOKENS, periods=60),
)

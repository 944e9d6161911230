"""Runs one history of a ring and counts what its callers noticed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from bench.ring.loop import Loop, Process
from bench.ring.tiers import Clouds, slowest
from bench.ring.updates import Practice, Updates
from portcullis.ring import Settings, exposure, minimum_period

START: Final = 1_700_000_040
ISOLATES: Final = 12
VERIFIERS: Final = 6
TIGHT: Final = Settings(
    # The shortest period that these lifetimes allow: the rules have nothing to spare.
    period_seconds=365,
    token_life_seconds=60,
    leeway_seconds=10,
    key_cache_seconds=300,
    edge_propagation_seconds=100,
    edge_cache_seconds=20,
    delivery_seconds=20,
    reuse_seconds=30,
)
"""What a scenario runs with unless it says otherwise."""

Story: TypeAlias = Callable[["World"], Process]


@dataclass(frozen=True)
class Scenario:
    """A history: what happens while requests are served, in a world as slow as `physics` says."""

    name: str
    story: Story
    settings: Settings = TIGHT
    physics: Mapping[str, float] = field(default_factory=dict[str, float])
    """What is otherwise than the slowest world that the settings allow for."""
    practice: Practice = field(default_factory=Practice)
    periods: int = 16
    runs_every: float = 60.0
    bounds_exposure: bool = False
    """Whether a revoked key must be gone in time: updates run, and no cloud refuses."""


@dataclass(frozen=True)
class Outcome:
    """What a history came to, in counts."""

    scenario: str
    seed: int
    requests: int
    refusals: Mapping[str, int]
    updates: Mapping[str, int]
    exposed: int
    """Revoked keys that some Apigee node trusted after the bound, where the scenario promises one."""

    @property
    def refused(self) -> int:
        """All refused requests."""
        return sum(self.refusals.values())

    @property
    def rotations(self) -> int:
        """Scheduled steps and promotions in an emergency."""
        return self.updates.get("rotated", 0) + self.updates.get("promoted", 0)


class World:
    """Time, the two clouds and whoever updates the stack: what a story tells of."""

    def __init__(self, scenario: Scenario, chance: random.Random, isolates: int, verifiers: int) -> None:
        self.settings, self.chance = scenario.settings, chance
        self.loop = Loop(START)
        physics = replace(slowest(scenario.settings), **scenario.physics)
        self.clouds = Clouds(self.loop, chance, physics, isolates, verifiers)
        self.updates = Updates(self.clouds, scenario.settings, scenario.practice)
        self.runs_every: float | None = scenario.runs_every
        self.exposed = 0

    @property
    def period(self) -> float:
        """About as long as it takes from one rotation to the next."""
        settings = self.settings
        return max(settings.period_seconds, minimum_period(settings).seconds + settings.update_seconds) + 120.0

    def schedule(self) -> Process:
        """The scheduler: an update, and another one after a while, for ever; none while `runs_every` is None."""
        while True:
            if self.runs_every is not None:
                self.loop.spawn(self.updates.update())
            yield self.chance.uniform(0.5, 1.5) * (self.runs_every or 60.0)

    def watch_revoked(self) -> Process:
        """Look whether a revoked key outlives its bound."""
        watched = 0
        while True:
            for key, promoted in self.updates.promotions[watched:]:
                watched += 1
                # The scheduler's own interval comes on top: a key is dropped by the first run when that is due.
                until = promoted + exposure(self.settings).seconds + 2 * (self.runs_every or 60.0)
                self.loop.at(until, lambda kid=key.kid: self._look(kid))
            yield 30.0

    def _look(self, kid: str) -> None:
        self.exposed += int(self.clouds.trusted(kid))


def simulate(
    scenario: Scenario, seed: int, requests: int, isolates: int = ISOLATES, verifiers: int = VERIFIERS
) -> Outcome:
    """Run a scenario with so many requests, spread over its time. The same seed gives the same outcome."""
    chance = random.Random(f"{scenario.name} {seed}")
    world = World(scenario, chance, isolates, verifiers)
    loop = world.loop
    loop.spawn(world.schedule())
    # A new gateway has no callers before its first keys are everywhere.
    physics = world.clouds.physics
    quiet = world.period + physics.edge_propagation + physics.edge_cache
    loop.run(START + quiet)
    loop.spawn(scenario.story(world))
    if scenario.bounds_exposure:
        loop.spawn(world.watch_revoked())
    lasting = scenario.periods * world.period
    for _ in range(requests):
        loop.at(loop.now + chance.uniform(0, lasting), world.clouds.request)
    loop.run(loop.now + lasting + physics.delivery + 1)
    return Outcome(
        scenario=scenario.name,
        seed=seed,
        requests=world.clouds.requests,
        refusals=Counter(world.clouds.refusals),
        updates=Counter(world.updates.outcomes),
        exposed=world.exposed,
    )

"""What an update of the stack does to the two tiers: the real step, then the writes in the order of the graph.

As in Pulumi, what was done is remembered write by write; an update that fails or is killed stops where it is, and the
next one does what is missing. Added keys are published before the Worker gets its new version, keys that nobody needs
any more are withdrawn after it.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from bench.ring.loop import Process
from bench.ring.tiers import Clouds, Key, WorkerRing, skewed
from portcullis.ring import (
    Canary,
    Decision,
    Mode,
    ReadBack,
    RevocationError,
    Ring,
    RingConflictError,
    Settings,
    decide,
    due,
)

WRITES = 10
"""No update of a ring writes more often."""

Write: TypeAlias = Callable[[], None]


@dataclass
class State:
    """The stack's state: where the ring stands, and what was made for it."""

    ring: Ring | None = None
    keys: dict[int, Key] = field(default_factory=dict[int, Key])
    entries: set[int] = field(default_factory=set[int])
    worker_seq: int = 0

    @property
    def seq(self) -> int:
        """The ring's seq; 0 before there is one."""
        return 0 if self.ring is None else self.ring.seq


@dataclass(frozen=True)
class Practice:
    """How updates are run. The defaults keep the rules; each other value breaks one."""

    reads_back: bool = True
    steps_in_a_run: int = 1
    withdraws_before_deploying: bool = False
    replaces_entries: bool = False
    names_keys_by_slot: bool = False


@dataclass
class Weather:
    """What goes wrong at present."""

    apigee_refuses: bool = False
    cloudflare_refuses: bool = False
    locks_are_lost: bool = False
    """Two updates may run at once."""
    worker_goes_first: bool = False
    """The Worker is written before Apigee, and though Apigee refuses."""
    kill_after: int | None = None
    """The next update that moves the ring is killed after so many writes; half of the time it has done one more that
    is not in the state."""

    @property
    def threatens(self) -> bool:
        """Whether the next update that moves the ring will be killed."""
        return self.kill_after is not None


class StoppedError(Exception):
    """A cloud refused a write, or the update was killed."""


class Updates:
    """Runs updates and counts what they did, by the name of the change or of what stopped it."""

    def __init__(self, clouds: Clouds, settings: Settings, practice: Practice) -> None:
        self.clouds, self.settings, self.practice = clouds, settings, practice
        self.weather = Weather()
        self.state = State()
        self.mode: Mode = "auto"
        self.revoke: int | None = None
        self.outcomes: Counter[str] = Counter()
        self.promotions: list[tuple[Key, float]] = []
        self._running = 0
        self._material = itertools.count(1)

    @property
    def running(self) -> bool:
        """Whether an update is on its way."""
        return self._running > 0

    def backup(self) -> State:
        """A copy of the state."""
        return copy.deepcopy(self.state)

    def restore(self, backup: State) -> None:
        """Put an older state in the place of the newest."""
        self.state = copy.deepcopy(backup)

    def update(self) -> Process:
        """One update. Where another one runs, the state's lock refuses it."""
        if self._running and not self.weather.locks_are_lost:
            self.outcomes["locked out"] += 1
            return
        self._running += 1
        try:
            yield from self._update()
        except StoppedError:
            self.outcomes["stopped"] += 1
        except (RingConflictError, RevocationError) as refusal:
            self.outcomes[type(refusal).__name__] += 1
        finally:
            self._running -= 1

    def _update(self) -> Process:
        state = self.backup()
        decision = self._decide(state)
        self.outcomes[decision.change] += 1
        ring = state.ring = decision.ring
        if decision.change == "promoted" and ring.previous is not None:
            self.promotions.append((state.keys[ring.previous], self.clouds.loop.now))
        left = None
        if decision.change not in ("none", "held"):
            left, self.weather.kill_after = self.weather.kill_after, None
        for written, write in enumerate(self._writes(ring, state)):
            if left is not None and written >= left:
                if self.clouds.chance.random() < 1 / 2:
                    write()
                raise StoppedError
            write()
            self.state = copy.deepcopy(state)
            yield self.clouds.chance.uniform(0, self.settings.update_seconds / WRITES)

    def _decide(self, state: State) -> Decision:
        # Machines that run updates have clocks as wrong as any other's.
        now = self.clouds.loop.now + skewed(self.clouds.chance, self.settings.clock_error_seconds)
        found = self._read_back(state, now) if self.practice.reads_back and state.ring is not None else None
        decision = decide(state.ring, now, self.settings, mode=self.mode, revoke=self.revoke, found=found)
        for _ in range(1, self.practice.steps_in_a_run):
            # Who takes the slot from the clock takes several at once after missed runs.
            if decision.change == "rotated":
                decision = decide(decision.ring, due(decision.ring, self.settings), self.settings)
        return decision

    def _read_back(self, state: State, now: float) -> ReadBack:
        """Ask any edge node what it holds, list Apigee's entries, and send a canary where a step is near."""
        ring, chance = state.ring, self.clouds.chance
        assert ring is not None
        found = chance.choice(self.clouds.isolates).ring
        canary: Canary = "not sent"
        if now >= due(ring, self.settings) or self.revoke == ring.current:
            key = state.keys.get(ring.next)
            known = None if key is None else self.clouds.probe(chance.choice(self.clouds.verifiers), key.kid)
            canary = "accepted" if known == key else "refused"
        seq, kids = (0, frozenset[str]()) if found is None else (found.seq, found.kids)
        return ReadBack(seq, kids, frozenset(self.clouds.entries), canary)

    def _writes(self, ring: Ring, state: State) -> Iterator[Write]:
        """What is to do, one by one; each looks at the weather when it is its turn."""
        yield lambda: None  # The generation is in the state.
        for number in ring.signing:
            if number not in state.keys:
                yield lambda number=number: self._make_key(number, state)
        if self.practice.withdraws_before_deploying:
            revoked = set[int]() if ring.revoked is None else {ring.revoked}
            yield from self._withdrawals(set(ring.published) - revoked, state)
        parts = [self._publications(ring, state), self._deployment(ring, state)]
        yield from itertools.chain(*(reversed(parts) if self.weather.worker_goes_first else parts))
        yield from self._withdrawals(set(ring.published), state)

    def _publications(self, ring: Ring, state: State) -> Iterator[Write]:
        for number in ring.published:
            if self.practice.replaces_entries and number in state.entries:
                yield lambda number=number: self._withdraw(number, state)
            if number not in state.entries:
                yield lambda number=number: self._publish(number, state)

    def _deployment(self, ring: Ring, state: State) -> Iterator[Write]:
        if state.worker_seq != ring.seq:
            yield lambda: self._deploy(ring, state)

    def _withdrawals(self, kept: set[int], state: State) -> Iterator[Write]:
        for number in sorted(state.entries - kept):
            yield lambda number=number: self._withdraw(number, state)

    def _make_key(self, number: int, state: State) -> None:
        material = next(self._material)
        name = f"slot-{number % 3}" if self.practice.names_keys_by_slot else f"key-{material}"
        state.keys[number] = Key(name, material)

    def _publish(self, number: int, state: State) -> None:
        if self.weather.apigee_refuses:
            raise StoppedError
        self.clouds.publish(state.keys[number])
        state.entries.add(number)

    def _withdraw(self, number: int, state: State) -> None:
        if self.weather.apigee_refuses:
            raise StoppedError
        self.clouds.withdraw(state.keys[number].kid)
        state.entries.discard(number)

    def _deploy(self, ring: Ring, state: State) -> None:
        if self.weather.cloudflare_refuses:
            raise StoppedError
        kids = frozenset(state.keys[number].kid for number in ring.published)
        self.clouds.deploy(WorkerRing(ring.seq, state.keys[ring.current], kids, self.clouds.loop.now))
        state.worker_seq = ring.seq

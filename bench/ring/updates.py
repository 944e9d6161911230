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
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from bench.ring.loop import Process
from bench.ring.tiers import Clouds, Key, WorkerRing, skewed
from portcullis.ring import (
    Decision,
    Mode,
    ReadBack,
    RevocationError,
    Ring,
    RingConflictError,
    Settings,
    decide,
    due,
    is_new,
    refuse_conflict,
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
    worker: tuple[int, frozenset[str]] | None = None
    """The Worker's ring as it was last written: its seq and its kids."""

    @property
    def seq(self) -> int:
        """The ring's seq; 0 before there is one."""
        return 0 if self.ring is None else self.ring.seq


@dataclass(frozen=True)
class Practice:
    """How updates are run. The defaults keep the rules; each other value breaks one."""

    guarded: bool = True
    """Reads back, sends the canary, and lets no key sign that was made just now."""
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
    apigee_stores: Literal["the key", "another key", "nothing"] = "the key"
    """What becomes of an entry that Apigee says it has written."""
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
        self.deployed_from = State()
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
        if decision.change == "promoted" and ring.previous in state.keys:
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
        found = self._read_back() if self.practice.guarded and state.ring is not None else None
        decision = decide(state.ring, now, self.settings, mode=self.mode, revoke=self.revoke, found=found)
        for _ in range(1, self.practice.steps_in_a_run):
            # Who takes the slot from the clock takes several at once after missed runs.
            if decision.change == "rotated":
                decision = decide(decision.ring, due(decision.ring, self.settings), self.settings)
        return decision

    def _read_back(self) -> ReadBack:
        """Ask any edge node what it holds."""
        found = self.clouds.chance.choice(self.clouds.isolates).ring
        return ReadBack(0, frozenset()) if found is None else ReadBack(found.seq, found.kids)

    def _writes(self, ring: Ring, state: State) -> Iterator[Write]:
        """What is to do, one by one; each looks at the weather when it is its turn."""
        yield lambda: None  # The generation is in the state.
        for number in ring.signing:
            if number not in state.keys:
                yield lambda number=number: self._make_key(number, ring, state)
        if self.practice.withdraws_before_deploying:
            revoked = set[int]() if ring.revoked is None else {ring.revoked}
            yield from self._withdrawals(set(ring.published) - revoked, state)
        yield from self._publications(ring, state)
        yield from self._deployment(ring, state)
        yield from self._withdrawals(set(ring.published), state)

    def _publications(self, ring: Ring, state: State) -> Iterator[Write]:
        for number in ring.published:
            if self.practice.replaces_entries and number in state.entries:
                yield lambda number=number: self._withdraw(number, state)
            if number not in state.entries:
                yield lambda number=number: self._publish(number, state)

    def _deployment(self, ring: Ring, state: State) -> Iterator[Write]:
        if self._worker_ring(ring, state) != state.worker:
            if state.worker is not None:
                yield lambda: self._send_canary(ring, state)
            yield lambda: self._deploy(ring, state)

    def _withdrawals(self, kept: set[int], state: State) -> Iterator[Write]:
        for number in sorted(state.entries - kept):
            yield lambda number=number: self._withdraw(number, state)

    def _make_key(self, number: int, ring: Ring, state: State) -> None:
        if self.practice.guarded and number == ring.current and not is_new(ring.seq, ring.previous, ring.current):
            raise StoppedError
        material = next(self._material)
        name = f"slot-{number % 3}" if self.practice.names_keys_by_slot else f"key-{material}"
        state.keys[number] = Key(name, material)

    def _publish(self, number: int, state: State) -> None:
        if self.weather.apigee_refuses:
            raise StoppedError
        key = state.keys[number]
        if self.weather.apigee_stores != "nothing":
            self.clouds.publish(key if self.weather.apigee_stores == "the key" else replace(key, material=-1))
        state.entries.add(number)

    def _withdraw(self, number: int, state: State) -> None:
        if self.weather.apigee_refuses:
            raise StoppedError
        self.clouds.withdraw(state.keys[number].kid)
        state.entries.discard(number)

    def _send_canary(self, ring: Ring, state: State) -> None:
        """Ask any Apigee node for the key that is to sign, and the edge whether it is ahead."""
        if not self.practice.guarded:
            return
        refuse_conflict(ring.seq, self._read_back(), self._kids(ring, state))
        key = state.keys[ring.current]
        if self.clouds.probe(self.clouds.chance.choice(self.clouds.verifiers), key.kid) != key:
            raise StoppedError

    def _deploy(self, ring: Ring, state: State) -> None:
        if self.weather.cloudflare_refuses:
            raise StoppedError
        self.clouds.deploy(
            WorkerRing(ring.seq, state.keys[ring.current], self._kids(ring, state), self.clouds.loop.now)
        )
        state.worker = self._worker_ring(ring, state)
        self.deployed_from = copy.deepcopy(state)

    def _worker_ring(self, ring: Ring, state: State) -> tuple[int, frozenset[str]]:
        return ring.seq, self._kids(ring, state)

    def _kids(self, ring: Ring, state: State) -> frozenset[str]:
        return frozenset(state.keys[number].kid for number in ring.published)

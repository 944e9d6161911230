"""The two tiers as far as a signing key can tell: when a node learns of a write, what it keeps, what its clock says.

Everything here is what the real clouds do or may do; nothing is decided here. Delays are drawn anew for every node and
write, and a third of them are as long as they may be.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from bench.ring.loop import Loop
from portcullis.ring import Settings

# The moment before a write becomes visible: a key that is asked for then is remembered as absent for the longest time.
_JUST_BEFORE = 1e-6


@dataclass(frozen=True)
class Physics:
    """How slow and how wrong the world is, in seconds, by the symbols of the rules."""

    edge_propagation: float
    edge_cache: float
    apigee_propagation: float
    key_cache: float
    token_life: float
    leeway: float
    clock_error: float
    delivery: float
    reuse: float
    hard_sign_until: float | None = None
    """Not None: an isolate refuses to sign so long after its ring was made (what I11 forbids)."""


@dataclass(frozen=True)
class Key:
    """A key: its name, and something only it has."""

    kid: str
    material: int


@dataclass(frozen=True)
class WorkerRing:
    """What a version of the Worker is bound to."""

    seq: int
    signing: Key
    kids: frozenset[str]
    made_at: float


@dataclass(frozen=True)
class Token:
    """An internal token: the key that signed it, and the two times in it, by the clock of the isolate."""

    key: Key
    issued: float
    expires: float


def drawn(chance: random.Random, longest: float) -> float:
    """A delay of up to `longest`, which a third of all delays take."""
    return longest if chance.random() < 1 / 3 else chance.uniform(0, longest)


def skewed(chance: random.Random, most: float) -> float:
    """A clock's error: a third of the clocks are as wrong as they may be."""
    return chance.choice((-most, most)) if chance.random() < 1 / 3 else chance.uniform(-most, most)


@dataclass
class Isolate:
    """An edge node: signs with the ring of the version it runs; may use a token again."""

    skew: float
    ring: WorkerRing | None = None
    version: int = -1
    _kept: Token | None = None

    def run(self, version: int, ring: WorkerRing) -> None:
        """Begin to run a version, unless a later one has arrived already."""
        if version > self.version:
            self.version, self.ring, self._kept = version, ring, None

    def restart(self) -> None:
        """Start afresh: the ring comes with the version, what was remembered does not."""
        self._kept = None

    def token(self, now: float, physics: Physics) -> Token | None:
        """A token for one request; None where the isolate refuses to sign."""
        if self.ring is None:
            return None
        if physics.hard_sign_until is not None and now > self.ring.made_at + physics.hard_sign_until:
            return None
        clock = now + self.skew
        if self._kept is None or clock - self._kept.issued > physics.reuse:
            self._kept = Token(self.ring.signing, clock, clock + physics.token_life)
        return self._kept


@dataclass
class Verifier:
    """An Apigee node: reads the key value map as it sees it, and keeps what it has read, absence too."""

    skew: float
    _visible: dict[str, tuple[int, Key | None]] = field(default_factory=dict)
    _kept: dict[str, tuple[Key | None, float]] = field(default_factory=dict)

    def see(self, write: int, kid: str, key: Key | None) -> None:
        """A write has arrived, unless a later one of the same entry has."""
        if write > self._visible.get(kid, (-1, None))[0]:
            self._visible[kid] = (write, key)

    def lookup(self, kid: str, now: float, physics: Physics) -> Key | None:
        """The key of that name, as this node knows it."""
        kept = self._kept.get(kid)
        if kept is None or now >= kept[1]:
            kept = (self._visible.get(kid, (-1, None))[1], now + physics.key_cache)
            self._kept[kid] = kept
        return kept[0]

    def knows(self, kid: str, now: float) -> bool:
        """Whether a lookup would find the key now. Nothing is read, and so nothing kept."""
        kept = self._kept.get(kid)
        found = kept[0] if kept is not None and now < kept[1] else self._visible.get(kid, (-1, None))[1]
        return found is not None

    def refusal(self, token: Token, now: float, physics: Physics) -> str:
        """Why this node refuses the token; empty where it does not."""
        key = self.lookup(token.key.kid, now, physics)
        if key is None:
            return "unknown key"
        if key != token.key:
            return "wrong signature"
        clock = now + self.skew
        if clock > token.expires + physics.leeway:
            return "expired"
        if token.issued > clock + physics.leeway:
            return "issued in the future"
        return ""


class Clouds:
    """Both tiers: what was written, and how it spreads. Counts requests and refusals, by reason and by time."""

    def __init__(self, loop: Loop, chance: random.Random, physics: Physics, isolates: int, verifiers: int) -> None:
        self.loop, self.chance, self.physics = loop, chance, physics
        self.isolates = [Isolate(skewed(chance, physics.clock_error)) for _ in range(isolates)]
        self.verifiers = [Verifier(skewed(chance, physics.clock_error)) for _ in range(verifiers)]
        self.entries: dict[str, Key] = {}
        self.deployed: WorkerRing | None = None
        self.requests = 0
        self.refusals: Counter[str] = Counter()
        self._writes = 0

    @property
    def refused(self) -> int:
        """All refused requests."""
        return self.refusals.total()

    def deploy(self, ring: WorkerRing) -> None:
        """Upload a version of the Worker: each isolate runs it when it gets there."""
        self.deployed = ring
        self._writes += 1
        for isolate in self.isolates:
            delay = drawn(self.chance, self.physics.edge_propagation) + drawn(self.chance, self.physics.edge_cache)
            self.loop.after(delay, lambda isolate=isolate, version=self._writes: isolate.run(version, ring))

    def publish(self, key: Key) -> None:
        """Write a key's entry."""
        self.entries[key.kid] = key
        self._spread(key.kid, key)

    def withdraw(self, kid: str) -> None:
        """Delete a key's entry."""
        self.entries.pop(kid, None)
        self._spread(kid, None)

    def _spread(self, kid: str, key: Key | None) -> None:
        self._writes += 1
        for node in self.verifiers:
            delay = drawn(self.chance, self.physics.apigee_propagation)
            # Somebody who has seen the key's name in the public key set asks for it at the worst moment.
            self.loop.after(delay - _JUST_BEFORE, lambda node=node: self.probe(node, kid))
            self.loop.after(delay, lambda node=node, write=self._writes: node.see(write, kid, key))

    def probe(self, node: Verifier, kid: str) -> Key | None:
        """Ask a node for a key, as any caller can."""
        return node.lookup(kid, self.loop.now, self.physics)

    def request(self) -> None:
        """One request: an isolate signs for it, and some time later an Apigee node judges it."""
        isolate, node = self.chance.choice(self.isolates), self.chance.choice(self.verifiers)
        self.requests += 1
        token = isolate.token(self.loop.now, self.physics)
        if token is None:
            self.refusals["the edge does not sign"] += 1
            return
        self.loop.after(drawn(self.chance, self.physics.delivery), lambda: self._judge(token, node))

    def _judge(self, token: Token, node: Verifier) -> None:
        refusal = node.refusal(token, self.loop.now, self.physics)
        if refusal:
            self.refusals[refusal] += 1

    def trusted(self, kid: str) -> bool:
        """Whether any Apigee node trusts the key now. Asks nobody, so it changes nothing."""
        return any(node.knows(kid, self.loop.now) for node in self.verifiers)


def slowest(settings: Settings) -> Physics:
    """The slowest and most wrong world that the settings of a ring allow for."""
    return Physics(
        edge_propagation=settings.edge_propagation_seconds,
        edge_cache=settings.edge_cache_seconds,
        apigee_propagation=settings.apigee_propagation_seconds,
        key_cache=settings.key_cache_seconds,
        token_life=settings.token_life_seconds,
        leeway=settings.leeway_seconds,
        clock_error=settings.clock_error_seconds,
        delivery=settings.delivery_seconds,
        reuse=settings.reuse_seconds,
    )

"""Which target server of a load balancer is asked, and which are taken out: the load balancing guide of Apigee.

State is that of a message processor: by load balancer, in memory, gone with the deployment.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from portcullis.sandbox.apigee.runtime.connection import Connection, Server
from portcullis.sandbox.clock import Clock


@dataclass
class _State:
    """One server's. `current` is its credit in the weighted turn, `down_since` when it was taken out."""

    failures: int = 0
    in_flight: int = 0
    current: int = 0
    down_since: float | None = None


@dataclass
class _Balancer:
    turn: int = 0
    servers: dict[str, _State] = field(default_factory=dict[str, _State])

    def state(self, name: str) -> _State:
        return self.servers.setdefault(name, _State())


Named = tuple[str, Server]
"""A server with its name, which may have been a template."""


class Balancing:
    """The state of every load balancer, by a key that names it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._balancers: dict[str, _Balancer] = {}

    def forget(self) -> None:
        """Start anew: what a deployment does."""
        self._balancers.clear()

    def order(self, key: str, connection: Connection, servers: Sequence[Named]) -> list[Named]:
        """Return the servers in the order to try them; those that are taken out are left out, fallbacks come last."""
        balancer = self._balancers.setdefault(key, _Balancer())
        alive = [one for one in servers if balancer.state(one[0]).down_since is None]
        first = [one for one in alive if not one[1].fallback]
        return [*_in_turn(balancer, connection.algorithm, first), *(one for one in alive if one[1].fallback)]

    def due(self, key: str, connection: Connection, servers: Sequence[Named]) -> list[Named]:
        """Return the servers that are taken out and whose health monitor would look again by now."""
        balancer = self._balancers.setdefault(key, _Balancer())
        now = self._clock.now()
        found: list[Named] = []
        for one in servers:
            since = balancer.state(one[0]).down_since
            if since is not None and connection.monitor is not None and now >= since + connection.monitor.interval:
                found.append(one)
        return found

    @contextmanager
    def request(self, key: str, name: str) -> Generator[None]:
        """Count a request as under way to the server."""
        state = self._balancers.setdefault(key, _Balancer()).state(name)
        state.in_flight += 1
        try:
            yield
        finally:
            state.in_flight -= 1

    def failed(self, key: str, connection: Connection, name: str) -> None:
        """Count a failure; too many in a row take the server out."""
        state = self._balancers.setdefault(key, _Balancer()).state(name)
        state.failures += 1
        if connection.max_failures and state.failures >= connection.max_failures:
            state.down_since = self._clock.now()

    def succeeded(self, key: str, name: str) -> None:
        """Forget the server's failures, and put it back where it was taken out."""
        state = self._balancers.setdefault(key, _Balancer()).state(name)
        state.failures, state.down_since = 0, None

    def still_down(self, key: str, name: str) -> None:
        """Wait another interval of the health monitor."""
        self._balancers.setdefault(key, _Balancer()).state(name).down_since = self._clock.now()


def _in_turn(balancer: _Balancer, algorithm: str, servers: list[Named]) -> list[Named]:
    if not servers:
        return []
    if algorithm == "Weighted":
        return _weighted(balancer, servers)
    start = balancer.turn % len(servers)
    balancer.turn += 1
    rotated = [*servers[start:], *servers[:start]]
    if algorithm == "LeastConnections":
        rotated.sort(key=lambda one: balancer.state(one[0]).in_flight)
    return rotated


def _weighted(balancer: _Balancer, servers: list[Named]) -> list[Named]:
    """Smooth weighted round robin: in any run of as many requests as the weights sum to, each gets its weight."""
    for name, server in servers:
        balancer.state(name).current += server.weight
    ordered = sorted(servers, key=lambda one: balancer.state(one[0]).current, reverse=True)
    balancer.state(ordered[0][0]).current -= sum(server.weight for _, server in servers)
    return ordered

"""What the templates of the Apigee proxy are filled with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from portcullis.contract.model import Backend, Burst, Contract
from portcullis.contract.paths import apigee_resource, most_specific_first, shape
from portcullis.contract.protection import JsonBody, Pattern, Protection
from portcullis.ring import ALGORITHMS

# Apigee's own default, less where the whole budget of the backend is smaller.
CONNECT_MILLIS: Final = 3000
_UNIT: Final = {"second": "ps", "minute": "pm"}


@dataclass(frozen=True)
class Route:
    """One operation as the proxy sees it. `burst` is the rate of a SpikeArrest, `burst_policy` the same rate as
    parameters of a RateLimit-Policy item; `protection`, `cache_seconds` and `cache_per` are empty for none."""

    name: str
    method: str
    route: str
    pattern: str
    product: str
    roles: tuple[str, ...]
    backend: str
    burst: str
    burst_policy: str
    protection: str
    cache_seconds: str
    cache_per: str


@dataclass(frozen=True)
class Path:
    """A path, whatever its parameters are called, with the methods that some operation has on it."""

    name: str
    route: str
    pattern: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A backend, with its times in milliseconds."""

    name: str
    connect_millis: int
    timeout_millis: int


@dataclass(frozen=True)
class Guard:
    """A protection, with its patterns by place and the policies that it is made of."""

    name: str
    max_body_bytes: int | None
    json_body: JsonBody | None
    patterns: tuple[Pattern, ...]

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies that check it."""
        return (
            *((f"JTP-{self.name}",) if self.json_body is not None else ()),
            *((f"RE-{self.name}",) if self.patterns else ()),
        )

    def found_in(self, where: str) -> dict[str, list[str]]:
        """The patterns of one place, by the name of the parameter or header (empty for path and body)."""
        found: dict[str, list[str]] = {}
        for pattern in self.patterns:
            if pattern.where == where:
                found.setdefault(pattern.name or "", []).append(pattern.refuse)
        return found


@dataclass(frozen=True)
class Verifier:
    """A VerifyJWT policy, by its name, and the algorithms it takes."""

    policy: str
    algorithms: tuple[str, ...]


def bundle_values(contract: Contract, issuer: str, audience: str, environment: str) -> dict[str, Any]:
    """Derive what the templates take. Names in it are those that the templates use."""
    routes = [_route(contract, product, name) for product, name, _ in most_specific_first(contract)]
    guards = [_guard(name, protection) for name, protection in contract.protections.items()]
    return {
        "api": contract.api,
        "cors": contract.api.cors,
        "operations": routes,
        "paths": _paths(routes),
        "protections": guards,
        "sizes": any(guard.max_body_bytes for guard in guards),
        "json_bodies": any(guard.json_body for guard in guards),
        "query_patterns": any(guard.found_in("query") for guard in guards),
        "caching": any(route.cache_seconds for route in routes),
        "backends": [_target(name, backend) for name, backend in contract.backends.items()],
        "verifiers": _verifiers(),
        "leeway_seconds": contract.apigee.leeway_seconds,
        "key_cache_seconds": contract.apigee.key_cache_seconds,
        "token_life_seconds": contract.edge.token_life_seconds,
        "audit_subject": contract.audit.subject,
        "internal_issuer": issuer,
        "internal_audience": audience,
        "environment": environment,
    }


def _verifiers() -> list[Verifier]:
    """A policy for each type of key that the ring may hold.

    Together they take every algorithm of the ring, so that another one for new keys needs no new proxy. They are two
    since VerifyJWT takes no ES algorithm together with an RS or PS one.
    """
    elliptic = tuple(name for name in ALGORITHMS if name.startswith("ES"))
    rsa = tuple(name for name in ALGORITHMS if name not in elliptic)
    return [Verifier("JWT-VerifyEdgeTokenEC", elliptic), Verifier("JWT-VerifyEdgeTokenRSA", rsa)]


def _route(contract: Contract, product: str, name: str) -> Route:
    sold = contract.products[product]
    operation = sold.operations[name]
    cache = operation.cache
    return Route(
        name=name,
        method=operation.method,
        route=operation.path,
        pattern=apigee_resource(operation.path),
        product=product,
        roles=tuple(sorted(operation.roles)),
        backend=operation.backend,
        burst=_rate(sold.burst),
        burst_policy=f"q={sold.burst.requests};w={sold.burst.seconds}",
        protection=operation.protection or "",
        cache_seconds=str(cache.seconds) if cache is not None else "",
        cache_per=cache.per if cache is not None else "",
    )


def _paths(routes: list[Route]) -> list[Path]:
    """Return each path once. Names hold an underscore, which no operation's name can."""
    by_shape: dict[tuple[str, ...], list[Route]] = {}
    for route in routes:
        by_shape.setdefault(shape(route.route), []).append(route)
    return [
        Path(
            name=f"methods_{number}",
            route=group[0].route,
            pattern=group[0].pattern,
            methods=tuple(sorted({route.method for route in group})),
        )
        for number, group in enumerate(by_shape.values(), start=1)
    ]


def _rate(burst: Burst) -> str:
    """The rate of a SpikeArrest: a number and `ps` or `pm`."""
    return f"{burst.requests}{_UNIT[burst.per]}"


def _guard(name: str, protection: Protection) -> Guard:
    return Guard(name, protection.max_body_bytes, protection.json_body, protection.patterns)


def _target(name: str, backend: Backend) -> Target:
    timeout = backend.timeout_seconds * 1000
    return Target(name=name, connect_millis=min(CONNECT_MILLIS, timeout), timeout_millis=timeout)

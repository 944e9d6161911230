"""Which Worker answers a URL: Cloudflare's rules for routes and custom domains.

https://developers.cloudflare.com/workers/configuration/routing/routes/#matching-behavior and the known issue on
specificity at https://developers.cloudflare.com/workers/platform/known-issues/#route-specificity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_HOST_WEIGHT = 26


@dataclass(frozen=True)
class Route:
    """A route pattern, and the name of its Worker; `None` makes requests pass every less specific route by."""

    pattern: str
    script: str | None


@dataclass(frozen=True)
class Domain:
    """A custom domain: every request to the hostname goes to the Worker."""

    hostname: str
    service: str


@dataclass(frozen=True)
class RoutingTable:
    """Every route and custom domain of every zone."""

    routes: Sequence[Route] = ()
    domains: Sequence[Domain] = ()

    def worker_for(self, hostname: str, target: str, scheme: str = "https") -> str | None:
        """Return the name of the Worker for a lower-case `hostname` and a `target` of path and query, or `None`.

        A route goes before a custom domain on the same hostname, and the most specific route before others.
        """
        matching = [route for route in self.routes if matches(route.pattern, scheme, hostname, target)]
        if matching:
            return max(matching, key=lambda route: specificity(route.pattern)).script or None
        return next((domain.service for domain in self.domains if domain.hostname.lower() == hostname), None)

    def hostnames(self) -> list[str]:
        """Return every hostname that some Worker answers for and that is spelled out, without a wildcard."""
        routed = [_split(route.pattern)[1] for route in self.routes if route.script]
        names = [name for name in routed if "*" not in name] + [domain.hostname.lower() for domain in self.domains]
        return sorted(set(names))


def matches(pattern: str, scheme: str, hostname: str, target: str) -> bool:
    """Tell whether the pattern matches; a pattern without a final `*` matches only a target without a query."""
    wanted_scheme, wanted_host, wanted_path = _split(pattern)
    if wanted_scheme not in ("", scheme):
        return False
    host_matches = hostname.endswith(wanted_host[1:]) if wanted_host.startswith("*") else hostname == wanted_host
    if wanted_path.endswith("*"):
        return host_matches and target.startswith(wanted_path[:-1])
    return host_matches and target == wanted_path


def specificity(pattern: str) -> tuple[int, bool, int]:
    """Return what orders patterns that match the same URL; the greatest wins.

    Host labels count most, then path segments. A wildcard that stands for a whole label or segment counts less than
    none, one that ends a longer word does not: so `/images*` goes before `/images/*`, as Cloudflare says it does.
    """
    _, host, path = _split(pattern)
    labels, segments = host.split("."), path.split("/")
    host_score = len(labels) - (2 if labels[0] == "*" else 0)
    path_score = len(segments) - (2 if segments[-1] == "*" else 0)
    return host_score * _HOST_WEIGHT + path_score, not host.startswith("*"), len(pattern)


def _split(pattern: str) -> tuple[str, str, str]:
    """Return scheme (empty for any), host in lower case, and path, which is `/` where the pattern has none."""
    scheme, separator, rest = pattern.partition("://")
    if not separator:
        scheme, rest = "", pattern
    host, _, path = rest.partition("/")
    return scheme.lower(), host.lower(), f"/{path}"

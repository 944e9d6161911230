"""The settings of the key ring, in seconds, with the bounds that come from the two clouds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# How far any node's clock may be from true time (d).
CLOCK_ERROR_SECONDS: Final = 5
# From an upload until every edge location runs the new Worker version (E); Cloudflare says seconds, the edge's
# key-value store "60 seconds or more", so twice that is assumed.
EDGE_PROPAGATION_SECONDS: Final = 120


@dataclass(frozen=True)
class Settings:
    """What the rules of rotation depend on; every duration is whole seconds.

    Symbols of the inequalities: R period_seconds, from one rotation to the next; L token_life_seconds of an internal
    token; lam leeway_seconds, which Apigee allows when it checks one; d clock_error_seconds, the largest difference
    of any node's clock from true time; E edge_propagation_seconds, until every edge location signs with a new key;
    V key_cache_seconds, until Apigee trusts a key that was added (a key it has not seen may be remembered as absent
    for as long as one it has seen is remembered).
    """

    period_seconds: int
    token_life_seconds: int
    leeway_seconds: int
    key_cache_seconds: int
    clock_error_seconds: int = CLOCK_ERROR_SECONDS
    edge_propagation_seconds: int = EDGE_PROPAGATION_SECONDS

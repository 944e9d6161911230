"""The settings of the key ring, in seconds, with the bounds that come from the two clouds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# How far any node's clock may be from true time (d).
CLOCK_ERROR_SECONDS: Final = 5
# From an upload until every edge location runs the new Worker version (P); Cloudflare says seconds, the edge's
# key-value store "60 seconds or more", so twice that is assumed.
EDGE_PROPAGATION_SECONDS: Final = 120
# From a write to the key value map until Apigee's runtime reads it (Q); Apigee promises no number, seconds are usual.
APIGEE_PROPAGATION_SECONDS: Final = 60
# From the decision of an update until it has written both tiers; a rotation writes a handful of resources.
UPDATE_SECONDS: Final = 120


@dataclass(frozen=True)
class Settings:
    """What the rules of rotation depend on; every duration is whole seconds.

    Symbols of the inequalities: R `period_seconds`, from one rotation to the next; L `token_life_seconds` of an
    internal token; lam `leeway_seconds`, which Apigee allows when it checks one; d `clock_error_seconds`, the largest
    difference of any node's clock from true time.

    The edge signs with a new key after E = P + C at most: P `edge_propagation_seconds` until every location runs the
    new version of the Worker, C `edge_cache_seconds` for which an isolate keeps a ring it has read (none: the ring is
    part of the version).

    Apigee trusts an added key after V = Q + T at most: Q `apigee_propagation_seconds` until its runtime reads what
    was written, T `key_cache_seconds` for which it keeps what it has read (a key that was not there may be remembered
    as absent for as long as one that was is remembered).

    F `delivery_seconds`, from minting a token until it is verified; U `reuse_seconds`, for which the edge may use a
    token again.

    `update_seconds`, from the decision of an update until both tiers hold what it decided. No inequality names it: the
    waits begin when it has passed.
    """

    period_seconds: int
    token_life_seconds: int
    leeway_seconds: int
    key_cache_seconds: int
    clock_error_seconds: int = CLOCK_ERROR_SECONDS
    edge_propagation_seconds: int = EDGE_PROPAGATION_SECONDS
    edge_cache_seconds: int = 0
    apigee_propagation_seconds: int = APIGEE_PROPAGATION_SECONDS
    delivery_seconds: int = 0
    reuse_seconds: int = 0
    update_seconds: int = UPDATE_SECONDS

    @property
    def edge_delay_seconds(self) -> int:
        """E: until every edge node signs with what was written."""
        return self.edge_propagation_seconds + self.edge_cache_seconds

    @property
    def verifier_delay_seconds(self) -> int:
        """V: until every Apigee node trusts what was written."""
        return self.apigee_propagation_seconds + self.key_cache_seconds

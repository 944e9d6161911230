"""What the edge lets through of each product: derived from the product's limits, so that the tiers cannot disagree."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from portcullis.contract.model import Contract, Product

WINDOW_SECONDS: Final = 60
"""The longer of the two periods of Cloudflare's rate limiting binding (10 or 60 s), and a quota's shortest unit."""


@dataclass(frozen=True)
class EdgeLimit:
    """Requests that one consumer may make of a product in `seconds`, at one of Cloudflare's locations.

    `policy` names the limit in `RateLimit-Policy`: the product's name where this is the product's quota itself, as
    Apigee names it.
    """

    policy: str
    requests: int
    seconds: int


def edge_limit(name: str, product: Product) -> EdgeLimit:
    """Derive a product's limit at the edge: the most that Apigee would let through in one window.

    That is the whole quota, whose unit is never shorter than the window, or what the burst limit allows in it, if that
    is less. So the edge is never looser than Apigee, and refuses only what Apigee would refuse within the window too.
    """
    of_burst = product.burst.requests * WINDOW_SECONDS // product.burst.seconds
    requests = min(product.quota.requests, of_burst)
    is_quota = requests == product.quota.requests and product.quota.seconds == WINDOW_SECONDS
    return EdgeLimit(name if is_quota else f"{name}-edge", requests, WINDOW_SECONDS)


def binding_name(product: str) -> str:
    """Name the Worker's binding of a product's limit, in the characters of a JavaScript identifier."""
    return f"LIMIT_{product.upper().replace('-', '_')}"


def namespace_id(contract: Contract, stack: str, product: str) -> str:
    """The namespace that a product's counters are in: a positive number, of its own in the account."""
    digest = hashlib.sha256(f"{stack}/{contract.api.name}/{product}".encode()).digest()
    return str(int.from_bytes(digest[:4], "big") % (2**31 - 1) + 1)

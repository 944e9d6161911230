"""Times that must agree: clocks, the life of a token and how long each tier waits for the next."""

from __future__ import annotations

from collections.abc import Iterator

from portcullis.contract.document import Document
from portcullis.contract.problem import Problem
from portcullis.ring import (
    CLOCK_ERROR_SECONDS,
    Settings,
    leeway_covers_clocks,
    life_covers_delivery,
    reuse_leaves_delivery,
)
from portcullis.ring.inequalities import Bound


def times(document: Document) -> Iterator[Problem]:
    """Refuse times that break I4 of the rules of rotation, or by which the wrong tier gives up first."""
    yield from _leeway(document, "edge")
    yield from _leeway(document, "apigee")
    yield from _life(document)
    yield from _reuse(document)
    yield from _timeouts(document)


def _leeway(document: Document, tier: str) -> Iterator[Problem]:
    leeway = document.number(tier, "leeway_seconds")
    if leeway is None or leeway < 0:
        return
    bound = leeway_covers_clocks(
        Settings(period_seconds=1, token_life_seconds=1, leeway_seconds=leeway, key_cache_seconds=0)
    )
    if leeway < bound.seconds:
        yield _broken(document, tier, "leeway_seconds", leeway, bound)


def _life(document: Document) -> Iterator[Problem]:
    life = document.number("edge", "token_life_seconds")
    delivery = document.number("edge", "upstream_timeout_seconds")
    if life is None or delivery is None or life < 1:
        return
    bound = life_covers_delivery(delivery, CLOCK_ERROR_SECONDS)
    if life < bound.seconds:
        yield _broken(document, "edge", "token_life_seconds", life, bound, "upstream_timeout_seconds")


def _reuse(document: Document) -> Iterator[Problem]:
    reuse = document.number("edge", "token_reuse_seconds")
    life = document.number("edge", "token_life_seconds")
    delivery = document.number("edge", "upstream_timeout_seconds")
    if not reuse or life is None or delivery is None:
        return
    settings = Settings(
        period_seconds=1,
        token_life_seconds=life,
        leeway_seconds=0,
        key_cache_seconds=0,
        reuse_seconds=reuse,
        delivery_seconds=delivery,
    )
    bound = reuse_leaves_delivery(settings)
    if reuse > max(bound.seconds, 0):
        keys = ("token_reuse_seconds", "token_life_seconds", "upstream_timeout_seconds")
        yield document.problem(
            document.latest(*(("edge", key) for key in keys)),
            f"`edge.token_reuse_seconds` of {reuse} s breaks {bound}, so a token could arrive expired",
            f"`token_reuse_seconds: {max(bound.seconds, 0)}` or less",
        )


def _broken(document: Document, tier: str, key: str, given: int, bound: Bound, *others: str) -> Problem:
    return document.problem(
        document.latest((tier, key), *((tier, other) for other in others)),
        f"`{tier}.{key}` of {given} s breaks {bound}",
        f"`{key}: {bound.seconds}` or more",
    )


def _timeouts(document: Document) -> Iterator[Problem]:
    edge = document.number("edge", "upstream_timeout_seconds")
    backends = {
        name: timeout
        for name in document.names("backends")
        if (timeout := document.number("backends", name, "timeout_seconds")) is not None
    }
    if edge is None or not backends:
        return
    slowest = max(backends, key=lambda name: backends[name])
    longest = backends[slowest]
    if edge <= longest:
        here, there = ("edge", "upstream_timeout_seconds"), ("backends", slowest, "timeout_seconds")
        yield document.problem(
            document.latest(here, there),
            f"the edge waits {edge} s for Apigee, which itself waits up to {longest} s for the backend `{slowest}` "
            f"({document.position(there)}), so the 504 of a slow backend would come from the edge, without Apigee's "
            "audit line",
            f"`upstream_timeout_seconds: {longest + 1}` or more, or a shorter `timeout_seconds` of the backend",
        )

"""The inequalities that make rotation unnoticeable, each by its name, and the check of settings against them.

I0 is what they serve: whatever an edge node signs, every Apigee node still trusts for as long as that token lives.
For a ring of previous, current and next that advances one step at a time, I1 and I2 become I3.
"""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.ring.settings import Settings


@dataclass(frozen=True)
class Bound:
    """A smallest value that holds.

    `seconds` is the value, `inequality` the rule by name and symbols, `numbers` the same with the values put in.
    """

    seconds: int
    inequality: str
    numbers: str

    def __str__(self) -> str:
        return f"{self.inequality}: {self.numbers}"


class RingSettingsError(ValueError):
    """Settings under which callers would be refused. Names the inequality, the numbers and the smallest value."""


def publish_before_use(settings: Settings) -> Bound:
    """I1: `next` is published at least V + d before it signs."""
    needed = settings.key_cache_seconds + settings.clock_error_seconds
    return Bound(
        needed,
        "I1, t_use(next) - t_pub(next) >= V + d",
        f"V {settings.key_cache_seconds} + d {settings.clock_error_seconds} = {needed} s",
    )


def retain_after_use(settings: Settings) -> Bound:
    """I2: a key is trusted at least E + L + lam + d after it stopped to sign."""
    parts = {
        "E": settings.edge_propagation_seconds,
        "L": settings.token_life_seconds,
        "lam": settings.leeway_seconds,
        "d": settings.clock_error_seconds,
    }
    needed = sum(parts.values())
    numbers = " + ".join(f"{symbol} {value}" for symbol, value in parts.items())
    return Bound(needed, "I2, t_drop - t_stop >= E + L + lam + d", f"{numbers} = {needed} s")


def minimum_period(settings: Settings) -> Bound:
    """I3: R_min, the shortest period for these lifetimes; the period itself is not looked at."""
    publish, retain = publish_before_use(settings), retain_after_use(settings)
    return Bound(
        max(publish.seconds, retain.seconds),
        "I3, R >= R_min = max(V + d, E + L + lam + d)",
        f"max({publish.numbers}, {retain.numbers})",
    )


def leeway_covers_clocks(settings: Settings) -> Bound:
    """I4, first part: the leeway covers two clocks that are wrong in opposite directions."""
    needed = 2 * settings.clock_error_seconds
    return Bound(needed, "I4, lam >= 2d", f"2 x d {settings.clock_error_seconds} = {needed} s")


def life_covers_delivery(delivery_seconds: int, clock_error_seconds: int) -> Bound:
    """I4, second part: a token lives until it is verified, `delivery_seconds` (F) after minting at most."""
    needed = delivery_seconds + 2 * clock_error_seconds
    return Bound(needed, "I4, L >= F + 2d", f"F {delivery_seconds} + 2 x d {clock_error_seconds} = {needed} s")


@dataclass(frozen=True)
class Tolerance:
    """How long one tier may stay behind without a refused request (I3), in seconds; negative where I3 is broken."""

    apigee_seconds: int
    worker_seconds: int


def tolerance(settings: Settings) -> Tolerance:
    """The tolerated lag of each tier: D_a <= R - (V + d) and D_w <= R - (E + L + lam + d)."""
    return Tolerance(
        settings.period_seconds - publish_before_use(settings).seconds,
        settings.period_seconds - retain_after_use(settings).seconds,
    )


def check_settings(settings: Settings) -> None:
    """Refuse settings that break an inequality.

    Raises RingSettingsError with every broken one: its name, the numbers, and the smallest value that holds.
    """
    problems = [*_senseless(settings)]
    if not problems:
        problems = [*_broken(settings)]
    if problems:
        raise RingSettingsError("\n".join(problems))


def _senseless(settings: Settings) -> list[str]:
    at_least = {
        "period_seconds": 1,
        "token_life_seconds": 1,
        "leeway_seconds": 0,
        "key_cache_seconds": 0,
        "clock_error_seconds": 0,
        "edge_propagation_seconds": 0,
    }
    return [
        f"{name} is {getattr(settings, name)}; the smallest value that holds is {least}"
        for name, least in at_least.items()
        if getattr(settings, name) < least
    ]


def _broken(settings: Settings) -> list[str]:
    period, clocks = minimum_period(settings), leeway_covers_clocks(settings)
    life = life_covers_delivery(0, settings.clock_error_seconds)
    checked = (
        ("the rotation period", settings.period_seconds, period),
        ("the leeway for the internal token", settings.leeway_seconds, clocks),
        ("the life of the internal token", settings.token_life_seconds, life),
    )
    return [
        f"{name} of {given} s breaks {bound}; the smallest value that holds is {bound.seconds} s"
        for name, given, bound in checked
        if given < bound.seconds
    ]

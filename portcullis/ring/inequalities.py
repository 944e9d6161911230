"""The inequalities that make rotation unnoticeable, each by its name, and the check of settings against them.

I0 is what they serve: whatever an edge node signs, every Apigee node still trusts for as long as that token lives.
For a ring of previous, current and next that advances one step at a time, I1 and I2 become I3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from portcullis.ring.settings import Settings

# Without these there is nothing to compute with; every other duration may be 0.
_POSITIVE: Final = frozenset({"period_seconds", "token_life_seconds"})


@dataclass(frozen=True)
class Bound:
    """A smallest value that holds, or a largest one.

    `seconds` is the value, `inequality` the rule by name and symbols, `numbers` the same with the values put in.
    """

    seconds: int
    inequality: str
    numbers: str

    def __str__(self) -> str:
        return f"{self.inequality}: {self.numbers}"


@dataclass(frozen=True)
class Inequality:
    """One bound held against one setting: `subject` is the setting in words, `given` its value in seconds."""

    subject: str
    given: int
    bound: Bound
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the setting keeps the bound."""
        return self.given <= self.bound.seconds if self.at_most else self.given >= self.bound.seconds

    def __str__(self) -> str:
        verb, extreme = ("keeps" if self.holds else "breaks"), ("largest" if self.at_most else "smallest")
        value = f"the {extreme} value that holds is {self.bound.seconds} s"
        return f"{self.subject} of {self.given} s {verb} {self.bound}; {value}"


class RingSettingsError(ValueError):
    """Settings under which callers would be refused. Names the inequality, the numbers and the smallest value."""


def publish_before_use(settings: Settings) -> Bound:
    """I1: `next` is published at least V + d before it signs."""
    delay, clock = settings.verifier_delay_seconds, settings.clock_error_seconds
    parts = f"V ({settings.apigee_propagation_seconds} + {settings.key_cache_seconds}) + d {clock}"
    return Bound(delay + clock, "I1, t_use(next) - t_pub(next) >= V + d", f"{parts} = {delay + clock} s")


def retain_after_use(settings: Settings) -> Bound:
    """I2: a key is trusted at least E + L + lam + d after it stopped to sign."""
    needed = (
        settings.edge_delay_seconds
        + settings.token_life_seconds
        + settings.leeway_seconds
        + settings.clock_error_seconds
    )
    numbers = (
        f"E ({settings.edge_propagation_seconds} + {settings.edge_cache_seconds}) + L {settings.token_life_seconds}"
        f" + lam {settings.leeway_seconds} + d {settings.clock_error_seconds} = {needed} s"
    )
    return Bound(needed, "I2, t_drop - t_stop >= E + L + lam + d", numbers)


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


def reuse_leaves_delivery(settings: Settings) -> Bound:
    """I4, third part: the longest time for which the edge may use a token again, so that it still arrives alive."""
    life, delivery, clock = settings.token_life_seconds, settings.delivery_seconds, settings.clock_error_seconds
    most = life - delivery - 2 * clock
    return Bound(most, "I4, U <= L - F - 2d", f"L {life} - F {delivery} - 2 x d {clock} = {most} s")


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


def inequalities(settings: Settings) -> tuple[Inequality, ...]:
    """Every inequality that settings can break, held against them.

    The others are not about numbers: see the package. I8 asks of each step what I3 asks of the period.
    """
    period, life = settings.period_seconds, settings.token_life_seconds
    return (
        Inequality("the time a key is published before it signs", period, publish_before_use(settings)),
        Inequality("the time a key is trusted after it signed", period, retain_after_use(settings)),
        Inequality("the rotation period", period, minimum_period(settings)),
        Inequality("the leeway for the internal token", settings.leeway_seconds, leeway_covers_clocks(settings)),
        Inequality(
            "the life of the internal token",
            life,
            life_covers_delivery(settings.delivery_seconds, settings.clock_error_seconds),
        ),
        Inequality(
            "the reuse of an internal token", settings.reuse_seconds, reuse_leaves_delivery(settings), at_most=True
        ),
    )


def check_settings(settings: Settings) -> None:
    """Refuse settings that break an inequality.

    Raises RingSettingsError with every broken one: its name, the numbers, and the smallest (or largest) value that
    holds.
    """
    problems = [*_senseless(settings)] or [str(broken) for broken in inequalities(settings) if not broken.holds]
    if problems:
        raise RingSettingsError("\n".join(problems))


def _senseless(settings: Settings) -> Iterator[str]:
    for field in fields(settings):
        given, least = getattr(settings, field.name), int(field.name in _POSITIVE)
        if given < least:
            yield f"{field.name} is {given}; the smallest value that holds is {least}"

"""Where the ring stands: which key fills which slot, and since when."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from portcullis.ring.inequalities import minimum_period
from portcullis.ring.settings import Settings

MINUTE: Final = 60


@dataclass(frozen=True)
class Ring:
    """The ring at one `seq`, as the stack's state remembers it. Keys are numbered from 1; no number is used twice.

    `seq` counts every change of the slots (I7: strictly increasing). `current` signs; `next` is published and signs
    after the next step; `previous` signed before and is only trusted (None in a new ring and where it was dropped).

    Times are seconds since the epoch, on whole minutes, rounded up: `rotated_at`, when `current` took over;
    `settled_at`, since when both tiers are taken to hold these slots, which is an update later, and later still where
    one was found to be behind or where `next` was replaced. `revoked` is the previous key where it is compromised and
    still to be dropped.
    """

    seq: int
    current: int
    next: int
    previous: int | None
    rotated_at: int
    settled_at: int
    revoked: int | None = None

    @property
    def published(self) -> tuple[int, ...]:
        """The keys that verifiers trust, in the order previous, current, next."""
        return (*(() if self.previous is None else (self.previous,)), self.current, self.next)

    @property
    def signing(self) -> tuple[int, int]:
        """The keys whose private halves are kept: current and next. That of `previous` is destroyed (I10)."""
        return (self.current, self.next)


def is_new(seq: int, previous: int | None, current: int) -> bool:
    """Whether these are the slots that `begin` filled: only there a key signs that was not the next one before."""
    return not previous and seq == current


def begin(now: float, settings: Settings, after_seq: int = 0) -> Ring:
    """A new ring at `now`. Its seq and its keys are numbered after `after_seq`, what the deployed gateway holds."""
    seq = after_seq + 1
    return Ring(
        seq,
        current=seq,
        next=seq + 1,
        previous=None,
        rotated_at=whole_minute(now),
        settled_at=_settled(now, settings),
    )


def advance(ring: Ring, now: float, settings: Settings) -> Ring:
    """One slot on: `next` signs, `current` is only trusted, a new key is published, `previous` goes."""
    return Ring(
        seq=ring.seq + 1,
        current=ring.next,
        next=ring.next + 1,
        previous=ring.current,
        rotated_at=whole_minute(now),
        settled_at=_settled(now, settings),
    )


def unsettled(ring: Ring, now: float, settings: Settings) -> Ring:
    """The wait begins again at `now`; a clock that went backwards makes it no shorter."""
    return replace(ring, settled_at=max(ring.settled_at, _settled(now, settings)))


def earliest(ring: Ring, settings: Settings) -> int:
    """Before this time no step is safe, scheduled or not: R_min after the ring was settled (I3, I8).

    By then `next` has been published for V + d and nothing that `previous` signed is alive.
    """
    return ring.settled_at + minimum_period(settings).seconds


def due(ring: Ring, settings: Settings) -> int:
    """When the next scheduled step is due: the last one + the period as it is set today, and not before `earliest`.

    A period that was made shorter or longer so takes effect at once.
    """
    return max(ring.rotated_at + settings.period_seconds, earliest(ring, settings))


def overdue_seconds(ring: Ring, settings: Settings, now: float) -> int:
    """For how long the step has been due; 0 before that. An overdue ring signs on (I11): this is for an alarm."""
    return max(0, math.floor(now) - due(ring, settings))


def whole_minute(seconds: float) -> int:
    """The end of the minute, so that a preview and the update a moment later agree."""
    return math.ceil(seconds / MINUTE) * MINUTE


def _settled(now: float, settings: Settings) -> int:
    # d is in R_min once; this clock and that of a later run may be wrong in opposite directions.
    return whole_minute(now + settings.update_seconds + settings.clock_error_seconds)

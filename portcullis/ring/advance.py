"""The step: when the ring moves on by one slot, and which keys fill the slots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from portcullis.ring.inequalities import check_settings
from portcullis.ring.settings import Settings

Mode: TypeAlias = Literal["auto", "paused"]

_MINUTE = 60


@dataclass(frozen=True)
class Generation:
    """Where the ring stands.

    `number` counts from 1 and is also the ring's `seq` (I7: strictly increasing). `rotates_at` is when the next step
    is due, in whole seconds since the epoch, on a whole minute. `rotated_at` is the minute at which this generation
    began, from which a changed period is counted; None where it is not known. It can be had from what a state holds:
    `rotates_at` less the period of that time is the same minute or, never less safe, a little later.
    """

    number: int
    rotates_at: int
    rotated_at: int | None = None


@dataclass(frozen=True)
class Slots:
    """The numbers of the keys in the three slots. There is no previous key in the first generation."""

    previous: int | None
    current: int
    next: int


def slots(generation: Generation) -> Slots:
    """Which key fills which slot: key g signs in generation g, key g+1 waits, key g-1 is only trusted."""
    number = generation.number
    return Slots(number - 1 if number > 1 else None, number, number + 1)


def step(previous: Generation | None, now: float, settings: Settings, mode: Mode = "auto") -> Generation:
    """Advance the ring by one slot if that is due at `now` (seconds since the epoch), and by nothing otherwise.

    - Never more than one slot, however late (I8): a missed run is no reason to skip the wait of `next`.
    - The slot is never computed from the clock: the next due time is now + period, so lateness moves all that follow.
    - Not before R_min after the last step (I3, I8), whatever the period was then; a clock that went backwards changes
      nothing.
    - Due times are rounded up to a whole minute, so that a preview and the update a moment later agree.
    - `paused` holds the ring where it is. Being overdue stops nothing from signing (I11).

    Raises RingSettingsError where the settings break an inequality.
    """
    check_settings(settings)
    if previous is None:
        return _begun(1, now, settings)
    due_at = due(previous, settings)
    if mode == "paused" or now < due_at:
        return previous if due_at == previous.rotates_at else _rescheduled(previous, due_at)
    return _begun(previous.number + 1, now, settings)


def due(generation: Generation, settings: Settings) -> int:
    """When the next step is due, in seconds since the epoch: the last step + the period as it is set today.

    A period that was made shorter or longer so takes effect at once, and still never before R_min after the last
    step, as `check_settings` refuses a shorter period. Where the time of the last step is unknown, the planned time
    stands.
    """
    if generation.rotated_at is None:
        return generation.rotates_at
    return _whole_minute(generation.rotated_at + settings.period_seconds)


def _begun(number: int, now: float, settings: Settings) -> Generation:
    rotated_at = _whole_minute(now)
    return Generation(number, _whole_minute(rotated_at + settings.period_seconds), rotated_at)


def _rescheduled(generation: Generation, rotates_at: int) -> Generation:
    return Generation(generation.number, rotates_at, generation.rotated_at)


def _whole_minute(seconds: float) -> int:
    return math.ceil(seconds / _MINUTE) * _MINUTE

"""When a quota's counter starts anew, by its type (the table of the Quota policy's reference). Pure."""

from __future__ import annotations

from calendar import monthrange, timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
MONTH = "month"
STEP = 0.125
"""How exactly a rolling window knows when a call came, in seconds; a binary fraction, so that sums are exact."""
TYPES = frozenset({"default", "calendar", "flexi", "rollingwindow"})

_MONDAY = 4 * 86400.0
"""The first Monday after the epoch: weeks end at midnight after Sunday."""


@dataclass(frozen=True)
class Limit:
    """So many calls per so many units."""

    allowed: int
    interval: int
    unit: str

    @property
    def seconds(self) -> int:
        """The length in seconds; a month that starts anywhere has thirty days."""
        return self.interval * UNITS.get(self.unit, 30 * 86400)


@dataclass(frozen=True)
class Window:
    """From when to when calls are counted together, in seconds since the epoch."""

    start: float
    end: float


def window_of(kind: str, limit: Limit, now: float, first: float | None, start: float | None) -> Window:
    """Return the window that `now` is in.

    `first` is when the counter of a flexi quota began, where it has begun; `start` is the StartTime of a calendar
    quota. A rolling window ends with the moment of the call.
    """
    if kind == "rollingwindow":
        moment = floor(now / STEP) * STEP
        return Window(moment - limit.seconds + STEP, moment + STEP)
    if kind == "flexi":
        begins = first if first is not None and first <= now < first + limit.seconds else now
        return Window(begins, begins + limit.seconds)
    if limit.unit == MONTH:
        return _months(now, limit.interval, start if kind == "calendar" else None)
    anchor = start if kind == "calendar" and start is not None else (_MONDAY if limit.unit == "week" else 0.0)
    begins = anchor + (now - anchor) // limit.seconds * limit.seconds
    return Window(begins, begins + limit.seconds)


def _months(now: float, interval: int, start: float | None) -> Window:
    """Return whole months, from the first of the month or from the day and time of `start`."""
    anchor = datetime.fromtimestamp(start or 0.0, UTC)
    moment = datetime.fromtimestamp(now, UTC)
    origin = anchor.year * 12 + anchor.month - 1
    index = origin + (moment.year * 12 + moment.month - 1 - origin) // interval * interval
    if _month_start(index, anchor) > now:
        index -= interval
    return Window(_month_start(index, anchor), _month_start(index + interval, anchor))


def _month_start(index: int, anchor: datetime) -> float:
    year, month = index // 12, index % 12 + 1
    day = min(anchor.day, monthrange(year, month)[1])
    return float(timegm((year, month, day, anchor.hour, anchor.minute, anchor.second)))

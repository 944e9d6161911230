"""Cron expressions as Cloudflare's Cron Triggers read them, in UTC.

Five fields: minute, hour, day of month, month, day of week. Each takes `*`, numbers, ranges, lists and steps; months
and days of the week also take their English three-letter names. Days of the week go from 1, Sunday, to 7, Saturday.
https://developers.cloudflare.com/workers/configuration/cron-triggers/#supported-cron-expressions
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PART = re.compile(r"(?P<first>\*|[0-9]{1,2}|[A-Z]{3})(?:-(?P<last>[0-9]{1,2}|[A-Z]{3}))?(?:/(?P<step>[0-9]{1,2}))?")


class CronError(ValueError):
    """An expression that is wrong, or that uses `L`, `W` or `#`, which the sandbox does not know."""


@dataclass(frozen=True)
class _Field:
    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        found: set[int] = set()
        for part in text.upper().split(","):
            found.update(self._part(part))
        return frozenset(found)

    def _part(self, part: str) -> range:
        match = _PART.fullmatch(part)
        if match is None or (match["first"] == "*" and match["last"]):
            raise CronError(f"{self.name} `{part}` is not a number, `*`, a range or a step")
        step = int(match["step"] or 1)
        if match["first"] == "*":
            first, last = self.lowest, self.highest
        else:
            first = self._number(match["first"])
            # A step without a range, `5/10`, goes on to the end of the field.
            last = self._number(match["last"]) if match["last"] else (self.highest if match["step"] else first)
        if step == 0 or first > last:
            raise CronError(f"{self.name} `{part}` matches nothing")
        return range(first, last + 1, step)

    def _number(self, text: str) -> int:
        if text in self.words:
            return self.words.index(text) + self.lowest
        if not text.isdigit() or not self.lowest <= int(text) <= self.highest:
            raise CronError(f"{self.name} `{text}` is not within {self.lowest} to {self.highest}")
        return int(text)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 1, 7, _DAYS),
)


@dataclass(frozen=True)
class Cron:
    """A parsed expression."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Parse five fields; raises `CronError`, which names the field and its value."""
        texts = expression.split()
        if len(texts) != len(_FIELDS):
            raise CronError(f"`{expression}` has {len(texts)} fields instead of {len(_FIELDS)}")
        values = [field.values(text) for field, text in zip(_FIELDS, texts, strict=True)]
        restricted = not texts[2].startswith("*") and not texts[4].startswith("*")
        return cls(*values, either_day=restricted)

    def due(self, moment: datetime) -> bool:
        """Tell whether the expression names this minute; `moment` is in UTC.

        With both a day of month and a day of week given, either is enough, as in every cron.
        """
        day = moment.day in self.days
        weekday = moment.isoweekday() % 7 + 1 in self.weekdays
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and ((day or weekday) if self.either_day else (day and weekday))
        )

"""The variables that tell the time: `system.time`, its parts, and the text of every noted moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from portcullis.sandbox.apigee.runtime.functions import format_java_time
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.apigee.runtime.variables import Variables
from portcullis.sandbox.clock import Clock

_TEXT = "EEE, dd MMM yyyy HH:mm:ss 'UTC'"
"""`Wed, 21 Aug 2013 19:16:47 UTC`, as the flow variables reference shows it."""

_PARTS: dict[str, Callable[[datetime], Value]] = {
    "year": lambda t: t.year,
    "month": lambda t: t.month,
    "day": lambda t: t.day,
    # Java's Calendar: Sunday is 1.
    "dayofweek": lambda t: t.isoweekday() % 7 + 1,
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "second": lambda t: t.second,
    "millisecond": lambda t: t.microsecond // 1000,
    "zone": lambda _: "UTC",
}


class TimedVariables(Variables):
    """Variables with those of the clock, which are others in every look."""

    __slots__ = ("_clock",)

    def __init__(self, constants: Mapping[str, Value], clock: Clock) -> None:
        """Start empty over `constants`."""
        super().__init__(constants)
        self._clock = clock

    def _get(self, name: str) -> Value:
        found = super()._get(name)
        if found is not None:
            return found
        if name.startswith("system.time"):
            return self._system(name)
        if name.endswith(".time"):
            noted = super()._get(f"{name}stamp")
            if not isinstance(noted, int):
                return None
            return _text(noted / 1000) if noted >= 0 else ""
        return None

    def _system(self, name: str) -> Value:
        now = self._clock.now()
        if name == "system.timestamp":
            return int(now * 1000)
        if name == "system.time":
            return _text(now)
        part = _PARTS.get(name.removeprefix("system.time."))
        return part(datetime.fromtimestamp(now, UTC)) if part else None


def _text(seconds: float) -> str:
    return format_java_time(_TEXT, seconds, UTC)

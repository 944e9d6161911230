"""How long an entry lives: so many seconds, until a time of day, or until a date."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node
from portcullis.sandbox.apigee.runtime.policies.base import Setting, setting

EXPIRY = """
ExpirySettings/TimeoutInSeconds @ref
ExpirySettings/TimeoutInSec @ref
ExpirySettings/TimeOfDay @ref
ExpirySettings/ExpiryDate @ref
"""

LONGEST_SECONDS = 30 * 86400.0
"""What holds where nothing is set, and at most."""

_DATE = re.compile(r"(\d{2})-(\d{2})-(\d{4})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@dataclass(frozen=True)
class Expiry:
    """The `<ExpirySettings>`; of several the first that has a value holds: seconds, time of day, date."""

    seconds: Setting
    time_of_day: Setting
    date: Setting

    def life(self, context: Context) -> float:
        """Return for how many seconds an entry of now lives; what cannot be read is as if it were not set."""
        text = self.seconds.text(context) or ""
        if text.strip().isdecimal() and int(text) > 0:
            return min(float(text), LONGEST_SECONDS)
        now = datetime.fromtimestamp(context.now, UTC)
        until = _next(self.time_of_day.text(context) or "", now) or _midnight(self.date.text(context) or "")
        if until is None or until <= now:
            return LONGEST_SECONDS
        return min((until - now).total_seconds(), LONGEST_SECONDS)


def read_expiry(node: Node) -> Expiry:
    """Read the elements of `EXPIRY`; raises `BundleError`."""
    seconds = node.find("ExpirySettings/TimeoutInSeconds") or node.find("ExpirySettings/TimeoutInSec")
    return Expiry(
        seconds=setting(seconds),
        time_of_day=setting(node.find("ExpirySettings/TimeOfDay")),
        date=setting(node.find("ExpirySettings/ExpiryDate")),
    )


def _next(text: str, now: datetime) -> datetime | None:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    try:
        today = now.replace(hour=int(found[1]), minute=int(found[2]), second=int(found[3] or 0), microsecond=0)
    except ValueError:
        return None
    return today if today > now else today + timedelta(days=1)


def _midnight(text: str) -> datetime | None:
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return datetime(int(found[3]), int(found[1]), int(found[2]), tzinfo=UTC)
    except ValueError:
        return None

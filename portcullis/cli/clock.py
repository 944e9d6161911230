"""Moves the clock that the rotation step sees."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from portcullis.cli.errors import CommandError

_DURATION = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(duration: str) -> int:
    """Return the seconds of `25h` and the like; raises `CommandError` with an example."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise CommandError(f"{duration!r} is not a duration; write a whole number of s, m, h or d, such as 25h")
    return int(found[1]) * _SECONDS[found[2]]


def offset_seconds(clock_file: Path) -> float:
    """Return how far the clock is moved."""
    try:
        return float(json.loads(clock_file.read_text(encoding="utf-8"))["offset_seconds"])
    except FileNotFoundError:
        return 0.0


def move(clock_file: Path, offset: float) -> None:
    """Move the clock to the machine's time plus `offset` seconds."""
    clock_file.parent.mkdir(parents=True, exist_ok=True)
    clock_file.write_text(json.dumps({"offset_seconds": offset}) + "\n", encoding="utf-8")


def shown(clock_file: Path) -> str:
    """Return the time of the moved clock (RFC 3339, UTC)."""
    return datetime.fromtimestamp(time.time() + offset_seconds(clock_file), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

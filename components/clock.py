"""The clock that the rotation step sees.

It is the machine's clock, moved by `offset_seconds` of the JSON file that `PORTCULLIS_CLOCK_FILE` names, where that
variable is set. Tests and `portcullis clock advance` write the file; in production the variable is not set.
"""

import json
import os
import time
from pathlib import Path

CLOCK_FILE_VARIABLE = "PORTCULLIS_CLOCK_FILE"


class ClockError(RuntimeError):
    """The clock file cannot be understood."""


def now() -> float:
    """Return seconds since the Unix epoch; raises `ClockError` where the clock file is not what it should be."""
    return time.time() + _offset_seconds(os.environ.get(CLOCK_FILE_VARIABLE, ""))


def _offset_seconds(path: str) -> float:
    if not path or not Path(path).exists():
        return 0.0
    try:
        return float(json.loads(Path(path).read_text(encoding="utf-8"))["offset_seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ClockError(
            f'{path} is not a clock file; write {{"offset_seconds": 0}} into it or unset {CLOCK_FILE_VARIABLE}'
        ) from None

"""What was read back of the deployed gateway, for the step to decide by.

`portcullis rotate` reads both tiers and sends the canary, writes what it found into the JSON file that
`PORTCULLIS_RING_READ_BACK` names, and runs the update. Without the variable the step trusts the stack's state.
"""

import os
from pathlib import Path

from portcullis.ring import ReadBack, read_back_from_json

READ_BACK_VARIABLE = "PORTCULLIS_RING_READ_BACK"


class ReadBackError(RuntimeError):
    """The file cannot be understood: nothing is decided by it."""


def read_back() -> ReadBack | None:
    """Return what was found; None where nothing was read. Raises `ReadBackError` for a file that is none."""
    path = os.environ.get(READ_BACK_VARIABLE, "")
    if not path:
        return None
    try:
        return read_back_from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ReadBackError(
            f"{path} does not say what was read back ({problem}): run `portcullis rotate`, or unset"
            f" {READ_BACK_VARIABLE}"
        ) from None

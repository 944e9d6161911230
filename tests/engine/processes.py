"""Looking at processes, and waiting for what they do."""

import os
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 30.0


def is_running(process: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    return _state_and_session(process)[0] not in ("", "Z")


def running_in_session(session: int) -> list[int]:
    """The processes of a session that still run."""
    every = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [process for process in every if is_running(process) and _state_and_session(process)[1] == session]


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        os.sched_yield()


def _state_and_session(process: int) -> tuple[str, int]:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return fields[0], int(fields[3])

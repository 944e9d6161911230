"""One rotation at a time: a lock for each stack of a checkout, released however the process ends."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Generator

from portcullis.cli.project import Project


class StackBusyError(Exception):
    """Another command works on the stack at this moment."""


@contextlib.contextmanager
def only_one(project: Project, stack: str) -> Generator[None]:
    """Hold the stack's lock; raises `StackBusyError` at once where another process holds it.

    It covers one checkout. Between machines the workflow's concurrency group and Pulumi's own lock do the same.
    """
    folder = project.root / ".portcullis" / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{stack.replace('/', '_')}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackBusyError(
                f"another rotation of the stack {stack} is running: nothing was done, and nothing needs to be"
            ) from None
        yield

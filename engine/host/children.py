"""The processes a language host started, and how they end.

Each gets a process group of its own, so that what *it* starts ends with it, and so that the engine's interrupt
(sent to the host's whole group) does not make user programs print tracebacks: the host alone decides.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

_GRACE_SECONDS = 1.0  # between asking a process to end and ending it; well inside the engine's own 5 s for us


class Children:
    """The running children of this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped: weakref.WeakSet[subprocess.Popen[bytes]] = weakref.WeakSet()
        self._closed = False

    def start(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start `command`; its standard input is empty, its output ours unless said otherwise.

        Raises:
            OSError: it cannot be started, or the host is already ending.
        """
        with self._lock:
            if self._closed:
                raise OSError("the language host is ending")
            child = subprocess.Popen(  # noqa: S603 - running the user's program is the purpose
                [str(part) for part in command],
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                process_group=0,
            )
            self._running.add(child)
            return child

    def wait(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for the end of `child`; its exit status, negative for a signal (as `subprocess` says it)."""
        status = child.wait()
        with self._lock:
            self._running.discard(child)
        return status

    def was_stopped(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether it was `stop` or `stop_all` that ended this child."""
        with self._lock:
            return child in self._stopped

    def stop(self, child: subprocess.Popen[bytes]) -> None:
        """End `child` and what it started: SIGTERM, then SIGKILL after a second."""
        self._stop([child])

    def stop_all(self) -> None:
        """End every running child; new ones can still be started."""
        with self._lock:
            running = list(self._running)
        self._stop(running)

    def close(self) -> None:
        """End every running child and refuse new ones."""
        with self._lock:
            self._closed = True
        self.stop_all()

    def _stop(self, children: Sequence[subprocess.Popen[bytes]]) -> None:
        running = [child for child in children if child.poll() is None]
        with self._lock:
            self._stopped.update(running)
        for child in running:
            _signal_group(child, signal.SIGTERM)
        for child in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE_SECONDS)
        # The groups, not only the leaders: a leader may be gone and its own children not.
        for child in running:
            _signal_group(child, signal.SIGKILL)


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)

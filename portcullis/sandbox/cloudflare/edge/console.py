"""What workerd writes: audit lines go to the log service, everything else to `workerd.log`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from portcullis.sandbox.logs import LogSink

MAX_FILE_BYTES = 1_000_000
_AUDIT_MEMBER = "hop"
_SHORTEST_SECRET = 4


@dataclass(frozen=True)
class Entry:
    """One thing that was written: by the runtime itself, or by a Worker to its console."""

    message: str
    level: str
    of_runtime: bool


class Console:
    """Takes the output of every workerd process."""

    def __init__(self, logs: LogSink, folder: Path) -> None:
        """Write to `workerd.log` in `folder`: two files of 1 MB at most, readable by their owner only."""
        folder.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._log = logging.Logger("workerd", logging.INFO)
        handler = _PrivateFile(folder / "workerd.log", maxBytes=MAX_FILE_BYTES, backupCount=1, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._log.addHandler(handler)
        self._handler = handler

    def take(self, worker: str, line: bytes, secrets: Iterable[str]) -> Entry:
        """Log one line of a process's output, the values of `secrets` struck out, and return what it says.

        A Worker's line is an audit line if all of it is one JSON object with the member `hop`. The runtime wraps each
        call of `console` in an object of its own, so text with a line break cannot pass for two lines.
        """
        entry = _parse(line)
        message = redact(entry.message, secrets)
        entry = Entry(message, entry.level, entry.of_runtime)
        if not entry.of_runtime and _is_audit(message):
            self._logs.write("edge", message)
        else:
            self.note(worker, f"{entry.level}: {message}")
        return entry

    def note(self, worker: str, text: str) -> None:
        """Log a line about a Worker."""
        self._log.info("[%s] %s", worker, text.replace("\n", "\n    "))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each of the secrets, where it stands whole, struck out; one of 3 characters hides nothing."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[secret]")
    return text


def _parse(line: bytes) -> Entry:
    text = line.decode("utf-8", "replace")
    record = _json(text)
    if record is None or not isinstance(record.get("message"), str):
        return Entry(text, "output", of_runtime=True)
    return Entry(record["message"], str(record.get("level", "log")), of_runtime="source" in record)


def _is_audit(message: str) -> bool:
    record = _json(message)
    return record is not None and _AUDIT_MEMBER in record


def _json(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class _PrivateFile(RotatingFileHandler):
    """A rotating log file that only its owner can read, since a Worker's console may say anything."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding)

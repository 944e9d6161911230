"""The log services of both clouds: one file of JSON lines, whichever tier wrote them."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from portcullis.sandbox.store import JsonObject

MAX_LINE_BYTES = 64 * 1024
"""A longer line is dropped and counted: neither Workers Logs (128 KB) nor Cloud Logging (256 KB) takes any size."""


class LogSink:
    """Collects what Workers write to their console and Apigee's MessageLogging to Cloud Logging."""

    def __init__(self, path: Path | None = None) -> None:
        """Append to `path` (readable by its owner only), or keep lines in memory where it is `None`."""
        self._path = path
        self._lock = threading.Lock()
        self._memory: list[str] = []
        self.dropped = 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)

    def write(self, source: str, line: str) -> None:
        """Keep one line of JSON text from `source` (`edge` or `apigee`); what is not a JSON object is dropped."""
        if len(line.encode()) > MAX_LINE_BYTES or not isinstance(_parse(line), dict):
            self.dropped += 1
            return
        entry = json.dumps({"source": source, "entry": json.loads(line)}, separators=(",", ":"))
        with self._lock:
            if self._path is None:
                self._memory.append(entry)
                return
            with self._path.open("a", encoding="utf-8") as file:
                file.write(entry + "\n")

    def entries(self, trace_id: str | None = None) -> list[JsonObject]:
        """Return the audit lines in the order they came, all or those of one trace."""
        found = [json.loads(text)["entry"] for text in self._texts()]
        return [entry for entry in found if trace_id is None or entry.get("trace_id") == trace_id]

    def clear(self) -> None:
        """Forget every line."""
        with self._lock:
            self._memory.clear()
            if self._path is not None:
                self._path.write_text("", encoding="utf-8")

    def _texts(self) -> list[str]:
        with self._lock:
            if self._path is None:
                return list(self._memory)
            return self._path.read_text(encoding="utf-8").splitlines()


def _parse(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None

"""Everything the local clouds remember: JSON documents and blobs by (collection, key), in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (collection, key)
);
CREATE TABLE IF NOT EXISTS blobs (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (collection, key)
);
"""


class Store:
    """A durable map of documents, kept in the order in which each was first put.

    Every call commits before it returns, so what an API has acknowledged survives a kill. Calls are short and
    synchronous; the sandbox is one process, and a lock makes the store safe to use from its worker threads.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the file (readable by its owner only); `None` keeps everything in memory."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(str(path) if path else ":memory:", check_same_thread=False)
        self._db.isolation_level = None
        if path is not None:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def put(self, collection: str, key: str, document: JsonObject) -> None:
        """Insert or replace a document; a replaced one keeps its place in the order."""
        self._write(
            "INSERT INTO documents (collection, key, body) VALUES (?, ?, ?) "
            "ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body",
            (collection, key, json.dumps(document)),
        )

    def get(self, collection: str, key: str) -> JsonObject | None:
        """Return the document, or `None` where there is none."""
        row = self._one("SELECT body FROM documents WHERE collection = ? AND key = ?", (collection, key))
        return json.loads(row[0]) if row else None

    def delete(self, collection: str, key: str) -> bool:
        """Delete the document; tell whether there was one."""
        return self._write("DELETE FROM documents WHERE collection = ? AND key = ?", (collection, key)) > 0

    def items(self, collection: str, prefix: str = "") -> list[tuple[str, JsonObject]]:
        """Return (key, document) of every key that starts with `prefix`, in the order of their first put."""
        with self._lock:
            rows = self._db.execute(
                "SELECT key, body FROM documents WHERE collection = ? AND substr(key, 1, ?) = ? ORDER BY position",
                (collection, len(prefix), prefix),
            ).fetchall()
        return [(key, json.loads(body)) for key, body in rows]

    def put_blob(self, collection: str, key: str, data: bytes) -> None:
        """Insert or replace bytes."""
        self._write(
            "INSERT INTO blobs (collection, key, body) VALUES (?, ?, ?) "
            "ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body",
            (collection, key, data),
        )

    def get_blob(self, collection: str, key: str) -> bytes | None:
        """Return the bytes, or `None` where there are none."""
        row = self._one("SELECT body FROM blobs WHERE collection = ? AND key = ?", (collection, key))
        return bytes(row[0]) if row else None

    def delete_blob(self, collection: str, key: str) -> bool:
        """Delete the bytes; tell whether there were any."""
        return self._write("DELETE FROM blobs WHERE collection = ? AND key = ?", (collection, key)) > 0

    def clear(self) -> None:
        """Forget everything."""
        self._write("DELETE FROM documents", ())
        self._write("DELETE FROM blobs", ())

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        with self._lock:
            self._db.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> int:
        with self._lock:
            return self._db.execute(statement, values).rowcount

    def _one(self, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with self._lock:
            return self._db.execute(statement, values).fetchone()

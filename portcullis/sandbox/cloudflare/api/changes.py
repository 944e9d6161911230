"""What one call changes in the store, so that it can be taken back when the edge refuses it."""

from __future__ import annotations

from collections.abc import Callable

from portcullis.sandbox.store import JsonObject, Store


class Changes:
    """The store as one call sees it: every write is remembered with what was there before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._undo: list[Callable[[], object]] = []

    def get(self, collection: str, key: str) -> JsonObject | None:
        """Return the document, or `None` where there is none."""
        return self._store.get(collection, key)

    def items(self, collection: str, prefix: str = "") -> list[tuple[str, JsonObject]]:
        """Return (key, document) of every key that starts with `prefix`, in the order of their first put."""
        return self._store.items(collection, prefix)

    def get_blob(self, collection: str, key: str) -> bytes | None:
        """Return the bytes, or `None` where there are none."""
        return self._store.get_blob(collection, key)

    def put(self, collection: str, key: str, document: JsonObject) -> None:
        """Insert or replace a document."""
        self._remember(collection, key)
        self._store.put(collection, key, document)

    def delete(self, collection: str, key: str) -> None:
        """Delete a document; nothing happens where there is none."""
        self._remember(collection, key)
        self._store.delete(collection, key)

    def delete_all(self, collection: str, prefix: str) -> None:
        """Delete every document under `prefix`, the newest first: taking it back then restores their order."""
        for key, _ in reversed(self._store.items(collection, prefix)):
            self.delete(collection, key)

    def put_blob(self, collection: str, key: str, data: bytes) -> None:
        """Insert or replace bytes."""
        self._remember_blob(collection, key)
        self._store.put_blob(collection, key, data)

    def delete_blob(self, collection: str, key: str) -> None:
        """Delete bytes; nothing happens where there are none."""
        self._remember_blob(collection, key)
        self._store.delete_blob(collection, key)

    def undo(self) -> None:
        """Take every change back."""
        while self._undo:
            self._undo.pop()()

    def _remember(self, collection: str, key: str) -> None:
        old = self._store.get(collection, key)
        if old is None:
            self._undo.append(lambda: self._store.delete(collection, key))
        else:
            self._undo.append(lambda: self._store.put(collection, key, old))

    def _remember_blob(self, collection: str, key: str) -> None:
        old = self._store.get_blob(collection, key)
        if old is None:
            self._undo.append(lambda: self._store.delete_blob(collection, key))
        else:
            self._undo.append(lambda: self._store.put_blob(collection, key, old))

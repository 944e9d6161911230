"""The merged contract as plain data with the place where each value was written."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import json_merge_patch

from portcullis.contract.problem import Position, Problem
from portcullis.contract.yaml_reader import Json, KeyPath, SourceFile


@dataclass(frozen=True)
class Document:
    """The contract before it is known to be right.

    The accessors below skip whatever has the wrong type: the structure check reports those, and the checks of
    meaning still see the rest, so that every problem is reported in one go.
    """

    data: dict[str, Json]
    base: SourceFile
    overlay: SourceFile | None = None

    def position(self, path: KeyPath) -> Position:
        """Where the value at `path` was written; for a missing one, its removal or its nearest parent."""
        for length in range(len(path), -1, -1):
            found = self._position(path[:length])
            if found is not None:
                return found
        return Position(self.base.name, 1)

    def _position(self, path: KeyPath) -> Position | None:
        base = self.base.lines.get(path)
        patch = self.overlay.lines.get(path) if self.overlay is not None else None
        if base is None or patch is None:
            return base or patch
        # A mapping in both files was begun by the base; everything else in the overlay replaces what the base says.
        both_mappings = isinstance(_at(self.base.data, path), dict) and isinstance(self.at(path), dict)
        return base if both_mappings else patch

    def latest(self, *paths: KeyPath) -> KeyPath:
        """Of values that contradict each other, the one to blame: the first that the overlay wrote, else the first."""
        overlay = self.overlay.name if self.overlay is not None else None
        return next((path for path in paths if self.position(path).file == overlay), paths[0])

    def removed(self, path: KeyPath) -> bool:
        """Whether the overlay removed what the base has at `path`."""
        patch = self.overlay.lines.get(path) if self.overlay is not None else None
        return patch is not None and path in self.base.lines and self.at(path) is None

    def problem(self, path: KeyPath, what: str, write: str) -> Problem:
        """A problem with the value at `path`."""
        return Problem(self.position(path), what, write)

    def at(self, path: KeyPath) -> Json:
        """The value at `path`, or None."""
        return _at(self.data, path)

    def names(self, *path: str | int) -> list[str]:
        """The keys of the mapping at `path`, in the order written."""
        value = self.at(path)
        return list(value) if isinstance(value, dict) else []

    def text(self, *path: str | int) -> str | None:
        """The text at `path`."""
        value = self.at(path)
        return value if isinstance(value, str) else None

    def number(self, *path: str | int) -> int | None:
        """The whole number at `path`."""
        value = self.at(path)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def texts(self, *path: str | int) -> list[tuple[KeyPath, str]]:
        """The texts in the list at `path`, each with its own path."""
        value = self.at(path)
        items = value if isinstance(value, list) else []
        return [((*path, index), item) for index, item in enumerate(items) if isinstance(item, str)]

    def operations(self) -> Iterator[KeyPath]:
        """The path of every operation of every product."""
        for product in self.names("products"):
            for operation in self.names("products", product, "operations"):
                yield ("products", product, "operations", operation)

    def role_mappings(self, issuer: str) -> Iterator[KeyPath]:
        """The path of every claim-to-role mapping of an issuer."""
        value = self.at(("issuers", issuer, "roles"))
        for index in range(len(value) if isinstance(value, list) else 0):
            yield ("issuers", issuer, "roles", index)


def _at(data: Json, path: KeyPath) -> Json:
    value = data
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def merge(base: SourceFile, overlay: SourceFile | None) -> Document:
    """Lay an overlay over the contract as a JSON merge patch (RFC 7396): null removes, a list replaces the list."""
    if overlay is None:
        return Document(base.data, base)
    merged = cast("object", json_merge_patch.merge(copy.deepcopy(base.data), copy.deepcopy(overlay.data)))
    return Document(cast("dict[str, Json]", merged), base, overlay)

"""Limits on the structure of JSON, held while the text is read once from left to right, never deeper than a list."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r'(?P<space>[ \t\r\n]+)|(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")|'
    r"(?P<scalar>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|(?P<mark>[{}\[\]:,])"
)


class LimitError(ValueError):
    """The text breaks a limit, or is no JSON; `broken` tells which."""

    def __init__(self, text: str, line: int, *, broken: bool) -> None:
        super().__init__(f"{text} at line {line}")
        self.broken = broken


@dataclass(frozen=True)
class JsonLimits:
    """The largest numbers allowed; `None` is no limit."""

    depth: int | None = None
    entries: int | None = None
    name_length: int | None = None
    elements: int | None = None
    string_length: int | None = None


def check_json(text: str, limits: JsonLimits) -> None:
    """Read the text; raises `LimitError` at the first limit it breaks, or where it is no JSON."""
    _Scanner(text, limits).run()


class _Scanner:
    """A stack of the open containers: their closing mark and how much is in them."""

    def __init__(self, text: str, limits: JsonLimits) -> None:
        self._text = text
        self._limits = limits
        self._at = 0
        self._line = 1
        self._stack: list[tuple[str, int]] = []

    def run(self) -> None:
        kind, word = self._next()
        if word not in {"{", "["}:
            raise self._malformed("Expecting { or [")
        self._value(kind, word)
        while self._stack:
            self._member()
        kind, _ = self._next()
        if kind:
            raise self._malformed("Expecting end of document")

    def _member(self) -> None:
        """Read one member of the innermost container, or its end."""
        end, count = self._stack[-1]
        kind, word = self._next()
        if word == end:
            self._stack.pop()
            return
        if count:
            if word != ",":
                raise self._malformed(f"Expecting , or {end}")
            kind, word = self._next()
        self._stack[-1] = (end, count + 1)
        if end == "]":
            self._limit("Exceeded array element count", count + 1, self._limits.elements)
        else:
            kind, word = self._name(kind, word, count + 1)
        self._value(kind, word)

    def _name(self, kind: str, word: str, count: int) -> tuple[str, str]:
        """Read the name of an entry and its colon; return the first token of its value."""
        if kind != "string":
            raise self._malformed('Expecting "')
        self._limit("Exceeded object entry name length", _length(word), self._limits.name_length)
        self._limit("Exceeded object entry count", count, self._limits.entries)
        if self._next()[1] != ":":
            raise self._malformed("Expecting :")
        return self._next()

    def _value(self, kind: str, word: str) -> None:
        if kind == "mark" and word in "{[":
            self._stack.append(("}" if word == "{" else "]", 0))
            self._limit("Exceeded container depth", len(self._stack), self._limits.depth)
        elif kind == "string":
            self._limit("Exceeded string value length", _length(word), self._limits.string_length)
        elif kind != "scalar":
            raise self._malformed("Expecting a value")

    def _next(self) -> tuple[str, str]:
        """Return the kind of the next token and its text; both are empty at the end."""
        while self._at < len(self._text):
            match = _TOKEN.match(self._text, self._at)
            if match is None:
                raise self._malformed("Unexpected character")
            self._at = match.end()
            kind = match.lastgroup or ""
            if kind != "space":
                return kind, match[0]
            self._line += match[0].count("\n")
        return "", ""

    def _limit(self, text: str, found: int, limit: int | None) -> None:
        if limit is not None and found > limit:
            raise LimitError(text, self._line, broken=True)

    def _malformed(self, text: str) -> LimitError:
        return LimitError(text, self._line, broken=False)


def _length(word: str) -> int:
    return len(json.loads(word)) if "\\" in word else len(word) - 2

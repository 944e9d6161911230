"""The JSONPath of policies and template functions, as Jayway's library reads it, which Apigee uses.

`python-jsonpath` does the work. What Jayway reads otherwise: names such as `.@id` without brackets, a dot before
brackets, a function at the end (`.length()`), and a path that can select one value only gives that value, every other
one an array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from jsonpath import JSONPathEnvironment
from jsonpath.exceptions import JSONPathError

from portcullis.sandbox.apigee.runtime.java_regex import JavaRegexError, MatchTimeoutError, compile_java

MAX_PATH = 4096

_FUNCTION = re.compile(r"\.(length|size|keys|min|max|sum|avg|first|last)\(\s*\)$")
_PART = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\.(?P<name>[\w\-]*[@$#:%][\w@$#:%\-]*)|(?<!\.)(?P<dot>\.)(?=\[)|.""",
    re.DOTALL,
)


class PathError(ValueError):
    """The text is no path that is understood here, or cannot be followed in a document."""


class _Environment(JSONPathEnvironment):
    """Compares by regular expression without running on without bound."""

    def compare(self, left: object, operator: str, right: object) -> bool:
        if operator != "=~":
            return super().compare(left, operator, right)
        pattern = str(getattr(right, "pattern", right))
        try:
            found = compile_java(pattern, ignore_case=bool(getattr(right, "flags", 0) & re.IGNORECASE))
            return isinstance(left, str) and found.matches(left)
        except (JavaRegexError, MatchTimeoutError):
            return False


_ENVIRONMENT = _Environment()


@dataclass(frozen=True)
class Path:
    """A compiled path; `definite` where it can select one value at most."""

    text: str
    definite: bool
    query: Any
    function: str | None = None

    def find(self, document: object) -> list[Any]:
        """Return every value the path selects, in the document's order."""
        try:
            found = [match.obj for match in self.query.finditer(document)]
        except (JSONPathError, RecursionError) as error:
            raise PathError(f"the JSONPath {self.text!r} cannot be followed: {error}") from None
        if self.function is None:
            return found
        if self.definite and not found:
            return []
        result = _apply(self.function, found[0] if self.definite else found)
        return [] if result is None else [result]

    def result(self, document: object) -> tuple[bool, object]:
        """Return whether there is a result, and it: the one value of a definite path, or the array of all."""
        found = self.find(document)
        if self.definite or self.function is not None:
            return (True, found[0]) if found else (False, None)
        return True, found


def as_text(value: object) -> str:
    """Return a selected value as a flow variable holds it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=1024)
def parse(text: str) -> Path:
    """Compile a path; raises `PathError`."""
    text = text.strip()
    if not text.startswith("$") or len(text) > MAX_PATH:
        raise PathError(f"the JSONPath {text[:80]!r} does not start with $, or is longer than {MAX_PATH} characters")
    function = _FUNCTION.search(text)
    source = text[: function.start()] if function else text
    if source.endswith(".") and not source.endswith(".."):
        source = source[:-1]
    try:
        query = _ENVIRONMENT.compile(_PART.sub(_bracketed, source))
    except (JSONPathError, re.error, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise PathError(f"cannot read the JSONPath {text!r}: {reason}") from None
    definite = bool(getattr(query, "singular_query", lambda: False)())
    return Path(text, definite, query, function[1] if function else None)


def _bracketed(match: re.Match[str]) -> str:
    """Write a name that only Jayway reads without brackets in brackets, without a dot before it; quotes stay."""
    if match["dot"]:
        return ""
    name = match["name"]
    return f"['{name}']" if name else match[0]


def _numbers(values: list[Any]) -> list[float]:
    return [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]


_FUNCTIONS: dict[str, Callable[[list[Any]], object]] = {
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "min": lambda values: min(_numbers(values), default=None),
    "max": lambda values: max(_numbers(values), default=None),
    "sum": lambda values: sum(_numbers(values)),
    "avg": lambda values: sum(found) / len(found) if (found := _numbers(values)) else None,
}


def _apply(name: str, value: object) -> object:
    if name in {"length", "size"}:
        return len(cast("list[Any]", value)) if isinstance(value, list | dict | str) else None
    if name == "keys":
        return list(cast("dict[str, Any]", value)) if isinstance(value, dict) else None
    return _FUNCTIONS[name](cast("list[Any]", value)) if isinstance(value, list) else None

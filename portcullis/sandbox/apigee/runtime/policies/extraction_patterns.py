"""The patterns of ExtractVariables: `{name}` takes a part of the text, `*` and `**` skip one, `%` escapes.

In a path `*` and `{name}` stop at a slash; elsewhere they do not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.java_regex import JavaRegex, MatchTimeoutError, compile_java

_TOKEN = re.compile(r"%(?P<escaped>.)|\{(?P<name>[^{}]+)\}|(?P<many>\*\*)|(?P<one>\*)|(?P<text>.)", re.DOTALL)


class BadVariableError(ValueError):
    """What is in the curly brackets is no name."""


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern: the names of its variables, and how many segments it has."""

    names: tuple[str, ...]
    expression: JavaRegex
    segments: int

    def read(self, text: str) -> dict[str, str] | None:
        """Return variable name → value where the whole text matches, else `None`."""
        try:
            taken = self.expression.groups(text)
        except MatchTimeoutError:
            return None
        return None if taken is None else {name: part or "" for name, part in zip(self.names, taken, strict=True)}


def compile_pattern(text: str, *, path: bool, ignore_case: bool) -> Pattern:
    """Compile a pattern; one without a variable is a `ValueError`, as is one too long.

    Raises:
        BadVariableError: a wildcard is where the name of a variable should be.
    """
    names: list[str] = []
    parts: list[str] = []
    one = "[^/]+" if path else ".*?"
    for match in _TOKEN.finditer(text):
        if match["name"]:
            if "*" in match["name"]:
                raise BadVariableError(match["name"])
            names.append(match["name"].strip())
            parts.append(f"({one})")
        elif match["one"] or match["many"]:
            parts.append(one if match["one"] else ".*?")
        else:
            parts.append(re.escape(match["escaped"] or match["text"]))
    if not names:
        raise ValueError("the pattern has no variable in curly brackets")
    tail = "/?" if path and not text.endswith("/") else ""
    expression = compile_java(f"(?s){''.join(parts)}{tail}", ignore_case=ignore_case)
    return Pattern(tuple(names), expression, text.strip("/").count("/") + 1)


def best_match(patterns: Sequence[Pattern], text: str) -> dict[str, str]:
    """Return what the matching pattern of most segments reads, the first of several such; empty where none matches."""
    found = [(pattern.segments, values) for pattern in patterns if (values := pattern.read(text)) is not None]
    return max(found, key=lambda item: item[0])[1] if found else {}

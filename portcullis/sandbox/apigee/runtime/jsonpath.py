"""The JSONPath of ExtractVariables and of template functions: Goessner's paths without script expressions.

Understood: `$`, `.name`, `['name']`, `[0]`, `[-1]`, `[a:b:c]`, `[0,1]`, `['a','b']`, `*`, `..`, and filters
`[?(@.name == 'text')]` with `== != < <= > >=` or for existence. Anything else is refused when a path is parsed.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

Selector = Callable[[Any], Iterator[Any]]

_STEP = re.compile(
    r"""(?P<deep>\.\.)?\.?(?:(?P<name>[A-Za-z_$@\-][\w$@\-]*|\*)|\[(?P<inside>(?:'[^']*'|"[^"]*"|[^\]'"])*)\])""",
    re.VERBOSE,
)
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?")
_FILTER = re.compile(r"\?\(\s*@(?P<path>[^\s=!<>)]+)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>[^)]+?))?\s*\)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class PathError(ValueError):
    """The text is no path that is understood here."""


@dataclass(frozen=True)
class Path:
    """A compiled path; `definite` where it can select one value at most."""

    steps: tuple[Selector, ...]
    definite: bool

    def find(self, document: object) -> list[Any]:
        """Return every value the path selects, in the document's order."""
        found: list[Any] = [document]
        for step in self.steps:
            found = [value for current in found for value in step(current)]
        return found


def as_text(value: object) -> str:
    """Return a selected value as a flow variable holds it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def parse(text: str) -> Path:
    """Compile a path; raises `PathError`."""
    text = text.strip()
    if not text.startswith("$"):
        raise PathError(f"the JSONPath {text!r} does not start with $")
    steps: list[Selector] = []
    definite = True
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or match.end() == position:
            raise PathError(f"cannot read the JSONPath {text!r} at {text[position:]!r}")
        if match["deep"]:
            steps.append(_descend)
            definite = False
        selector, single = _selector(match)
        steps.append(selector)
        definite = definite and single
        position = match.end()
    return Path(tuple(steps), definite)


def _selector(match: re.Match[str]) -> tuple[Selector, bool]:
    name = match["name"]
    if name is not None:
        return (_children, False) if name == "*" else (_member(name), True)
    inside = match["inside"].strip()
    if inside == "*":
        return _children, False
    if inside.startswith("?"):
        return _filter(inside), False
    bounds = _SLICE.fullmatch(inside)
    if bounds is not None:
        return _slice(bounds), False
    keys = [_key(part.strip()) for part in _split(inside)]
    return _union(keys), len(keys) == 1


def _split(text: str) -> list[str]:
    return re.findall(r"""'[^']*'|"[^"]*"|[^,]+""", text)


def _key(text: str) -> str | int:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    raise PathError(f"cannot read [{text}] in a JSONPath")


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from cast("dict[str, Any]", value).values()
    elif isinstance(value, list):
        yield from cast("list[Any]", value)


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descend(child)


def _member(name: str) -> Selector:
    return _union([name])


def _union(keys: list[str | int]) -> Selector:
    def select(value: Any) -> Iterator[Any]:
        for key in keys:
            if isinstance(key, str) and isinstance(value, dict) and key in value:
                yield cast("dict[str, Any]", value)[key]
            elif isinstance(key, int) and isinstance(value, list):
                items = cast("list[Any]", value)
                if -len(items) <= key < len(items):
                    yield items[key]

    return select


def _slice(bounds: re.Match[str]) -> Selector:
    start, end, step = (int(part) if part else None for part in bounds.groups())
    if step == 0:
        raise PathError("a slice of a JSONPath cannot step by 0")

    def select(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from cast("list[Any]", value)[start:end:step]

    return select


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _filter(text: str) -> Selector:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise PathError(f"cannot read the filter [{text}] of a JSONPath")
    path = parse("$" + match["path"])
    compare = _OPERATORS[match["op"]] if match["op"] else None
    wanted = _literal(match["value"]) if compare else None

    def keep(item: Any) -> bool:
        found = path.find(item)
        if not found or compare is None:
            return bool(found)
        try:
            return compare(found[0], wanted)
        except TypeError:
            return False

    def select(value: Any) -> Iterator[Any]:
        yield from (item for item in _children(value) if keep(item))

    return select


def _literal(text: str) -> object:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    constants: dict[str, object] = {"true": True, "false": False, "null": None}
    if text in constants:
        return constants[text]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    raise PathError(f"cannot read {text!r} in a filter of a JSONPath")

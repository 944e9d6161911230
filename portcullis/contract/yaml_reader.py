"""Reads one YAML file into plain data, remembering the line of every value.

Only what a contract needs of YAML 1.2 is read: one document, the core schema's null, true, false, integers and
decimal numbers, mappings with text keys, and lists. A key written twice, a tag, a set, a second document and aliases
that grow the file beyond bounds are refused, as parsers disagree about them or use them to exhaust memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml import events as yaml_events

from portcullis.contract.problem import ContractError, Position, Problem
from portcullis.contract.secrets_guard import find_secrets, shown

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
KeyPath: TypeAlias = tuple[str | int, ...]

MAX_FILE_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 16
MAX_NODES: Final = 20_000

_NULL = re.compile(r"(?:~|null|Null|NULL)?\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]{1,18}\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})(?:[eE][-+]?[0-9]{1,2})?\Z")


@dataclass(frozen=True)
class SourceFile:
    """The data of one file, and where each value was written."""

    name: str
    data: dict[str, Json]
    lines: dict[KeyPath, Position]
    problems: tuple[Problem, ...]


@dataclass
class _Node:
    """A value with its line (from 1); children of a mapping keep the line of their key."""

    value: Json | list[_Node] | dict[str, tuple[int, _Node]]
    line: int
    size: int = 1
    height: int = 1


@dataclass
class _Reader:
    file: str
    events: Iterator[Any]
    problems: list[Problem] = field(default_factory=list[Problem])
    anchors: dict[str, _Node] = field(default_factory=dict[str, _Node])

    def stop(self, line: int, what: str, write: str) -> ContractError:
        """Give the error for a file that cannot be read any further."""
        return ContractError([*self.problems, Problem(Position(self.file, line), what, write)])

    def document(self) -> _Node:
        event = next(self.events)
        while isinstance(event, yaml_events.StreamStartEvent | yaml_events.DocumentStartEvent):
            event = next(self.events)
        if isinstance(event, yaml_events.StreamEndEvent):
            raise self.stop(1, "the file is empty", "the contract, or delete the file")
        root = self.node(event, 1)
        for event in self.events:
            if isinstance(event, yaml_events.DocumentStartEvent):
                raise self.stop(
                    _line(event), "a second document begins here", "one document in one file, without `---`"
                )
        return root

    def node(self, event: Any, depth: int) -> _Node:
        line = _line(event)
        if depth > MAX_DEPTH:
            raise self.stop(line, f"values are nested deeper than {MAX_DEPTH} levels", "the contract's own structure")
        if isinstance(event, yaml_events.AliasEvent):
            return self.alias(event, line, depth)
        if event.tag is not None and event.tag != "!":
            self.problems.append(
                Problem(Position(self.file, line), f"the tag {shown(event.tag)} is not used here", "the value alone")
            )
        if isinstance(event, yaml_events.ScalarEvent):
            node = _Node(_scalar(event), line)
        elif isinstance(event, yaml_events.SequenceStartEvent):
            node = self.sequence(line, depth)
        else:
            node = self.mapping(line, depth)
        anchor = cast("str | None", event.anchor)
        if anchor is not None:
            self.anchors[anchor] = node
        return node

    def alias(self, event: Any, line: int, depth: int) -> _Node:
        node = self.anchors.get(str(event.anchor))
        if node is None:
            raise self.stop(line, f"the alias {shown(f'*{event.anchor}')} has no finished anchor", "the value itself")
        if depth + node.height - 1 > MAX_DEPTH:
            raise self.stop(line, f"aliases nest values deeper than {MAX_DEPTH} levels", "the contract's own structure")
        return _Node(node.value, line, node.size, node.height)

    def sequence(self, line: int, depth: int) -> _Node:
        items: list[_Node] = []
        size = height = 1
        for event in self.events:
            if isinstance(event, yaml_events.SequenceEndEvent):
                break
            item = self.node(event, depth + 1)
            items.append(item)
            size = self.grown(size, item, line)
            height = max(height, item.height + 1)
        return _Node(items, line, size, height)

    def mapping(self, line: int, depth: int) -> _Node:
        members: dict[str, tuple[int, _Node]] = {}
        size = height = 1
        for event in self.events:
            if isinstance(event, yaml_events.MappingEndEvent):
                break
            key_line = _line(event)
            key = self.key(event)
            value = self.node(next(self.events), depth + 1)
            size = self.grown(size, value, line)
            height = max(height, value.height + 1)
            if key in members:
                self.problems.append(
                    Problem(
                        Position(self.file, key_line),
                        f"the key {shown(key)} is already written in line {members[key][0]}",
                        "each key once",
                    )
                )
            members[key] = (key_line, value)
        return _Node(members, line, size, height)

    def key(self, event: Any) -> str:
        if not isinstance(event, yaml_events.ScalarEvent):
            raise self.stop(_line(event), "a key is not a plain text", "a name before the colon")
        return cast("str", event.value)

    def grown(self, size: int, child: _Node, line: int) -> int:
        """Add a child's size, stopping before aliases can multiply it beyond the cap ("billion laughs")."""
        if size + child.size > MAX_NODES:
            raise self.stop(line, f"the file holds more than {MAX_NODES} values", "a smaller contract, without aliases")
        return size + child.size


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any) -> Json:
    text = str(event.value)
    if event.style not in (None, ""):
        return text
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def _plain(node: _Node, path: KeyPath, line: int, file: str, lines: dict[KeyPath, Position]) -> Json:
    """Turn a node into plain data; a scalar is found at its own line, a collection at the line of its key."""
    value = node.value
    if isinstance(value, dict):
        lines[path] = Position(file, line)
        members = cast("dict[str, tuple[int, _Node]]", value)
        return {key: _plain(child, (*path, key), at, file, lines) for key, (at, child) in members.items()}
    if isinstance(value, list):
        lines[path] = Position(file, line)
        items = cast("list[_Node]", value)
        return [_plain(item, (*path, index), item.line, file, lines) for index, item in enumerate(items)]
    # Nothing at all behind a key is found by the parser wherever the next thing begins.
    lines[path] = Position(file, line if value is None else node.line)
    return value


def read_text(path: Path) -> str:
    """Read a contract file as UTF-8 text, at most MAX_FILE_BYTES of it; raises ContractError."""
    start = Position(path.name, 1)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ContractError(
            [Problem(start, f"the file cannot be read ({error.strerror})", f"the contract to {path}")]
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise ContractError([Problem(start, f"the file is larger than {MAX_FILE_BYTES} bytes", "a smaller contract")])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ContractError(
            [Problem(Position(path.name, line), "this line is not UTF-8 text", "the file in UTF-8")]
        ) from None


def read_file(path: Path) -> SourceFile:
    """Read one contract file.

    Problems that leave the rest readable (a secret, a doubled key, a tag) are listed in the result; a file that
    cannot be read at all (unreadable, too large, not UTF-8, not YAML, not a mapping) raises ContractError.
    """
    text = read_text(path)
    secrets = list(find_secrets(path.name, text))
    try:
        reader = _Reader(path.name, iter(YAML(typ="safe", pure=True).parse(text)), secrets)
        root = reader.document()
    except YAMLError as error:
        raise ContractError([*secrets, _syntax_problem(path.name, error)]) from None
    if not isinstance(root.value, dict):
        raise reader.stop(root.line, "the file is not a mapping", "`key: value` lines, such as `version: 1`")
    lines: dict[KeyPath, Position] = {}
    data = _plain(root, (), root.line, path.name, lines)
    return SourceFile(path.name, cast("dict[str, Json]", data), lines, tuple(reader.problems))


def _syntax_problem(file: str, error: YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    line = 1 if mark is None else int(mark.line) + 1
    reason = getattr(error, "problem", None) or "it holds a character that YAML does not allow"
    return Problem(
        Position(file, line),
        f"this is not YAML: {shown(str(reason))}",
        "`key: value`, indented by spaces, and quotes around a text with `:`, `{`, `*` or `#` in it",
    )

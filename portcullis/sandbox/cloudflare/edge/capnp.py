"""Python values as the Cap'n Proto text that workerd reads as its configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, Union

_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\]')


@dataclass(frozen=True)
class Embed:
    """The contents of a file, whose path is relative to the configuration's own folder."""

    path: str


@dataclass(frozen=True)
class Enumerant:
    """A bare word, such as `proxy`."""

    word: str


Value: TypeAlias = Union[str, bool, Embed, Enumerant, "Sequence[Value]", "Mapping[str, Value]"]


def document(config: Mapping[str, Value]) -> str:
    """Return a whole configuration file with `config` as its one constant of type `Workerd.Config`."""
    return f'using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = {text(config)};\n'


def text(value: Value) -> str:
    """Return `value` as a literal: a mapping is a struct, a sequence a list, a string a quoted text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{_UNSAFE.sub(_escape, value)}"'
    if isinstance(value, Embed):
        return f"embed {text(value.path)}"
    if isinstance(value, Enumerant):
        return value.word
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{name} = {text(member)}" for name, member in value.items()) + ")"
    return "[" + ", ".join(text(element) for element in value) + "]"


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match.group()):02x}"

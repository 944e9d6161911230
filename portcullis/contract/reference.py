"""Every key of gateway.yaml as a page for people, made from the format itself.

`python -m portcullis.contract.reference` prints docs/contract.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from portcullis.contract.format import flow, plain_type
from portcullis.contract.model import GatewayFile

_HEAD: Final = """# The contract: every key of gateway.yaml

`gateway.yaml` says what holds in every environment; `gateway.STACK.yaml`, where it exists, is laid over it as a JSON
merge patch (RFC 7396). Anything that is not on this page is refused with file, line and what to write instead.
All durations are whole seconds. `NAME` stands for a name of your own: 2 to 40 lower-case letters and digits, words
joined by single `-`.

Made from the format by `python -m portcullis.contract.reference`; a test compares the two.
"""
_KINDS: Final[Mapping[type, str]] = {str: "text", int: "whole number", bool: "true or false"}


def reference() -> str:
    """Return the page: a section for each part, in the order of the file, each key once."""
    sections = [_HEAD]
    waiting: list[tuple[str, type[BaseModel]]] = [("", GatewayFile)]
    while waiting:
        path, part = waiting.pop(0)
        sections.append(_section(path, part))
        below = [
            (f"{path}.{name}{suffix}".lstrip("."), inner)
            for name, info in part.model_fields.items()
            for suffix, inner in _parts(plain_type(info.annotation))
        ]
        waiting = [*below, *waiting]
    return "\n".join(sections)


def _parts(kind: Any) -> list[tuple[str, type[BaseModel]]]:
    """Return the part that a key holds, with what stands between: nothing, a name, or a place in a list."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [("", kind)]
    if get_origin(kind) not in {Mapping, tuple}:
        return []
    suffix = "[]" if get_origin(kind) is tuple else ".NAME"
    inner = plain_type(next(item for item in reversed(get_args(kind)) if item is not Ellipsis))
    return [(suffix + more, part) for more, part in _parts(inner)]


def _section(path: str, part: type[BaseModel]) -> str:
    title = f"## `{path}`" if path else "## The file"
    about = " ".join((part.__doc__ or "").split())
    rows = [_row(name, info) for name, info in part.model_fields.items()]
    table = ["| key | what it is | needed | example |", "|---|---|---|---|", *rows]
    return "\n".join([title, "", about, "", *table, ""])


def _row(name: str, info: FieldInfo) -> str:
    described = ". ".join(text for text in (_kind(info), (info.description or "").rstrip(".")) if text)
    example = f"`{flow(info.examples[0])}`" if info.examples else ""
    needed = "yes" if info.is_required() else "no"
    cells = (f"`{name}`", f"{described}.", needed, example)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(info: FieldInfo) -> str:
    kind = plain_type(info.annotation)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is Mapping:
        return "a mapping by name"
    if get_origin(kind) is tuple:
        return "a list"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "see below"
    return _KINDS[kind] + _bounds(info)


def _bounds(info: FieldInfo) -> str:
    lowest = next((rule.ge for rule in info.metadata if hasattr(rule, "ge")), None)
    highest = next((rule.le for rule in info.metadata if hasattr(rule, "le")), None)
    return "" if lowest is None else f", {lowest} to {highest}"


if __name__ == "__main__":
    sys.stdout.write(reference())

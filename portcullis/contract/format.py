"""The format of gateway.yaml, looked up by path: what belongs where, and an example of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from portcullis.contract.model import GatewayFile
from portcullis.contract.yaml_reader import KeyPath


def field(path: KeyPath) -> FieldInfo | None:
    """The declaration of the key at `path`; None where the key is not part of the format but a name of the user's."""
    parent = annotation(path[:-1])
    if isinstance(parent, type) and issubclass(parent, BaseModel):
        return parent.model_fields.get(str(path[-1]))
    return None


def annotation(path: KeyPath) -> Any:
    """The type of the value at `path`, or None where the format knows none."""
    kind: Any = GatewayFile
    for step in path:
        kind = _child(kind, step)
    return kind


def _child(kind: Any, step: str | int) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        info = kind.model_fields.get(str(step))
        return None if info is None else plain_type(info.annotation)
    arguments = get_args(kind)
    if not arguments:
        return None
    return plain_type(arguments[0] if isinstance(step, int) else arguments[-1])


def plain_type(kind: Any) -> Any:
    """A type without Annotated, and without `| None`."""
    while hasattr(kind, "__metadata__"):
        kind = kind.__origin__
    present = [choice for choice in get_args(kind) if choice is not type(None)]
    return plain_type(present[0]) if type(None) in get_args(kind) and len(present) == 1 else kind


def members(path: KeyPath) -> Iterator[str]:
    """The keys that belong in the mapping at `path`."""
    kind = annotation(path)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from kind.model_fields


def is_list(path: KeyPath) -> bool:
    """Whether a list belongs at `path`."""
    return get_origin(annotation(path)) is tuple


def is_collection(path: KeyPath) -> bool:
    """Whether a list or a mapping belongs at `path`."""
    kind = annotation(path)
    return get_origin(kind) in {tuple, Mapping} or (isinstance(kind, type) and issubclass(kind, BaseModel))


def example(path: KeyPath) -> str:
    """What a right value looks like, as YAML in flow style: `key: value`."""
    kind = annotation(path)
    info = field(path)
    if info is not None and info.examples:
        value: Any = info.examples[0]
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        value = _model_example(kind)
    else:
        return f"`{path[-1]}:` with at least one entry below it" if isinstance(path[-1], str) else "an entry"
    return f"`{path[-1]}: {flow(value)}`" if isinstance(path[-1], str) else f"`{flow(value)}`"


def _model_example(kind: type[BaseModel]) -> dict[str, Any]:
    return {name: info.examples[0] for name, info in kind.model_fields.items() if info.is_required() and info.examples}


def flow(value: Any) -> str:
    """A value as YAML in flow style."""
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in mapping.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, cast("list[Any]", value))) + "]"
    text = str(value)
    return f'"{text}"' if re.search(r"[{}\[\],:#]", text) else text


def bounds(path: KeyPath) -> tuple[Any, Any]:
    """The smallest and the largest number allowed at `path`."""
    info = field(path)
    metadata = info.metadata if info is not None else []
    lowest = next((rule.ge for rule in metadata if hasattr(rule, "ge")), None)
    highest = next((rule.le for rule in metadata if hasattr(rule, "le")), None)
    return lowest, highest

"""XML as JSON, the way the XMLToJSON policy writes it (options and examples of the policy's reference)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from lxml import etree

from portcullis.sandbox.apigee.runtime.policies.payloads import PayloadError

MAX_DEPTH = 200

Element = etree._Element  # pyright: ignore[reportPrivateUsage]

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class ArrayPath:
    """The element at a path of names is always an array; `unwrap` leaves out its name, `rename` gives it another."""

    names: tuple[str, ...]
    unwrap: bool = False
    rename: str = ""


@dataclass(frozen=True)
class Shape:
    """The options of the policy.

    An empty `separator` leaves namespaces out; else their declarations are a block of the name `namespaces`, or
    attributes where `declare` is true.
    """

    numbers: bool = True
    booleans: bool = True
    nulls: bool = False
    null_value: str | None = None
    text_always: bool = False
    text: str = "#text"
    attributes: str = ""
    attribute_prefix: str = ""
    separator: str = ""
    namespaces: str = ""
    declare: bool = False
    default_namespace: str = ""
    prefix: str = ""
    suffix: str = ""
    strip: int = 0
    arrays: tuple[ArrayPath, ...] = ()


@dataclass(frozen=True)
class _Token:
    """A number as it is written: JSON that was read and written again would lose its zeros."""

    text: str


FORMATS = {
    "xml.com": Shape(text="#text", attribute_prefix="@"),
    "yahoo": Shape(text="content"),
    "google": Shape(text="$t", text_always=True, separator="$", declare=True),
    "badgerFish": Shape(
        text="$", text_always=True, attribute_prefix="@", separator=":", namespaces="@xmlns", default_namespace="$"
    ),
}
"""The predefined formats, by the conventions they are named after."""


def write_json(root: Element, shape: Shape) -> str:
    """Return the document as JSON text; raises `PayloadError` where it is nested too deeply."""
    reader = _Reader(shape)
    document: Any = {reader.name(root): reader.value(root, (_local(root),))}
    for _ in range(shape.strip):
        inner = _stripped(document)
        if not isinstance(inner, dict):
            break
        document = cast("Any", inner)
    return f"{shape.prefix}{_dump(document)}{shape.suffix}"


class _Reader:
    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._arrays = {path.names: path for path in shape.arrays}

    def name(self, element: Element) -> str:
        """Return the name of a member, with its prefix where namespaces are kept."""
        return self._joined(element.prefix, _local(element))

    def value(self, element: Element, path: tuple[str, ...]) -> Any:
        """Return what an element is in JSON."""
        if len(path) > MAX_DEPTH:
            raise PayloadError(f"the document is nested more than {MAX_DEPTH} levels deep")
        members = {**self._namespaces(element), **self._attributes(element)}
        only_array = self._children(element, path, members)
        texts = [self._scalar(text) for text in _texts(element)]
        if not members:
            return self._leaf(texts)
        if texts:
            members[self._shape.text] = texts[0] if len(texts) == 1 else texts
        if only_array is not None and list(members) == [only_array]:
            return members[only_array]
        return members

    def _leaf(self, texts: list[Any]) -> Any:
        shape = self._shape
        if not texts:
            if not shape.nulls:
                return {}
            return shape.null_value
        found = texts[0] if len(texts) == 1 else texts
        return {shape.text: found} if shape.text_always else found

    def _children(self, element: Element, path: tuple[str, ...], members: dict[str, Any]) -> str | None:
        """Add the child elements; return the name of the array that is to be unwrapped, where there is one."""
        unwrapped: str | None = None
        for child in element.iterchildren(tag=etree.Element):
            below = (*path, _local(child))
            array = self._arrays.get(below)
            name = array.rename or self.name(child) if array else self.name(child)
            value = self.value(child, below)
            if name in members and isinstance(members[name], _List):
                members[name].append(value)
            elif name in members:
                members[name] = _List([members[name], value])
            else:
                members[name] = _List([value]) if array else value
            if array and array.unwrap:
                unwrapped = name
        return unwrapped

    def _attributes(self, element: Element) -> dict[str, Any]:
        shape = self._shape
        found: dict[str, Any] = {}
        for key, text in element.attrib.items():
            uri, _, local = str(key).rpartition("}")
            prefix = next((p for p, u in element.nsmap.items() if u == uri[1:] and p), None) if uri else None
            found[shape.attribute_prefix + self._joined(prefix, local)] = self._scalar(str(text))
        return {shape.attributes: found} if shape.attributes and found else found

    def _namespaces(self, element: Element) -> dict[str, Any]:
        """Return the namespaces that the element declares, as a block or as attributes."""
        shape = self._shape
        if not shape.separator or not (shape.namespaces or shape.declare):
            return {}
        parent = element.getparent()
        above = parent.nsmap if parent is not None else {}
        own = {prefix: uri for prefix, uri in element.nsmap.items() if above.get(prefix) != uri}
        if not own:
            return {}
        if shape.namespaces:
            return {shape.namespaces: {prefix or shape.default_namespace: uri for prefix, uri in own.items()}}
        lead = f"{shape.attribute_prefix}xmlns"
        return {f"{lead}{shape.separator}{prefix}" if prefix else lead: uri for prefix, uri in own.items()}

    def _joined(self, prefix: str | None, local: str) -> str:
        return f"{prefix}{self._shape.separator}{local}" if prefix and self._shape.separator else local

    def _scalar(self, text: str) -> Any:
        shape = self._shape
        if shape.numbers and _NUMBER.fullmatch(text):
            return _Token(text)
        if shape.booleans and text in {"true", "false"}:
            return text == "true"
        return text


class _List(list[Any]):
    """The values of elements of one name, as opposed to the texts of one element."""


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _texts(element: Element) -> Iterator[str]:
    """Yield the pieces of text between the child elements that are more than white space, trimmed."""
    pieces = [element.text, *(child.tail for child in element)]
    for piece in pieces:
        trimmed = (piece or "").strip()
        if trimmed:
            yield trimmed


def _stripped(document: dict[str, Any]) -> Any:
    """Leave out the outermost level: what is in all its members becomes one object."""
    merged: dict[str, Any] = {}
    values = list(document.values())
    if len(values) == 1:
        return values[0]
    for value in values:
        if isinstance(value, dict):
            merged.update(cast("dict[str, Any]", value))
    return merged


def _dump(value: Any) -> str:
    if isinstance(value, _Token):
        return value.text
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return "{" + ",".join(f"{_dump(name)}:{_dump(item)}" for name, item in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_dump(item) for item in cast("list[Any]", value)) + "]"
    return json.dumps(value, ensure_ascii=False)

"""JSON as XML, the way the JSONToXML policy writes it (options and examples of the policy's reference).

Written as text, since the names of JSON can ask for what a tree of XML would refuse: a prefix that nobody declares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from xml.sax.saxutils import escape, quoteattr

from portcullis.sandbox.apigee.runtime.policies.payloads import PayloadError

MAX_DEPTH = 200

_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd"
)
_NOT_IN_NAMES = re.compile(f"[^{_START}0-9.:\u00b7\u0300-\u036f\u203f\u2040-]+")
_NOT_FIRST = re.compile(f"[^{_START}]")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Naming:
    """The options of the policy, with the defaults of its template."""

    declaration: bool = True
    indent: bool = False
    null: str = "NULL"
    namespaces: str = "#namespaces"
    default_namespace: str = "$default"
    separator: str = ":"
    text: str = "#text"
    attributes: str = "#attrs"
    attribute_prefix: str = "@"
    replacement: str = "_"
    object_root: str = "Root"
    array_root: str = "Array"
    array_item: str = "Item"


def write_xml(document: object, naming: Naming) -> str:
    """Return the document as XML; raises `PayloadError` where it is nested too deeply."""
    name, value = _root(document, naming)
    parts = ['<?xml version="1.0" encoding="UTF-8"?>'] if naming.declaration else []
    parts.extend(_Writer(naming).element(name, value, 0))
    return ("\n" if naming.indent else "").join(parts)


def _root(document: object, naming: Naming) -> tuple[str, object]:
    """Return the name of the root and what is in it: an object's only member is the root, unless it is an array."""
    if isinstance(document, list):
        return naming.array_root, {naming.array_item: cast("object", document)}
    members = cast("dict[str, Any]", document)
    if len(members) == 1:
        name, value = next(iter(members.items()))
        plain = not name.startswith(naming.attribute_prefix) and name not in {naming.text, naming.attributes}
        if plain and not isinstance(value, list):
            return name, value
    return naming.object_root, members


class _Writer:
    def __init__(self, naming: Naming) -> None:
        self._naming = naming

    def element(self, name: str, value: object, depth: int) -> Iterator[str]:
        """Yield an element, or one for every item of an array."""
        if depth > MAX_DEPTH:
            raise PayloadError(f"the document is nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, list):
            for item in cast("list[object]", value):
                # An array in an array has no name of its own.
                inner = {self._naming.array_item: cast("object", item)} if isinstance(item, list) else item
                yield from self.element(name, inner, depth)
            return
        tag = self._name(name)
        pad = "  " * depth if self._naming.indent else ""
        if not isinstance(value, dict):
            yield f"{pad}<{tag}>{self._scalar(value)}</{tag}>"
            return
        attributes, content = self._split(cast("dict[str, object]", value))
        if all(child is None for child, _ in content):
            yield f"{pad}<{tag}{attributes}>{''.join(self._scalar(text) for _, text in content)}</{tag}>"
            return
        yield f"{pad}<{tag}{attributes}>"
        for child, inner in content:
            yield from [self._scalar(inner)] if child is None else self.element(child, inner, depth + 1)
        yield f"{pad}</{tag}>"

    def _split(self, members: dict[str, object]) -> tuple[str, list[tuple[str | None, object]]]:
        """Return the attributes as written in a tag, and the members that become elements or (without name) text."""
        naming = self._naming
        attributes: list[str] = []
        content: list[tuple[str | None, object]] = []
        for name, value in members.items():
            if name == naming.namespaces and isinstance(value, dict):
                attributes.extend(self._namespace(*pair) for pair in cast("dict[str, object]", value).items())
            elif name == naming.attributes and isinstance(value, dict):
                attributes.extend(self._attribute(*pair) for pair in cast("dict[str, object]", value).items())
            elif name == naming.text:
                values = cast("list[object]", value) if isinstance(value, list) else [value]
                content.extend((None, item) for item in values)
            elif self._is_attribute(name, value):
                attributes.append(self._attribute(name.removeprefix(naming.attribute_prefix), value))
            else:
                content.append((name, value))
        return "".join(f" {attribute}" for attribute in attributes), content

    def _is_attribute(self, name: str, value: object) -> bool:
        prefix = self._naming.attribute_prefix
        return name.startswith(prefix) and len(name) > len(prefix) and not isinstance(value, dict | list)

    def _namespace(self, name: str, uri: object) -> str:
        if name == self._naming.default_namespace:
            return f"xmlns={quoteattr(_text(uri))}"
        prefix = name.removeprefix(f"xmlns{self._naming.separator}").removeprefix("xmlns:")
        return f"xmlns:{self._name(prefix)}={quoteattr(_text(uri))}"

    def _attribute(self, name: str, value: object) -> str:
        return f"{self._name(name)}={quoteattr('' if value == self._naming.null else _text(value))}"

    def _name(self, name: str) -> str:
        """Return a name that XML takes: what it does not take is replaced."""
        if self._naming.separator != ":":
            name = name.replace(self._naming.separator, ":")
        replacement = self._naming.replacement
        clean = _NOT_IN_NAMES.sub(replacement, name) or replacement
        return replacement + clean if _NOT_FIRST.match(clean) else clean

    def _scalar(self, value: object) -> str:
        return "" if value == self._naming.null else escape(_text(value))


def _text(value: object) -> str:
    """Return a scalar as XML holds it: null is empty, and characters that XML does not know are left out."""
    if value is None:
        return ""
    return _NOT_XML.sub("", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

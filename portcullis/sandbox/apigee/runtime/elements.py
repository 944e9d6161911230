"""Reading policy and endpoint XML: what a type declares is read, everything else is named.

Each type declares its elements once, as paths below its root: supported, ignored (accepted, without effect here) or
refused (they would change what the proxy does, and are not supported here). An element that nobody declares is
ignored with a warning, as Apigee ignores it. The declaration is what a bundle is checked against, and what the page
about coverage is made from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from xml.sax.saxutils import escape

from lxml import etree

Support = Literal["supported", "ignored", "refused"]

COMMON = frozenset({"name", "async", "continueOnError", "enabled"})
"""Attributes that every policy may have; `async` is ignored, as Apigee has long done."""

SILENT = frozenset({"DisplayName", "Description", "Properties", "FaultRules"})
"""Elements that every policy and many endpoints carry without any effect: no warning is worth writing."""

ANYTHING = "*"
"""As the last part of a declared path: whatever XML is below is content, such as that of a `<Payload>`."""


class BundleError(ValueError):
    """Something in a bundle is wrong or not supported; the message names it."""


class UndeployableError(BundleError):
    """The bundle can be imported, but not deployed: something is not supported here, or not in the environment."""


class Node:
    """An element of a bundle's XML, with readers that refuse what they cannot read."""

    __slots__ = ("_element", "where")

    def __init__(self, element: etree._Element, where: str) -> None:  # pyright: ignore[reportPrivateUsage]
        self._element = element
        self.where = where

    @property
    def tag(self) -> str:
        """The element's name, without its namespace."""
        return str(self._element.tag).rpartition("}")[2]

    @property
    def raw(self) -> str:
        """The text exactly as written."""
        return self._element.text or ""

    @property
    def inner(self) -> str:
        """What is inside: the text exactly as written, or where there are elements in it the XML of them all."""
        if len(self._element) == 0:
            return self.raw
        parts = [escape(self.raw)]
        parts.extend(etree.tostring(child, encoding="unicode", with_tail=True) for child in self._element)
        return "".join(parts)

    @property
    def text(self) -> str:
        """The text without the space around it."""
        return self.raw.strip()

    def attribute(self, name: str, default: str = "") -> str:
        """Return an attribute, or `default`."""
        return (self._element.get(name) or default).strip()

    def has(self, name: str) -> bool:
        """Tell whether an attribute is there."""
        return name in self._element.attrib

    @property
    def attributes(self) -> list[str]:
        """The names of the attributes."""
        return [str(name) for name in self._element.attrib]

    def children(self, tag: str | None = None) -> Iterator[Node]:
        """Yield the child elements, or those of one name, in order."""
        for child in self._element:
            # A comment is a child too, whose tag is a function.
            if isinstance(child.tag, str) and (tag is None or child.tag == tag):  # pyright: ignore[reportUnnecessaryIsInstance]
                yield Node(child, self.where)

    def find(self, path: str) -> Node | None:
        """Return the first element at a path of names, or `None`."""
        found = self._element.find(path)
        return None if found is None else Node(found, self.where)

    def find_all(self, path: str) -> list[Node]:
        """Return every element at a path of names, in order."""
        return [Node(found, self.where) for found in self._element.findall(path)]

    def need(self, path: str) -> Node:
        """Return the element at `path`; raises `BundleError` where it is missing."""
        found = self.find(path)
        if found is None:
            raise self.error(f"<{path}> is missing in <{self.tag}>")
        return found

    def words(self, path: str, default: str = "") -> str:
        """Return the text of the element at `path`, or `default` where it is missing or empty."""
        found = self.find(path)
        return (found.text if found else "") or default

    def flag(self, path: str, *, default: bool) -> bool:
        """Return a boolean element; empty or missing is the default; raises `BundleError`."""
        return self._boolean(self.words(path), f"<{path}>", default=default)

    def flag_attribute(self, name: str, *, default: bool) -> bool:
        """Return a boolean attribute; raises `BundleError`."""
        return self._boolean(self.attribute(name), f"attribute {name}", default=default)

    def error(self, text: str) -> BundleError:
        """Return an error that names the file."""
        return BundleError(f"{self.where}: {text}")

    def undeployable(self, text: str) -> UndeployableError:
        """Return an error that names the file, for what only a deployment is refused for."""
        return UndeployableError(f"{self.where}: {text}")

    def _boolean(self, text: str, what: str, *, default: bool) -> bool:
        if text.lower() not in {"", "true", "false"}:
            raise self.error(f"{what} must be true or false, not {text!r}")
        return default if not text else text.lower() == "true"


@dataclass(frozen=True)
class Elements:
    """The elements a type knows: path below the root → (attributes, how it is supported). The root's path is empty."""

    known: dict[str, tuple[frozenset[str], Support]] = field(
        default_factory=dict[str, "tuple[frozenset[str], Support]"]
    )

    def check(self, root: Node) -> tuple[list[str], list[str]]:
        """Return (problems, warnings): what is refused, and what has no effect here or is not known at all."""
        problems: list[str] = []
        warnings: list[str] = []
        self._check(root, "", problems, warnings)
        return problems, warnings

    def _check(self, node: Node, path: str, problems: list[str], warnings: list[str]) -> None:
        attributes, support = self.known[path]
        shown = f"<{path}>" if path else f"<{node.tag}>"
        if support == "refused":
            problems.append(f"{node.where}: {shown} is not supported")
            return
        if support == "ignored":
            warnings.append(f"{node.where}: {shown} has no effect in this runtime")
            return
        warnings.extend(
            f"{node.where}: attribute {name} of {shown} is not known and has no effect"
            for name in node.attributes
            if name not in attributes
        )
        if f"{path}/{ANYTHING}".lstrip("/") in self.known:
            return
        for child in node.children():
            below = f"{path}/{child.tag}" if path else child.tag
            if below in self.known:
                self._check(child, below, problems, warnings)
            elif child.tag not in SILENT:
                warnings.append(f"{node.where}: element <{below}> is not known and has no effect")


def elements(declaration: str, ignored: str = "", root: frozenset[str] = COMMON, refused: str = "") -> Elements:
    """Read a declaration: a path a line, then its attributes as `@name`; paths above it are declared with it.

    A line that begins with `@` adds attributes to the root; a path that ends in `/*` has content of any kind.
    `ignored` lists, in the same form, what is accepted but has no effect, `refused` what a deployment is refused for.
    """
    known: dict[str, tuple[frozenset[str], Support]] = {"": (root, "supported")}
    texts: tuple[tuple[str, Support], ...] = (
        (declaration, "supported"),
        (ignored, "ignored"),
        (refused, "refused"),
    )
    for text, support in texts:
        for line in text.split("\n"):
            words = line.split()
            if words:
                _declare(known, words, support)
    return Elements(known)


def _declare(known: dict[str, tuple[frozenset[str], Support]], words: list[str], support: Support) -> None:
    path = "" if words[0].startswith("@") else words[0]
    attributes = frozenset(word[1:] for word in words if word.startswith("@"))
    parts = path.split("/")
    for index in range(1, len(parts)):
        known.setdefault("/".join(parts[:index]), (frozenset(), "supported"))
    before, _ = known.get(path, (frozenset[str](), support))
    known[path] = (before | attributes, support)

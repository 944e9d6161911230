"""Limits on the structure of XML, held while expat reads it: nothing is kept, no entity is expanded or fetched."""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat


class XmlLimitError(ValueError):
    """The document breaks a limit, or is no XML; `broken` tells which."""

    def __init__(self, text: str, line: int, column: int, *, broken: bool) -> None:
        super().__init__(f"{text} at line {line}(possibly around char {column})")
        self.broken = broken


@dataclass(frozen=True)
class XmlLimits:
    """The largest numbers allowed; `None` is no limit. `counted` are the kinds of children that count."""

    element_name: int | None = None
    attribute_name: int | None = None
    prefix: int | None = None
    target: int | None = None
    depth: int | None = None
    attributes: int | None = None
    namespaces: int | None = None
    children: int | None = None
    counted: frozenset[str] = frozenset({"element", "text", "comment", "instruction"})
    text: int | None = None
    attribute: int | None = None
    uri: int | None = None
    comment: int | None = None
    data: int | None = None


def check_xml(data: bytes, limits: XmlLimits) -> None:
    """Read the document; raises `XmlLimitError` at the first limit it breaks, or where it is no XML."""
    checker = _Checker(limits)
    try:
        checker.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlLimitError(expat.ErrorString(error.code), error.lineno, error.offset, broken=False) from None
    except (ValueError, LookupError) as error:
        if isinstance(error, XmlLimitError):
            raise
        raise XmlLimitError(str(error), 1, 0, broken=False) from None


class _Checker:
    def __init__(self, limits: XmlLimits) -> None:
        self._limits = limits
        self._children: list[int] = []
        self._text = 0
        self._is_text = False
        self.parser = expat.ParserCreate()
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.CommentHandler = self._comment
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.EntityDeclHandler = self._entity

    def _start(self, name: str, pairs: list[str]) -> None:
        self._end_text()
        self._child("element")
        self._children.append(0)
        limits = self._limits
        self._limit("Node depth exceeded", len(self._children), limits.depth)
        self._name(name, "Element name length exceeded", limits.element_name)
        attributes = list(zip(pairs[::2], pairs[1::2], strict=True))
        spaces = [(key, value) for key, value in attributes if key == "xmlns" or key.startswith("xmlns:")]
        self._limit("Namespace count exceeded", len(spaces), limits.namespaces)
        self._limit("Attribute count exceeded", len(attributes) - len(spaces), limits.attributes)
        for key, value in attributes:
            if (key, value) in spaces:
                prefix = key.partition(":")[2]
                self._limit("Namespace prefix length exceeded", len(prefix), limits.prefix)
                self._limit("Namespace uri length exceeded", len(value), limits.uri)
            else:
                self._name(key, "Attribute name length exceeded", limits.attribute_name)
                self._limit("Attribute value length exceeded", len(value), limits.attribute)

    def _end(self, name: str) -> None:
        del name
        self._end_text()
        self._children.pop()

    def _characters(self, text: str) -> None:
        """Add up the pieces that expat makes of one text; white space between elements is no child."""
        self._text += len(text)
        self._limit("Text length exceeded", self._text if self._is_text else len(text.strip()), self._limits.text)
        if not self._is_text and text.strip():
            self._is_text = True
            self._child("text")

    def _end_text(self) -> None:
        self._text, self._is_text = 0, False

    def _comment(self, text: str) -> None:
        self._end_text()
        self._child("comment")
        self._limit("Comment length exceeded", len(text), self._limits.comment)

    def _instruction(self, target: str, data: str) -> None:
        self._end_text()
        self._child("instruction")
        self._limit("Processing Instruction target length exceeded", len(target), self._limits.target)
        self._limit("Processing Instruction data length exceeded", len(data), self._limits.data)

    def _entity(self, *declaration: object) -> None:
        del declaration
        raise self._error("Entity declarations are not accepted", broken=True)

    def _name(self, name: str, text: str, limit: int | None) -> None:
        prefix, _, local = name.rpartition(":")
        self._limit("Namespace prefix length exceeded", len(prefix), self._limits.prefix)
        self._limit(text, len(local), limit)

    def _child(self, kind: str) -> None:
        if self._children and kind in self._limits.counted:
            self._children[-1] += 1
            self._limit("Children count exceeded", self._children[-1], self._limits.children)

    def _limit(self, text: str, found: int, limit: int | None) -> None:
        if limit is not None and found > limit:
            raise self._error(f"{text} {limit}", broken=True)

    def _error(self, text: str, *, broken: bool) -> XmlLimitError:
        return XmlLimitError(text, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber, broken=broken)

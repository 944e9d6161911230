"""Reading XML from outside: no entities, no network, no document types, a bound on depth and size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from lxml import etree

MAX_BYTES = 1024 * 1024


class XmlError(ValueError):
    """The bytes are no XML that is accepted here; the message says why."""


def parse(data: bytes, limit: int = MAX_BYTES) -> etree._Element:  # pyright: ignore[reportPrivateUsage]
    """Return the root element; raises `XmlError`."""
    if len(data) > limit:
        raise XmlError(f"the XML is larger than {limit} bytes")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlError(f"the XML cannot be read: {error}") from None
    if root.getroottree().docinfo.doctype:  # pyright: ignore[reportAttributeAccessIssue] - missing in the stubs
        raise XmlError("the XML declares a document type, which is not accepted")
    return root


def without_namespace(root: etree._Element) -> etree._Element:  # pyright: ignore[reportPrivateUsage]
    """Take the root's namespace, where it has one, off every element that is in it; return the root."""
    namespace, found, _ = str(root.tag).rpartition("}")
    if found:
        for element in root.iter():
            element.tag = str(element.tag).removeprefix(namespace + found)
    return root


def evaluate(
    root: etree._Element,  # pyright: ignore[reportPrivateUsage]
    path: str,
    namespaces: Mapping[str, str],
) -> list[str]:
    """Return the text of every node an XPath 1.0 expression selects, or its one value; raises `etree.XPathError`."""
    found = cast("object", etree.XPath(path, namespaces=dict(namespaces) or None)(root))
    if not isinstance(found, list):
        return [text_of(found)]
    return [text_of(item) for item in cast("list[object]", found)]


def select(
    root: etree._Element,  # pyright: ignore[reportPrivateUsage]
    path: str,
    namespaces: Mapping[str, str],
) -> list[str]:
    """Return every node an XPath selects, an element as the XML it is; raises `etree.XPathError`."""
    found = cast("object", etree.XPath(path, namespaces=dict(namespaces) or None)(root))
    return [_xml_of(item) for item in (cast("list[object]", found) if isinstance(found, list) else [found])]


def _xml_of(found: object) -> str:
    if isinstance(found, etree._Element):  # pyright: ignore[reportPrivateUsage]
        return etree.tostring(found, encoding="unicode", with_tail=False)
    return text_of(found)


def text_of(found: object) -> str:
    """Return what an XPath selected as text: of a node all that is in it, a number without a needless `.0`."""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float):
        return str(int(found)) if found.is_integer() else str(found)
    if isinstance(found, etree._Element):  # pyright: ignore[reportPrivateUsage]
        return "".join(cast("list[str]", list(found.itertext())))
    return str(found)

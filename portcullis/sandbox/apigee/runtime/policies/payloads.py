"""What the policies that read payloads share: whether a message is JSON or XML, and reading it without surprises."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

from lxml import etree

from portcullis.sandbox.apigee.runtime import xml
from portcullis.sandbox.apigee.runtime.elements import Node
from portcullis.sandbox.apigee.runtime.message import Message

MAX_BYTES = 10 * 1024 * 1024
"""A payload that is converted or read is never larger: Apigee buffers no more of a message."""

_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


class PayloadError(ValueError):
    """The payload cannot be read; the message says why."""


def media_type(message: Message) -> str:
    """Return the media type of a message, without its parameters, in lower case."""
    return message.header("content-type").partition(";")[0].strip().lower()


def is_json(message: Message) -> bool:
    """Tell whether the Content-Type says JSON."""
    kind = media_type(message)
    return kind == "application/json" or kind.endswith("+json")


def is_xml(message: Message) -> bool:
    """Tell whether the Content-Type says XML: `text/xml`, `application/xml` or `application/*+xml`."""
    kind = media_type(message)
    return kind in {"text/xml", "application/xml"} or kind.endswith("+xml")


def read_json(text: str) -> object:
    """Return the JSON value; raises `PayloadError`."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise PayloadError(str(error)) from None


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def read_xml(text: str | bytes) -> etree._Element:  # pyright: ignore[reportPrivateUsage]
    """Return the root element; raises `PayloadError`."""
    # Text has no encoding any more, whatever its declaration says.
    data = text if isinstance(text, bytes) else _DECLARATION.sub("", text, count=1).encode()
    try:
        return xml.parse(data, MAX_BYTES)
    except xml.XmlError as error:
        raise PayloadError(str(error)) from None


def namespaces(node: Node, policy: str) -> dict[str, str]:
    """Read `<Namespaces>` of an `<XMLPayload>` as prefix → URI; raises `BundleError`."""
    found: dict[str, str] = {}
    for one in node.find_all("Namespaces/Namespace"):
        prefix = one.attribute("prefix")
        if prefix and not one.text:
            raise one.error(
                f"NONEmptyPrefixMappedToEmptyURI: {policy}: Non-empty prefix {prefix} cannot be mapped to empty uri."
            )
        if prefix in found:
            raise one.error(f"DuplicatePrefix: {policy}: Duplicate prefix {prefix}.")
        found[prefix] = one.text
    return {prefix: uri for prefix, uri in found.items() if prefix}


def compile_xpath(node: Node, policy: str, text: str, prefixes: Mapping[str, str]) -> etree.XPath:
    """Compile an XPath 1.0 expression; raises `BundleError`."""
    if not text:
        raise node.error(f"EmptyXPathExpression: {policy}: Empty XPath expression")
    try:
        path = etree.XPath(text, namespaces=dict(prefixes) or None)
        # A prefix that nobody declared is only found when the path is followed.
        path(etree.Element("probe"))
    except (etree.XPathError, ValueError) as error:
        raise node.error(f"XPathCompilationFailed: {policy}: Failed to compile xpath {text}: {error}") from None
    return path


def texts(found: object) -> list[str]:
    """Return what an XPath selected as texts: of every node, or of its one number, boolean or string."""
    items = cast("list[object]", found) if isinstance(found, list) else [found]
    return [xml.text_of(item) for item in items]

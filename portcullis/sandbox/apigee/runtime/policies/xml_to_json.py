"""XMLToJSON: makes JSON of an XML payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies import payloads
from portcullis.sandbox.apigee.runtime.policies.base import Source, common
from portcullis.sandbox.apigee.runtime.policies.conversion import Converter
from portcullis.sandbox.apigee.runtime.policies.json_from_xml import FORMATS, ArrayPath, Shape, write_json


@dataclass(frozen=True)
class XMLToJSON(Converter):
    """Converts by its options, or by one of the predefined formats."""

    type_name = "XMLToJSON"
    fault_prefix = "xmltojson"
    code = "xml2json"
    reason = "Execution failed. reason"
    content_type = "application/json"
    elements = elements(
        "\n".join(
            [
                "Source",
                "OutputVariable",
                "Format",
                "Options/RecognizeNumber",
                "Options/RecognizeBoolean",
                "Options/RecognizeNull",
                "Options/NullValue",
                "Options/NamespaceBlockName",
                "Options/DefaultNamespaceNodeName",
                "Options/NamespaceSeparator",
                "Options/TextAlwaysAsProperty",
                "Options/TextNodeName",
                "Options/AttributeBlockName",
                "Options/AttributePrefix",
                "Options/OutputPrefix",
                "Options/OutputSuffix",
                "Options/StripLevels",
                "Options/TreatAsArray/Path @unwrap @overrideArrayName",
            ]
        )
    )

    shape: Shape

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            source=node.words("Source", "message"),
            output=node.words("OutputVariable"),
            shape=_shape(node, base.name),
        )

    def accepts(self, message: Message) -> bool:
        """Only XML is converted."""
        return payloads.is_xml(message)

    def convert(self, payload: str | bytes) -> str:
        """Return the JSON."""
        if not payload.strip():
            raise payloads.PayloadError("Premature end of document while parsing at line 1(possibly  around char 0)")
        return write_json(payloads.read_xml(payload), self.shape)


def _shape(node: Node, policy: str) -> Shape:
    named, options = node.words("Format"), node.find("Options")
    if named:
        if named not in FORMATS:
            raise node.error(f"UnknownFormat: XMLToJSON[{policy}]: Unknown Format {named}.")
        return FORMATS[named]
    if options is None:
        raise node.error(f"EitherOptionOrFormat: XMLToJSON[{policy}]: Either Options or Format must be specified.")
    levels = options.words("StripLevels", "0")
    if not levels.isdecimal():
        raise options.error(f"<StripLevels> must be a whole number, not {levels!r}")
    return Shape(
        numbers=options.flag("RecognizeNumber", default=True),
        booleans=options.flag("RecognizeBoolean", default=True),
        nulls=options.flag("RecognizeNull", default=False),
        null_value=options.words("NullValue") or None,
        text_always=options.flag("TextAlwaysAsProperty", default=False),
        text=options.words("TextNodeName", "#text"),
        attributes=options.words("AttributeBlockName"),
        attribute_prefix=options.words("AttributePrefix"),
        separator=options.words("NamespaceSeparator"),
        namespaces=options.words("NamespaceBlockName"),
        default_namespace=options.words("DefaultNamespaceNodeName", "$default"),
        prefix=options.words("OutputPrefix"),
        suffix=options.words("OutputSuffix"),
        strip=int(levels),
        arrays=tuple(_array(path) for path in options.find_all("TreatAsArray/Path")),
    )


def _array(node: Node) -> ArrayPath:
    names = tuple(part.rpartition(":")[2] for part in node.text.strip("/").split("/"))
    return ArrayPath(names, node.flag_attribute("unwrap", default=False), node.attribute("overrideArrayName"))

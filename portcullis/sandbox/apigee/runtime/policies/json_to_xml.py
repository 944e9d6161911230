"""JSONToXML: makes XML of a JSON payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies import payloads
from portcullis.sandbox.apigee.runtime.policies.base import Source, common
from portcullis.sandbox.apigee.runtime.policies.conversion import Converter
from portcullis.sandbox.apigee.runtime.policies.xml_from_json import Naming, write_xml


@dataclass(frozen=True)
class JSONToXML(Converter):
    """Converts by its options; what JSON has no name for gets the names of the options."""

    type_name = "JSONToXML"
    fault_prefix = "jsontoxml"
    code = "json2xml"
    reason = "Execution failed due to reason"
    content_type = "application/xml"
    elements = elements(
        "\n".join(
            [
                "Source",
                "OutputVariable",
                "Options/OmitXmlDeclaration",
                "Options/NullValue",
                "Options/NamespaceBlockName",
                "Options/DefaultNamespaceNodeName",
                "Options/NamespaceSeparator",
                "Options/TextNodeName",
                "Options/AttributeBlockName",
                "Options/AttributePrefix",
                "Options/InvalidCharsReplacement",
                "Options/ObjectRootElementName",
                "Options/ArrayRootElementName",
                "Options/ArrayItemElementName",
                "Options/Indent",
            ]
        )
    )

    naming: Naming

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        named = Naming()
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            source=node.words("Source", "message"),
            output=node.words("OutputVariable"),
            naming=Naming(
                declaration=not node.flag("Options/OmitXmlDeclaration", default=False),
                indent=node.flag("Options/Indent", default=False),
                null=node.words("Options/NullValue", named.null),
                namespaces=node.words("Options/NamespaceBlockName", named.namespaces),
                default_namespace=node.words("Options/DefaultNamespaceNodeName", named.default_namespace),
                separator=node.words("Options/NamespaceSeparator", named.separator),
                text=node.words("Options/TextNodeName", named.text),
                attributes=node.words("Options/AttributeBlockName", named.attributes),
                attribute_prefix=node.words("Options/AttributePrefix", named.attribute_prefix),
                replacement=node.words("Options/InvalidCharsReplacement", named.replacement),
                object_root=node.words("Options/ObjectRootElementName", named.object_root),
                array_root=node.words("Options/ArrayRootElementName", named.array_root),
                array_item=node.words("Options/ArrayItemElementName", named.array_item),
            ),
        )

    def accepts(self, message: Message) -> bool:
        """Only JSON is converted."""
        return payloads.is_json(message)

    def convert(self, payload: str | bytes) -> str:
        """Return the XML."""
        text = payload if isinstance(payload, str) else payload.decode(errors="replace")
        if text.strip()[:1] not in {"{", "["}:
            raise payloads.PayloadError("Expecting { or [ at line 1")
        return write_xml(payloads.read_json(text), self.naming)

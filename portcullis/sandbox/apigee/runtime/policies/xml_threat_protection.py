"""XMLThreatProtection: refuses XML that is larger or deeper than allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies import payloads
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.json_threat_protection import limit
from portcullis.sandbox.apigee.runtime.policies.xml_limits import XmlLimitError, XmlLimits, check_xml

_COUNTED = {
    "element": ("includeElement",),
    "text": ("includeText",),
    "comment": ("includeComment",),
    # The reference writes both.
    "instruction": ("includeProcessingInstruction", "includeProcessingInstructions"),
}


@dataclass(frozen=True)
class XMLThreatProtection(Policy):
    """Reads the payload of an XML message; one of another Content-Type is not looked at."""

    type_name = "XMLThreatProtection"
    fault_prefix = "xmlattack"
    elements = elements(
        "\n".join(
            [
                "Source",
                "NameLimits/Element",
                "NameLimits/Attribute",
                "NameLimits/NamespacePrefix",
                "NameLimits/ProcessingInstructionTarget",
                "StructureLimits/NodeDepth",
                "StructureLimits/AttributeCountPerElement",
                "StructureLimits/NamespaceCountPerElement",
                "StructureLimits/ChildCount " + " ".join(f"@{name}" for names in _COUNTED.values() for name in names),
                "ValueLimits/Text",
                "ValueLimits/Attribute",
                "ValueLimits/NamespaceURI",
                "ValueLimits/Comment",
                "ValueLimits/ProcessingInstructionData",
            ]
        )
    )

    source: str
    limits: XmlLimits

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            source=node.words("Source", "message"),
            limits=XmlLimits(
                element_name=limit(node, "NameLimits/Element"),
                attribute_name=limit(node, "NameLimits/Attribute"),
                prefix=limit(node, "NameLimits/NamespacePrefix"),
                target=limit(node, "NameLimits/ProcessingInstructionTarget"),
                depth=limit(node, "StructureLimits/NodeDepth"),
                attributes=limit(node, "StructureLimits/AttributeCountPerElement"),
                namespaces=limit(node, "StructureLimits/NamespaceCountPerElement"),
                children=limit(node, "StructureLimits/ChildCount"),
                counted=_counted(node.find("StructureLimits/ChildCount")),
                text=limit(node, "ValueLimits/Text"),
                attribute=limit(node, "ValueLimits/Attribute"),
                uri=limit(node, "ValueLimits/NamespaceURI"),
                comment=limit(node, "ValueLimits/Comment"),
                data=limit(node, "ValueLimits/ProcessingInstructionData"),
            ),
        )

    async def execute(self, context: Context) -> None:
        """Check the payload; raises `Fault`."""
        prefix, label = "steps.xmlthreatprotection", f"XMLThreatProtection stepDefinition {self.name}"
        message = context.message(self.source)
        if message is None and context.variables.get(self.source) is None:
            raise Fault(f"{prefix}.SourceUnavailable", f"{label}: Source {self.source} is not available")
        if message is None:
            raise Fault(f"{prefix}.NonMessageVariable", f"Variable {self.source} does not resolve to a Message")
        if not payloads.is_xml(message):
            return
        try:
            check_xml(message.content, self.limits)
        except XmlLimitError as error:
            reason = f"{label}: {error}" if error.broken else str(error)
            raise Fault(f"{prefix}.ExecutionFailed", f"{label}: Execution failed. reason: {reason}") from None


def _counted(node: Node | None) -> frozenset[str]:
    if node is None:
        return XmlLimits.counted
    return frozenset(
        kind for kind, names in _COUNTED.items() if all(node.flag_attribute(name, default=True) for name in names)
    )

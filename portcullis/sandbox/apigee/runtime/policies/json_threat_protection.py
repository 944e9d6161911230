"""JSONThreatProtection: refuses JSON that is larger or deeper than allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies import payloads
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.json_limits import JsonLimits, LimitError, check_json


@dataclass(frozen=True)
class JSONThreatProtection(Policy):
    """Reads the payload of a JSON message; one of another Content-Type is not looked at."""

    type_name = "JSONThreatProtection"
    fault_prefix = "jsonattack"
    elements = elements(
        "Source\nArrayElementCount\nContainerDepth\nObjectEntryCount\nObjectEntryNameLength\nStringValueLength"
    )

    source: str
    limits: JsonLimits

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            source=node.words("Source", "message"),
            limits=JsonLimits(
                depth=limit(node, "ContainerDepth"),
                entries=limit(node, "ObjectEntryCount"),
                name_length=limit(node, "ObjectEntryNameLength"),
                elements=limit(node, "ArrayElementCount"),
                string_length=limit(node, "StringValueLength"),
            ),
        )

    async def execute(self, context: Context) -> None:
        """Check the payload; raises `Fault`."""
        prefix, label = "steps.jsonthreatprotection", f"JSONThreatProtection[{self.name}]"
        message = context.message(self.source)
        if message is None and context.variables.get(self.source) is None:
            raise Fault(f"{prefix}.SourceUnavailable", f"{label}:: Source {self.source} is not available")
        if message is None:
            text = f"{label}: Variable {self.source} does not resolve to a Message"
            raise Fault(f"{prefix}.NonMessageVariable", text)
        if not payloads.is_json(message):
            return
        try:
            check_json(message.text, self.limits)
        except LimitError as error:
            reason = f"{label}: {error}" if error.broken else str(error)
            raise Fault(f"{prefix}.ExecutionFailed", f"{label}: Execution failed. reason: {reason}") from None


def limit(node: Node, path: str) -> int | None:
    """Read a whole number; none and a negative one are no limit; raises `BundleError`."""
    text = node.words(path)
    if not text:
        return None
    if not text.removeprefix("-").isdecimal():
        raise node.error(f"<{path}> must be a whole number, not {text!r}")
    return None if int(text) < 0 else int(text)

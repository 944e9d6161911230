"""RaiseFault: puts the flow in its error state with an answer of the policy's own making."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault, default_body, reason_phrase
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies.assignments import (
    ADD,
    ASSIGN_VARIABLE,
    COPY,
    REMOVE,
    SET,
    Operation,
    Scene,
    operations,
)
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common


def _below(path: str, declaration: str) -> str:
    return "\n".join(f"{path}/{line}" for line in declaration.split("\n") if line.strip())


@dataclass(frozen=True)
class RaiseFault(Policy):
    """Raises `steps.raisefault.RaiseFault`, status 500 unless the FaultResponse sets another.

    A FaultResponse without a payload keeps the default body, as the runtime does.
    """

    type_name = "RaiseFault"
    fault_prefix = "raisefault"
    elements = elements(
        "\n".join(
            [
                _below("FaultResponse", "\n".join([ADD, SET, REMOVE, COPY, ASSIGN_VARIABLE])),
                "DisplayName",
                "Description",
                "IgnoreUnresolvedVariables",
                "ShortFaultReason",
            ]
        ),
    )

    operations: tuple[Operation, ...]
    strict: bool
    short: bool

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        answer = node.find("FaultResponse")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            operations=operations(answer) if answer else (),
            strict=not node.flag("IgnoreUnresolvedVariables", default=True),
            short=node.flag("ShortFaultReason", default=False),
        )

    async def execute(self, context: Context) -> None:
        """Raise the fault."""
        text = self.name if self.short else f"Raising fault. Fault name : {self.name}"
        fault = Fault("steps.raisefault.RaiseFault", text, 500)
        answer = Message("response", status=500, reason=reason_phrase(500))
        scene = Scene(context, answer, "steps.raisefault", f"RaiseFault[{self.name}]", self.strict)
        for operation in self.operations:
            operation(scene)
        answer.raised_headers = frozenset(name.lower() for name in answer.headers.names()) - {"content-type"}
        if not answer.content:
            kind, answer.content = default_body(fault)
            answer.headers.set("Content-Type", kind)
        fault.status = answer.status
        fault.message = answer
        raise fault

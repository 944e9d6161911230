"""AssertCondition: is a condition true?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.conditions import Condition
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common, condition


@dataclass(frozen=True)
class AssertCondition(Policy):
    """Sets `assertcondition.NAME.truthValue`; that a condition is false is no fault."""

    type_name = "AssertCondition"
    fault_prefix = "assertcondition"
    elements = elements("Condition")

    test: Condition

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        test = condition(node.find("Condition"))
        if test is None:
            raise node.error("NullOrEmptyCondition: <Condition> is missing or empty")
        return cls(base.name, base.enabled, base.continue_on_error, test)

    async def execute(self, context: Context) -> None:
        """Evaluate."""
        context.variables.fill({f"assertcondition.{self.name}.truthValue": self.test(context.lookup)})

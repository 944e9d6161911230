"""AssertCondition: is a condition true?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.conditions import Condition, ConditionError, parse_condition
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common


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
        text = node.words("Condition")
        if not text:
            raise node.error("InvalidCondition: <Condition> is missing or empty")
        try:
            return cls(base.name, base.enabled, base.continue_on_error, parse_condition(text))
        except ConditionError as error:
            raise node.error(f"InvalidCondition: {error} (condition: {text})") from None

    async def execute(self, context: Context) -> None:
        """Evaluate."""
        context.variables.fill({f"assertcondition.{self.name}.truthValue": self.test(context.lookup)})

"""FlowCallout: runs the steps of a shared flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import STEP_STATE, Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common, template
from portcullis.sandbox.apigee.runtime.templates import Template


@dataclass(frozen=True)
class FlowCallout(Policy):
    """Calls a shared flow that is deployed in the same environment.

    Its variables are the caller's, but the parameters are there while it runs only.
    """

    type_name = "FlowCallout"
    fault_prefix = "flow"
    elements = elements("SharedFlowBundle\nParameters/Parameter @name @ref @value")

    shared_flow: str
    parameters: tuple[tuple[str, str, Template], ...]

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        group = node.find("Parameters")
        parameters = tuple(
            (one.attribute("name"), one.attribute("ref"), template(one, one.attribute("value") or one.text))
            for one in (group.children("Parameter") if group else ())
        )
        return cls(base.name, base.enabled, base.continue_on_error, node.need("SharedFlowBundle").text, parameters)

    async def execute(self, context: Context) -> None:
        """Set the parameters and run the shared flow; raises its `Fault`."""
        names = [STEP_STATE, *(name for name, _, _ in self.parameters)]
        outer = {name: context.variables.get(name) for name in names}
        for name, ref, text in self.parameters:
            value = context.variables.get(ref) if ref else None
            if value is None and (not ref or text.literal != ""):
                value = text.fill(context.lookup)
            context.variables.fill({name: value})
        if STEP_STATE not in names[1:]:
            context.tell_state("SHARED_FLOW")
        try:
            await context.call_shared_flow(self.shared_flow, context)
        finally:
            context.variables.fill(outer)

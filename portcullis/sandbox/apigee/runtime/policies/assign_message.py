"""AssignMessage: makes or changes a message, and sets variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
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


@dataclass(frozen=True)
class AssignMessage(Policy):
    """Runs its operations, in the order they are written, on the message that AssignTo names.

    Without AssignTo that is the message of the current flow: the request, the response, or in the error flow the
    error. An unset variable is empty where IgnoreUnresolvedVariables is true, else a fault.
    """

    type_name = "AssignMessage"
    fault_prefix = "assignmessage"
    elements = elements(
        "\n".join(
            [
                ADD,
                SET,
                REMOVE,
                COPY,
                ASSIGN_VARIABLE,
                "DisplayName",
                "Description",
                "IgnoreUnresolvedVariables",
                "AssignTo @createNew @type @transport",
            ]
        ),
        ignored="Set/Authentication",
    )

    operations: tuple[Operation, ...]
    strict: bool
    to_name: str
    to_type: str
    create_new: bool | None

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        to = node.find("AssignTo")
        kind = to.attribute("type").lower() if to else ""
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            operations=operations(node),
            strict=not node.flag("IgnoreUnresolvedVariables", default=False),
            to_name=to.text if to else "",
            # Other values of type have been written, and have no effect.
            to_type=kind if kind in {"request", "response"} else "",
            create_new=to.flag_attribute("createNew", default=False) if to and to.attribute("createNew") else None,
        )

    async def execute(self, context: Context) -> None:
        """Run the operations; raises `Fault`."""
        name, existing = self._target(context)
        message = existing or Message(
            self.to_type or ("request" if context.phase == "request" else "response"), path=""
        )
        scene = Scene(context, message, "steps.assignmessage", self._label, self.strict)
        for operation in self.operations:
            operation(scene)
        # What the new message replaces could be read until here.
        if existing is None:
            self._install(context, name, message)

    @property
    def _label(self) -> str:
        return f"AssignMessage[{self.name}]"

    def _target(self, context: Context) -> tuple[str, Message | None]:
        """Return the name of the message to work on and it, or `None` where a new one is wanted.

        One that is not there is made, unless `createNew` is `false` or the runtime makes it itself.
        """
        name = self.to_name or self.to_type or "message"
        if not self.to_name and self.to_type == "request" and not self.create_new and context.phase != "request":
            # `type` says what to make, and nothing is made: bundles answer in a response flow like this.
            name = "message"
        existing = context.message(name)
        if existing is None and isinstance(held := context.variables.get(name), Message):
            existing = held
        if existing is not None and not self.create_new:
            return name, existing
        # A response can be made before there is one: with no target it is what the client gets.
        early = name == "response" and context.phase == "request"
        made_elsewhere = name in {"request", "response", "message", "error"}
        if not early and not self.create_new and (self.create_new is False or made_elsewhere):
            text = f"{self._label}: value of variable {name} is not of type Message"
            raise Fault("steps.assignmessage.VariableOfNonMsgType", text)
        return name, None

    @staticmethod
    def _install(context: Context, name: str, made: Message) -> None:
        """Put a new message in its place; the one that will be sent to the client keeps its place in the error flow."""
        if name == "message" or (context.phase == "error" and name == "response"):
            name = context.phase
        context.variables.messages[name] = made

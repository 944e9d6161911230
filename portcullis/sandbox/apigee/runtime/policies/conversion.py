"""What JSONToXML and XMLToJSON share: where the payload comes from, where the result goes, and their faults."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies.base import Policy
from portcullis.sandbox.apigee.runtime.policies.payloads import PayloadError
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError

_JAVA_TYPES: dict[type, str] = {bool: "Boolean", int: "Integer", float: "Double"}


@dataclass(frozen=True)
class Converter(Policy):
    """Converts a message's payload, or a text in a variable; source and result are of the same kind.

    A message whose Content-Type does not fit is left alone, as the runtime does. Subclasses declare `code`, the
    middle part of the error codes, `reason`, how a failure is introduced, and `content_type` of the result.
    """

    code: ClassVar[str]
    reason: ClassVar[str]
    content_type: ClassVar[str]

    source: str
    output: str

    @abstractmethod
    def accepts(self, message: Message) -> bool:
        """Tell whether the Content-Type of the message is one that is converted."""

    @abstractmethod
    def convert(self, payload: str | bytes) -> str:
        """Convert a payload; raises `PayloadError`."""

    async def execute(self, context: Context) -> None:
        """Convert; raises `Fault`."""
        message = context.message(self.source)
        value: Value = message if message is not None else context.variables.get(self.source)
        if value is None:
            raise self._fault("SourceUnavailable", f"Source {self.source} is not available")
        if isinstance(value, Message):
            self._message(context, value)
        elif isinstance(value, str):
            self._text(context, value)
        else:
            shown = f"class java.lang.{_JAVA_TYPES.get(type(value), 'Object')}"
            text = f"Invalid source type {shown}. Valid source types are [message, string]."
            raise Fault(f"steps.{self.code}.InvalidSourceType", f"{self.type_name}[{shown}]: {text}")

    def _message(self, context: Context, message: Message) -> None:
        target = context.message(self.output) if self.output else message
        if target is None and isinstance(context.variables.get(self.output), str):
            raise self._fault("InCompatibleTypes", "Message can not be assigned to string type.")
        if not self.accepts(message):
            return
        if target is None:
            target = message.copy()
            context.variables.messages[self.output] = target
        target.text = self._converted(message.content)
        target.headers.set("Content-Type", self.content_type)

    def _text(self, context: Context, text: str) -> None:
        if not self.output:
            raise self._fault("OutputVariableIsNotAvailable", "Output variable is not available.")
        if context.message(self.output) is not None:
            raise self._fault("InCompatibleTypes", "String can not be assigned to message type.")
        try:
            context.variables.set(self.output, self._converted(text))
        except ReadOnlyVariableError:
            raise self._fault("ExecutionFailed", f"Failed to set variable {self.output}") from None

    def _converted(self, payload: str | bytes) -> str:
        try:
            return self.convert(payload)
        except PayloadError as error:
            raise self._fault("ExecutionFailed", f"{self.reason}: {error}") from None

    def _fault(self, name: str, text: str) -> Fault:
        return Fault(f"steps.{self.code}.{name}", f"{self.type_name}[{self.name}]: {text}")

"""Flow variables of one request: those the runtime fills, those of messages, and those that policies set.

Which ones a policy may not write follows the flow variables reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.trace import Access
from portcullis.sandbox.apigee.runtime.values import Value, as_text

_READ_ONLY_PREFIXES = (
    "system.",
    "client.",
    "proxy.",
    "apiproxy.",
    "organization.",
    "environment.",
    "current.",
    "route.",
    "propertyset.",
    "virtualhost.",
    "loadbalancing.",
    "target.received.",
    "target.sent.",
    "request.headers.",
    "request.queryparams.",
    "request.formparams.",
    "response.headers.",
)
_READ_ONLY = frozenset(
    {
        "messageid",
        "is.error",
        "fault.name",
        "error.message",
        "request.formstring",
        "request.transport.message",
        "response.transport.message",
        "target.basepath",
        "target.host",
        "target.name",
        "target.port",
        "target.scheme",
        "target.expectedcn",
        "target.ip",
    }
)


class ReadOnlyVariableError(Exception):
    """A policy tried to write a variable that cannot be written."""


class Variables:
    """The variables of one request.

    A name whose first part is a message (`request.header.host`) is read from that message; `message` is the message
    of the current flow. Every other name is a plain value. Names are case-sensitive, header names are not.
    """

    __slots__ = ("_fallback", "_values", "access", "current", "messages")

    def __init__(self, fallback: Mapping[str, Value]) -> None:
        """Start empty over `fallback`, the values that every request of a deployment shares."""
        self._fallback = fallback
        self._values: dict[str, Value] = {}
        self.messages: dict[str, Message] = {}
        self.current = "request"
        self.access: Access | None = None

    def get(self, name: str) -> Value:
        """Return the value, or `None` where the variable is unset."""
        value = self._get(name)
        if self.access is not None and name not in self.access.writes:
            self.access.reads.setdefault(name, value)
        return value

    def _get(self, name: str) -> Value:
        values = self._values
        if name.startswith("private.propertyset."):
            # The same property, hidden from debug sessions by its name.
            name = name.removeprefix("private.")
        if name in values:
            return values[name]
        message, rest = self._message(name)
        if message is not None:
            return message.get(rest) if rest else message
        return self._fallback.get(name)

    def set(self, name: str, value: Value) -> None:
        """Set a variable on behalf of a policy; raises `ReadOnlyVariableError`."""
        if name in _READ_ONLY or name.startswith(_READ_ONLY_PREFIXES):
            raise ReadOnlyVariableError(name)
        if self.access is not None:
            self.access.writes[name] = value
        if isinstance(value, Message):
            self.messages[name] = value
            return
        message, rest = self._message(name)
        if message is None or not rest:
            self._values[name] = value
        elif not message.set(rest, value) and (rest in {"status.code"} or message.get(rest) is not None):
            raise ReadOnlyVariableError(name)
        elif message.get(rest) is None:
            self._values[name] = value

    def fill(self, values: Mapping[str, Value]) -> None:
        """Set variables on behalf of the runtime, read-only ones too; `None` unsets."""
        if self.access is not None:
            self.access.writes.update(values)
        for name, value in values.items():
            if value is None:
                self._values.pop(name, None)
            else:
                self._values[name] = value

    def remove(self, name: str) -> None:
        """Unset a variable or forget a message that a policy made."""
        if self.access is not None:
            self.access.writes[name] = None
        self._values.pop(name, None)
        if name in self.messages and name not in {"request", "response", "error"}:
            del self.messages[name]

    def text(self, name: str) -> str | None:
        """Return the value as text, or `None` where the variable is unset."""
        value = self.get(name)
        return None if value is None else as_text(value)

    def message(self, name: str) -> Message | None:
        """Return the message of that name; `message` is the one of the current flow."""
        return self.messages.get(self.current if name == "message" else name)

    def _message(self, name: str) -> tuple[Message | None, str]:
        first, _, rest = name.partition(".")
        message = self.message(first)
        if message is not None:
            return message, rest
        # A message that a policy made may have dots in its name.
        for own, made in self.messages.items():
            if "." in own and (name == own or name.startswith(own + ".")):
                return made, name[len(own) + 1 :]
        return None, ""

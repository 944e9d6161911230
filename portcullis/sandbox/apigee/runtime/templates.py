"""Message templates: text with `{variable}` and `{function(arguments)}` in it, by the message template reference."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.functions import FUNCTIONS, Function, FunctionError
from portcullis.sandbox.apigee.runtime.values import Value, as_text

Lookup = Callable[[str], Value]

MAX_LENGTH = 1024 * 1024


class TemplateError(ValueError):
    """The text is no template; the message says why."""


class UnresolvedError(LookupError):
    """A variable of a strict template is unset; `args[0]` is its name."""


@dataclass(frozen=True)
class _Variable:
    name: str
    default: str | None = None

    def read(self, lookup: Lookup, *, strict: bool) -> Value:
        value = lookup(self.name)
        if value is not None:
            return value
        if self.default is None and strict:
            raise UnresolvedError(self.name)
        return self.default


@dataclass(frozen=True)
class _Call:
    function: Function
    arguments: tuple[_Variable | str, ...]

    def read(self, lookup: Lookup, *, strict: bool) -> Value:
        # A function sees unset variables as null: `firstnonnull` is there to be given some.
        del strict
        try:
            return self.function.body(
                [a if isinstance(a, str) else a.read(lookup, strict=False) for a in self.arguments]
            )
        except FunctionError:
            return None


@dataclass(frozen=True)
class Template:
    """A template ready to be filled."""

    parts: tuple[str | _Variable | _Call, ...]

    @property
    def literal(self) -> str | None:
        """The whole text where nothing in it varies."""
        if not self.parts:
            return ""
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, str) else None

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables that are read directly."""
        return tuple(part.name for part in self.parts if isinstance(part, _Variable))

    def fill(self, lookup: Lookup, *, strict: bool = False) -> str:
        """Return the text with every variable replaced; an unset one is empty, or raises where `strict`."""
        return "".join(
            part if isinstance(part, str) else as_text(part.read(lookup, strict=strict)) for part in self.parts
        )


_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_CALL = r"(?P<function>[A-Za-z][A-Za-z0-9]*)\((?P<arguments>(?:'[^']*'|[^'{}()])*)\)"
_ARGUMENT = re.compile(
    rf"\s*(?:'(?P<text>[^']*)'|(?P<literal>-?\d+(?:\.\d+)?|true|false)|(?P<name>{_NAME})(?::(?P<default>[^,]*))?)\s*(?:,|$)"
)


def _slot(prefix: str, suffix: str) -> re.Pattern[str]:
    body = rf"(?:{_CALL}|(?P<name>{_NAME})(?::(?P<default>[^{{}}\s]*))?)"
    return re.compile(re.escape(prefix) + body + re.escape(suffix))


_BRACES = re.compile(rf"\\(?P<escaped>[{{}}])|{_slot('{', '}').pattern}")
"""Braces in a text of JSON may be escaped (RaiseFault policy reference, Payload)."""


def parse_template(text: str, prefix: str = "{", suffix: str = "}") -> Template:
    """Compile a template; braces around anything but a name or a known function call stay as they are.

    `prefix` and `suffix` are the `variablePrefix` and `variableSuffix` of a Payload. Raises `TemplateError`.
    """
    if len(text) > MAX_LENGTH:
        raise TemplateError(f"the template is longer than {MAX_LENGTH} characters")
    slot = _BRACES if (prefix, suffix) == ("{", "}") else _slot(prefix, suffix)
    parts: list[str | _Variable | _Call] = []
    position = 0
    for match in slot.finditer(text):
        if match.start() > position:
            parts.append(text[position : match.start()])
        parts.append(_part(match))
        position = match.end()
    if position < len(text):
        parts.append(text[position:])
    return Template(tuple(parts))


def _part(match: re.Match[str]) -> _Variable | _Call | str:
    if match.re is _BRACES and match["escaped"]:
        return match["escaped"]
    name = match["function"]
    if name is None:
        return _Variable(match["name"], match["default"])
    function = FUNCTIONS.get(name)
    if function is None:
        # Braces around other text, such as a script in a payload.
        return match[0]
    arguments = _arguments(match["arguments"])
    if not function.least <= len(arguments) <= function.most:
        raise TemplateError(f"function {name} takes {function.least} to {function.most} arguments")
    return _Call(function, arguments)


def _arguments(text: str) -> tuple[_Variable | str, ...]:
    found: list[_Variable | str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _ARGUMENT.match(text, position)
        if match is None:
            raise TemplateError(f"cannot read the arguments ({text}) in a message template")
        name = match["name"]
        found.append(_Variable(name, match["default"]) if name else match["text"] or match["literal"] or "")
        position = match.end()
    return tuple(found)

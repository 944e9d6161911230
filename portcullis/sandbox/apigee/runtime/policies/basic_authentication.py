"""BasicAuthentication: makes an Authorization header of a name and a password, or takes one apart."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError

_CODE = "steps.basicauthentication"


@dataclass(frozen=True)
class BasicAuthentication(Policy):
    """Encodes the variables of user and password into one, or decodes one into them. It refuses nobody."""

    type_name = "BasicAuthentication"
    fault_prefix = "BasicAuthentication"
    elements = elements(
        "DisplayName\nOperation\nIgnoreUnresolvedVariables\nUser @ref\nPassword @ref\nAssignTo @createNew\nSource"
    )

    encodes: bool
    user: str
    password: str
    assign_to: str
    overwrites: bool
    source: str
    strict: bool

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`, in the words of Apigee's deployment errors."""
        base = common(node)
        operation = node.words("Operation")
        if operation.lower() not in {"encode", "decode"}:
            raise node.error(f"<Operation> of BasicAuthentication must be Encode or Decode, not {operation!r}")
        encodes = operation.lower() == "encode"
        assign_to = node.find("AssignTo")
        _require(node, encodes=encodes)
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            encodes=encodes,
            user=node.need("User").attribute("ref"),
            password=node.need("Password").attribute("ref"),
            assign_to=assign_to.text if assign_to else "",
            overwrites=assign_to.flag_attribute("createNew", default=False) if assign_to else False,
            source=node.words("Source"),
            strict=not node.flag("IgnoreUnresolvedVariables", default=True),
        )

    async def execute(self, context: Context) -> None:
        """Encode or decode; raises `Fault`."""
        if self.encodes:
            self._encode(context)
        else:
            self._decode(context)

    def _encode(self, context: Context) -> None:
        user, password = (self._read(context, name) or "" for name in (self.user, self.password))
        if self.overwrites or context.variables.get(self.assign_to) is None:
            encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
            _write(context, self.assign_to, f"Basic {encoded}")

    def _decode(self, context: Context) -> None:
        held = self._read(context, self.source)
        if held is None:
            return
        scheme, _, encoded = held.partition(" ")
        try:
            text = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            text = ""
        user, colon, password = text.partition(":")
        if scheme.lower() != "basic" or not colon:
            what = f"Source variable : {self.source} for basic authentication decode policy is not valid"
            raise Fault(f"{_CODE}.InvalidBasicAuthenticationSource", what, 500)
        _write(context, self.user, user)
        _write(context, self.password, password)

    def _read(self, context: Context, name: str) -> str | None:
        value = context.variables.text(name)
        if value is None and self.strict:
            raise Fault(f"{_CODE}.UnresolvedVariable", f"Unresolved variable : {name}", 500)
        return value


def _require(node: Node, *, encodes: bool) -> None:
    needed = [("User", "UserNameRequired"), ("Password", "PasswordRequired")]
    needed.append(("AssignTo", "AssignToRequired") if encodes else ("Source", "SourceRequired"))
    for element, error in needed:
        found = node.find(element)
        if found is None or not (found.attribute("ref") or found.text):
            raise node.error(f"{error}: <{element}> is missing or empty in <BasicAuthentication>")


def _write(context: Context, name: str, value: str) -> None:
    try:
        context.variables.set(name, value)
    except ReadOnlyVariableError:
        raise Fault(f"{_CODE}.SetVariableFailed", f"Failed to set variable {name}", 500) from None

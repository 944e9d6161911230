"""KeyValueMapOperations: reads and writes key value maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.kvm import Scope
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Setting, Source, common, setting, template
from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError

DEFAULT_EXPIRY_SECONDS = 300
SCOPES = frozenset({"organization", "environment", "apiproxy", "policy"})


@dataclass(frozen=True)
class Get:
    """Read the entry of `key` into the variable `assign_to`; of several values, the one at `index` (from 1)."""

    key: tuple[Setting, ...]
    assign_to: str
    index: int


@dataclass(frozen=True)
class Put:
    """Write the entry of `key`, where there is one already only if `override`."""

    key: tuple[Setting, ...]
    values: tuple[Setting, ...]
    override: bool


@dataclass(frozen=True)
class Delete:
    """Delete the entry of `key`."""

    key: tuple[Setting, ...]


@dataclass(frozen=True)
class KeyValueMapOperations(Policy):
    """Runs its operations in the order they are written. A missing key leaves its variable unset and is no fault."""

    type_name = "KeyValueMapOperations"
    fault_prefix = "keyvaluemapoperations"
    elements = elements(
        "\n".join(
            [
                "@mapIdentifier",
                "DisplayName",
                "Scope",
                "MapName @ref",
                "ExpiryTimeInSecs @ref",
                "InitialEntries/Entry/Key/Parameter",
                "InitialEntries/Entry/Value",
                "Get @assignTo @index",
                "Get/Key/Parameter @ref",
                "Put @override",
                "Put/Key/Parameter @ref",
                "Put/Value @ref",
                "Delete/Key/Parameter @ref",
            ]
        ),
        ignored="ExclusiveCache",
    )

    scope: str
    map_name: Setting
    nameless: bool
    expiry: Setting
    initial: tuple[tuple[str, tuple[str, ...]], ...]
    operations: tuple[Get | Put | Delete, ...]

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        scope = node.words("Scope", "environment")
        if scope not in SCOPES:
            raise node.error(f"<Scope> {scope!r} is not known; write one of {', '.join(sorted(SCOPES))}")
        named = node.find("MapName")
        initial = node.find("InitialEntries")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            scope=scope,
            map_name=setting(named) if named else named_by(node),
            nameless=not named and node.has("mapIdentifier") and not node.attribute("mapIdentifier"),
            expiry=setting(node.find("ExpiryTimeInSecs")),
            initial=tuple(_entry(entry) for entry in initial.children("Entry")) if initial else (),
            operations=tuple(
                _operation(child, base.name) for child in node.children() if child.tag in {"Get", "Put", "Delete"}
            ),
        )

    async def execute(self, context: Context) -> None:
        """Run the operations; raises `Fault`."""
        if self.nameless:
            # The policy that names its map by an empty attribute can be deployed, and then fails (error playbook).
            name = "UnsupportedOperationException"
            raise Fault(f"steps.keyvaluemapoperations.{name}", f"java.lang.{name}", 500)
        scope = self._scope(context)
        expiry = self._expiry(context)
        maps = context.services.maps
        for key, values in self.initial:
            if not maps.has(scope, key):
                maps.put(scope, key, values, expiry)
        for operation in self.operations:
            key = "__".join(part.text(context) or "" for part in operation.key)
            if isinstance(operation, Get):
                self._get(context, operation, maps.get(scope, key, expiry))
            elif isinstance(operation, Delete):
                maps.delete(scope, key)
            elif operation.override or not maps.has(scope, key):
                maps.put(scope, key, tuple(value.text(context) or "" for value in operation.values), expiry)

    def _get(self, context: Context, operation: Get, values: tuple[str, ...]) -> None:
        chosen = values[operation.index - 1 : operation.index] if operation.index else values
        if not chosen:
            context.variables.remove(operation.assign_to)
            return
        try:
            context.variables.set(operation.assign_to, ",".join(chosen))
        except ReadOnlyVariableError:
            text = f"Failed to set variable {operation.assign_to} in KeyValueMapStepDefinition {self.name}"
            raise Fault("steps.keyvaluemapoperations.SetVariableFailed", text, 500) from None

    def _scope(self, context: Context) -> Scope:
        place = context.place
        owners = {
            "organization": f"{place.organization}/-",
            "environment": f"{place.organization}/{place.environment}",
            "apiproxy": f"{place.organization}/apis/{place.bundle}",
            "policy": f"{place.organization}/apis/{place.bundle}/policies/{self.name}",
        }
        return Scope(owners[self.scope], self.map_name.text(context) or "kvmap")

    def _expiry(self, context: Context) -> float:
        text = self.expiry.text(context) or ""
        return float(text) if text.lstrip("-").isdecimal() else DEFAULT_EXPIRY_SECONDS


def named_by(node: Node) -> Setting:
    """Return the map's name of the `mapIdentifier` attribute."""
    name = node.attribute("mapIdentifier")
    return Setting("", template(node, name) if name else None)


def _entry(node: Node) -> tuple[str, tuple[str, ...]]:
    key = "__".join(parameter.text for parameter in node.find_all("Key/Parameter"))
    values = tuple(value.text for value in node.children("Value"))
    for error, element, found in (("KeyIsMissing", "Parameter", key), ("ValueIsMissing", "Value", values)):
        if not found:
            raise node.error(f"{error}: Non null value expected for element {element} in Entry")
    return key, values


def _operation(node: Node, policy: str) -> Get | Put | Delete:
    key = tuple(setting(parameter) for parameter in node.find_all("Key/Parameter"))
    if not key:
        raise node.error(f"KeyIsMissing: <{node.tag}> needs a <Key> with a <Parameter>")
    if node.tag == "Delete":
        return Delete(key)
    if node.tag == "Put":
        values = tuple(setting(value) for value in node.children("Value"))
        if not values:
            raise node.error("ValueIsMissing: <Put> needs a <Value>")
        return Put(key, values, node.flag_attribute("override", default=True))
    return _get(node, key, policy)


def _get(node: Node, key: tuple[Setting, ...], policy: str) -> Get:
    index = node.attribute("index", "0")
    if node.has("index") and not (index.isdecimal() and int(index) > 0):
        raise node.error(f"InvalidIndex: Invalid index {index} in KeyValueMapStepDefinition {policy}.")
    if not node.attribute("assignTo"):
        raise node.error("<Get> needs assignTo")
    return Get(key, node.attribute("assignTo"), int(index))

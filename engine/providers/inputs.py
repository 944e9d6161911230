"""Checking what the user wrote against the table: types, defaults, missing and unknown properties.

Follows Pulumi's Terraform bridge: numbers and booleans are taken from their text and the other way round, and the
names of properties that were filled in are listed under `__defaults`, at every level of objects.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from engine.providers.tables import Field, Kind, ResourceType
from engine.providers.values import JsonObject, Secret, Unknown, is_internal, reveal

DEFAULTS = "__defaults"
_NAME_SUFFIX_DIGITS = 7


@dataclass(frozen=True)
class Failure:
    """What is wrong with one property; `property` is its path."""

    property: str
    reason: str


@dataclass(frozen=True)
class Naming:
    """How a resource without a given name is named.

    Attributes:
        resource: the resource's logical name.
        seed: the engine's random seed: the same in a preview and the update after it. Empty: truly random.
        proposed: the name that the user's naming strategy proposes, if any.
        disabled: that strategy forbids automatic names.
    """

    resource: str
    seed: bytes = b""
    proposed: str = ""
    disabled: bool = False

    def make(self) -> str:
        """Return a name: the proposed one, or the logical name and seven random digits."""
        if self.proposed:
            return self.proposed
        digits = hashlib.sha256(self.seed).hexdigest() if self.seed else secrets.token_hex(_NAME_SUFFIX_DIGITS)
        return f"{self.resource}-{digits[:_NAME_SUFFIX_DIGITS]}"


def check(
    resource: ResourceType, olds: JsonObject, news: JsonObject, naming: Naming
) -> tuple[JsonObject, list[Failure]]:
    """Return the inputs to store, diff and apply, and what is wrong with them.

    Args:
        resource: the type.
        olds: the inputs of the last update, empty for a new or replaced resource.
        news: what the user wrote; may hold unknowns and secrets.
        naming: for a resource that is named automatically.
    """
    checker = _Checker()
    inputs = checker.members(resource.fields, news, "")
    _fill_name(resource, olds, inputs, naming)
    checker.require(resource.fields, inputs, "")
    return inputs, checker.failures


def _fill_name(resource: ResourceType, olds: JsonObject, inputs: JsonObject, naming: Naming) -> None:
    for item in resource.fields:
        if not item.autoname or inputs.get(item.name) is not None:
            continue
        was_automatic = item.name in cast("list[str]", reveal(olds.get(DEFAULTS)) or [])
        if was_automatic and olds.get(item.name):
            inputs[item.name] = olds[item.name]
        elif naming.disabled:
            continue
        else:
            inputs[item.name] = naming.make()
        inputs[DEFAULTS] = sorted([*inputs[DEFAULTS], item.name])


class _Checker:
    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def members(self, fields: tuple[Field, ...], given: JsonObject, path: str) -> JsonObject:
        known = {item.name: item for item in fields}
        checked: JsonObject = {}
        for name, value in given.items():
            if is_internal(name) or value is None:
                continue
            item = known.get(name)
            if item is None or item.output:
                self._refuse_name(known, name, f"{path}{name}")
                continue
            checked[name] = self.value(item, value, f"{path}{name}")
        filled = [item for item in fields if item.name not in checked and item.default is not None]
        checked.update({item.name: item.default for item in filled})
        checked[DEFAULTS] = sorted(item.name for item in filled)
        return checked

    def _refuse_name(self, known: dict[str, Field], name: str, path: str) -> None:
        why = "is decided by the API and cannot be set" if name in known else "is not a property of this resource"
        settable = ", ".join(sorted(item.name for item in known.values() if not item.output))
        self.failures.append(Failure(path, f"`{path}` {why}; remove it. The properties that can be set: {settable}"))

    def require(self, fields: tuple[Field, ...], inputs: JsonObject, path: str) -> None:
        for item in fields:
            value = reveal(inputs.get(item.name))
            here = f"{path}{item.name}"
            if item.required and value is None:
                self.failures.append(Failure(here, f"Missing required property `{here}`"))
            for inner_path, inner in _objects(item, value, here):
                self.require(item.fields, inner, f"{inner_path}.")

    def value(self, item: Field, value: Any, path: str) -> Any:
        if isinstance(value, Secret):
            return Secret(self.value(item, value.value, path))
        if isinstance(value, Unknown) or item.kind is Kind.ANY:
            return value
        if item.kind is Kind.OBJECT:
            return self._object(item, value, path)
        if item.kind in (Kind.LIST, Kind.SET):
            return self._list(item, value, path)
        if item.kind is Kind.MAP:
            return self._map(item, value, path)
        return self._scalar(item.kind, value, path)

    def _object(self, item: Field, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._refuse(item.kind, value, path)
        return self.members(item.fields, cast("JsonObject", value), f"{path}.")

    def _list(self, item: Field, value: Any, path: str) -> Any:
        if not isinstance(value, list):
            return self._refuse(item.kind, value, path)
        inner = Field(item.name, Kind.OBJECT, item.fields) if item.fields else Field(item.name, item.items)
        return [self.value(inner, part, f"{path}[{i}]") for i, part in enumerate(cast("list[Any]", value))]

    def _map(self, item: Field, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._refuse(item.kind, value, path)
        inner = Field(item.name, item.items)
        parts = cast("JsonObject", value)
        return {key: self.value(inner, part, f"{path}.{key}") for key, part in parts.items() if not is_internal(key)}

    def _scalar(self, kind: Kind, value: Any, path: str) -> Any:
        converted = convert(kind, value)
        return self._refuse(kind, value, path) if converted is None else converted

    def _refuse(self, kind: Kind, value: Any, path: str) -> Any:
        # The value itself is not shown: it may be a secret that lost its mark.
        self.failures.append(Failure(path, f"`{path}` must be {kind.value}, not {_type_of(value)}"))
        return value


def convert(kind: Kind, value: Any) -> Any:
    """Return a scalar as `kind`, or `None` where it cannot be one."""
    if kind is Kind.ANY:
        return value
    if kind is Kind.STRING:
        return _as_text(value)
    if kind is Kind.BOOLEAN:
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
    if kind in (Kind.INTEGER, Kind.NUMBER):
        return _as_number(kind, value)
    return None


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _as_number(kind: Kind, value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if number.is_integer():
        return int(number)
    return number if kind is Kind.NUMBER else None


def _objects(item: Field, value: Any, path: str) -> Iterator[tuple[str, JsonObject]]:
    """The objects of an OBJECT property or a list of objects, with their paths."""
    if not item.fields:
        return
    if isinstance(value, dict):
        yield path, cast("JsonObject", value)
    if isinstance(value, list):
        for index, part in enumerate(cast("list[Any]", value)):
            if isinstance(part, dict):
                yield f"{path}[{index}]", cast("JsonObject", part)


def _type_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")

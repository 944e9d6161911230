"""What changes between a resource's state and its inputs, property by property, as a preview shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, cast

from engine.providers.tables import Field, Kind, ResourceType
from engine.providers.values import UNKNOWN, JsonObject, Unknown, has_unknown, is_empty


class How(Enum):
    """The kind of a difference."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True)
class Difference:
    """One property that changes: its path (`sSlInfo.enabled`, `hostnames[1]`), and whether the resource is replaced."""

    path: str
    how: How
    replaces: bool

    @property
    def top(self) -> str:
        """The top-level property it is in."""
        return self.path.split(".", 1)[0].split("[", 1)[0]


def differences(
    resource: ResourceType, old: JsonObject, new: JsonObject, ignore: Sequence[str] = ()
) -> list[Difference]:
    """Return what an update would change.

    Args:
        resource: the type; without an `update` every difference replaces.
        old: the state's properties, plain.
        new: the checked inputs, plain, with unknowns.
        ignore: paths that the user wants ignored (`ignoreChanges`).
    """
    always = resource.update is None
    found = [
        difference
        for item in resource.fields
        if not item.output
        for difference in _field(item, old.get(item.name), new.get(item.name), item.name, always)
    ]
    for change in resource.plan(old, new):
        item = resource.field(change.name)
        # The engine takes new values from the inputs, and would show one that is not there as a removal.
        shown = item is not None and not item.output
        if shown and all(difference.top != change.name for difference in found):
            found.append(Difference(change.name, How.UPDATE, change.replaces or always))
        elif change.replaces:
            found = [replace(each, replaces=True) if each.top == change.name else each for each in found]
    return [difference for difference in found if not _ignored(difference.path, ignore)]


def _ignored(path: str, ignore: Sequence[str]) -> bool:
    return any(path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")) for prefix in ignore)


def _field(item: Field, old: Any, new: Any, path: str, force: bool) -> Iterator[Difference]:
    force = force or item.force_new
    if isinstance(new, Unknown):
        yield Difference(path, How.ADD if old is None else How.UPDATE, force)
    elif new is None:
        if not item.computed and not is_empty(old):
            yield Difference(path, How.DELETE, force)
    elif item.same is not None and old is not None and not has_unknown(new) and item.same(old, new):
        return
    elif item.kind is Kind.OBJECT and isinstance(new, dict):
        yield from _object(item, old, cast("JsonObject", new), path, force)
    elif item.kind is Kind.LIST and isinstance(new, list):
        yield from _list(item, cast("list[Any]", old or []), cast("list[Any]", new), path, force)
    elif item.kind is Kind.MAP and isinstance(new, dict):
        yield from _map(item, cast("JsonObject", old or {}), cast("JsonObject", new), path, force)
    elif not _equal(item, old, new):
        yield Difference(path, How.ADD if old is None else How.UPDATE, force)


def _object(item: Field, old: Any, new: JsonObject, path: str, force: bool) -> Iterator[Difference]:
    was = cast("JsonObject", old) if isinstance(old, dict) else {}
    inner = [
        difference
        for member in item.fields
        if not member.output
        for difference in _field(member, was.get(member.name), new.get(member.name), f"{path}.{member.name}", force)
    ]
    if inner and old is None:
        yield Difference(path, How.ADD, any(difference.replaces for difference in inner))
    else:
        yield from inner


def _list(item: Field, old: list[Any], new: list[Any], path: str, force: bool) -> Iterator[Difference]:
    part = Field(item.name, Kind.OBJECT, item.fields) if item.fields else Field(item.name, item.items)
    for index in range(max(len(old), len(new))):
        here = f"{path}[{index}]"
        if index >= len(new):
            yield Difference(here, How.DELETE, force)
        elif index >= len(old):
            yield Difference(here, How.ADD, force)
        else:
            yield from _field(part, old[index], new[index], here, force)


def _map(item: Field, old: JsonObject, new: JsonObject, path: str, force: bool) -> Iterator[Difference]:
    for key in sorted({*old, *new}):
        here = f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key)}]"
        if key not in new:
            yield Difference(here, How.DELETE, force)
        else:
            yield from _field(Field(key, item.items), old.get(key), new[key], here, force)


def _equal(item: Field, old: Any, new: Any) -> bool:
    if is_empty(old) and is_empty(new):
        return True
    if item.kind is Kind.SET and isinstance(old, list) and isinstance(new, list):
        return canonical_set(item, cast("list[Any]", old)) == canonical_set(item, cast("list[Any]", new))
    return bool(old == new)


def canonical_set(item: Field, values: list[Any]) -> list[str]:
    """Return the members of a SET as sorted text: equal for equal sets, whatever the API added to its objects."""
    part = Field(item.name, Kind.OBJECT, item.fields) if item.fields else Field(item.name, item.items)
    return sorted(json.dumps(_canonical(part, value), sort_keys=True, default=repr) for value in values)


def _canonical(item: Field, value: Any) -> Any:
    """Return `value` with sets sorted, and without what is empty or decided by the API."""
    if item.kind is Kind.OBJECT and isinstance(value, dict):
        members = cast("JsonObject", value)
        settable = [member for member in item.fields if not member.output]
        found = {member.name: _canonical(member, members.get(member.name)) for member in settable}
        return {name: part for name, part in found.items() if not is_empty(part)}
    if item.kind is Kind.SET and isinstance(value, list):
        return canonical_set(item, cast("list[Any]", value))
    if item.kind is Kind.LIST and isinstance(value, list):
        part = Field(item.name, Kind.OBJECT, item.fields) if item.fields else Field(item.name, item.items)
        return [_canonical(part, inner) for inner in cast("list[Any]", value)]
    return value


def planned(resource: ResourceType, old: JsonObject, new: JsonObject) -> JsonObject:
    """Return the properties that an update aims at: the inputs, and the old state where the API decides."""
    return _planned(resource.fields, old, new)


def _planned(fields: tuple[Field, ...], old: JsonObject, new: JsonObject) -> JsonObject:
    result: JsonObject = {}
    for item in fields:
        value = new.get(item.name)
        was = old.get(item.name)
        if value is None and (item.computed or item.output):
            value = was
        elif item.kind is Kind.OBJECT and isinstance(value, dict) and isinstance(was, dict):
            value = _planned(item.fields, cast("JsonObject", was), cast("JsonObject", value))
        elif item.kind is Kind.SET and _equal(item, was, value):
            value = cast("Any", was)
        if value is not None:
            result[item.name] = value
    return result


def previewed(resource: ResourceType, old: JsonObject, new: JsonObject) -> JsonObject:
    """Return the outputs to show in a preview: what is known, and unknowns for what the API will decide.

    Args:
        resource: the type.
        old: the state before an update, plain; empty for a create.
        new: the checked inputs, plain.
    """
    result = planned(resource, old, new)
    changes = {change.name for change in resource.plan(old, new) if change.unknown}
    for item in resource.fields:
        decided_by_api = item.output or (item.computed and new.get(item.name) is None)
        if (decided_by_api and (not old or item.volatile)) or item.name in changes:
            result[item.name] = UNKNOWN
    return result

"""Properties to API documents, and API documents to properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from engine.providers.differences import canonical_set
from engine.providers.inputs import convert
from engine.providers.tables import Field, Kind, Names, ResourceType
from engine.providers.values import JsonObject, is_empty, paired

_NAME = re.compile(r"\{([A-Za-z0-9_]+)\}")


class TemplateError(ValueError):
    """A template names a property that has no value."""


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Fill a path or id template with properties, percent-encoded as a path where they need it.

    Raises:
        TemplateError: a property is unset.
    """
    return _NAME.sub(lambda match: quote(_text(values, match[1]), safe="/:@"), template)


def fill_id(template: str, values: Mapping[str, Any]) -> str:
    """Fill an id template: nothing is encoded.

    Raises:
        TemplateError: a property is unset.
    """
    return _NAME.sub(lambda match: _text(values, match[1]), template)


def fill_query(templates: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """Fill query parameters; one whose properties are all unset or empty is left out."""
    filled: dict[str, str] = {}
    for parameter, template in templates.items():
        names = _NAME.findall(template)
        if names and all(is_empty(values.get(name)) for name in names):
            continue
        filled[parameter] = _NAME.sub(lambda match: _text(values, match[1]), template)
    return filled


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None or value == "":
        raise TemplateError(f"`{name}` has no value, and without it the API cannot be asked about this resource")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def to_api(resource: ResourceType, properties: JsonObject, only: tuple[str, ...] = ()) -> JsonObject:
    """Return the request body of these properties: all that are sent, or `only` those of these names."""
    fields = tuple(
        item
        for item in resource.fields
        if item.sent and not item.parent and not item.local and (not only or item.name in only)
    )
    return _object_to_api(fields, properties, resource.naming, resource.omit_empty)


def api_name(item: Field, naming: Names) -> str:
    """The API's name of a property (a dotted path where it is nested)."""
    return item.api or naming(item.name)


def _object_to_api(fields: tuple[Field, ...], properties: JsonObject, naming: Names, omit_empty: bool) -> JsonObject:
    body: JsonObject = {}
    for item in fields:
        value = properties.get(item.name)
        if item.output or not item.sent or value is None:
            continue
        value = _value_to_api(item, value, naming, omit_empty)
        if not (omit_empty and is_empty(value)):
            _put(body, api_name(item, naming), value)
    return body


def _value_to_api(item: Field, value: Any, naming: Names, omit_empty: bool) -> Any:
    if not item.fields:
        return value
    if item.kind is Kind.OBJECT:
        return _object_to_api(item.fields, cast("JsonObject", value), naming, omit_empty)
    parts = cast("list[JsonObject]", value)
    return [_object_to_api(item.fields, part, naming, omit_empty) for part in parts]


def _put(body: JsonObject, path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        body = cast("JsonObject", body.setdefault(name, {}))
    body[last] = value


def _get(document: JsonObject, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = cast("JsonObject", value).get(name)
    return value


def from_api(resource: ResourceType, document: JsonObject, given: JsonObject) -> JsonObject:
    """Return the resource's properties as the API has them.

    Args:
        resource: the type.
        document: the API's document.
        given: the properties known before: those that cannot be read are taken from here.
    """
    return _object_from_api(resource.fields, document, given, resource.naming)


def _object_from_api(fields: tuple[Field, ...], document: JsonObject, given: JsonObject, naming: Names) -> JsonObject:
    result: JsonObject = {}
    for item in fields:
        before = given.get(item.name)
        if item.parent or item.local or not item.read:
            value = item.default if before is None else before
        else:
            value = _value_from_api(item, _get(document, api_name(item, naming)), before, naming)
            # APIs leave out what is empty; the user may have written it down.
            value = before if value is None and is_empty(before) else value
        if value is not None:
            result[item.name] = value
    return result


def _value_from_api(item: Field, value: Any, before: Any, naming: Names) -> Any:
    if value is None:
        return None
    if item.kind is Kind.OBJECT:
        was = cast("JsonObject", before) if isinstance(before, dict) else {}
        return _object_from_api(item.fields, cast("JsonObject", value), was, naming)
    if item.kind in (Kind.LIST, Kind.SET):
        return _list_from_api(item, cast("list[Any]", value), before, naming)
    if item.kind in (Kind.MAP, Kind.ANY):
        return value
    return convert(item.kind, value)


def _list_from_api(item: Field, values: list[Any], before: Any, naming: Names) -> list[Any]:
    was = cast("list[Any]", before) if isinstance(before, list) else []
    part = Field(item.name, Kind.OBJECT, item.fields) if item.fields else Field(item.name, item.items)
    aligned = was if len(was) == len(values) else [None] * len(values)
    result = [_value_from_api(part, value, old, naming) for value, old in zip(values, aligned, strict=True)]
    if item.kind is Kind.SET and canonical_set(item, result) == canonical_set(item, was):
        return was
    return result


def as_inputs(resource: ResourceType, properties: JsonObject, before: JsonObject) -> JsonObject:
    """Return the inputs of a resource as it was read.

    Args:
        resource: the type.
        properties: its properties, plain.
        before: its inputs in the state, plain; empty for an import, which takes everything that can be set.
    """
    if not before:
        settable = {item.name for item in resource.fields if not item.output}
        return {name: value for name, value in properties.items() if name in settable and not is_empty(value)}
    return {name: _input(resource.field(name), properties.get(name), value) for name, value in before.items()}


def _input(item: Field | None, value: Any, before: Any) -> Any:
    if item and item.same and value is not None and before is not None and item.same(value, before):
        return before
    return _like(value, before)


def _like(value: Any, pattern: Any) -> Any:
    """Return `value` without the members that the user did not write in `pattern`."""
    if value is None and is_empty(pattern):
        return pattern
    if isinstance(value, dict) and isinstance(pattern, dict):
        members = cast("JsonObject", value)
        return {name: _like(members.get(name), part) for name, part in cast("JsonObject", pattern).items()}
    pairs = paired(value, pattern)
    return cast("Any", value) if pairs is None else [_like(part, like) for part, like in pairs]

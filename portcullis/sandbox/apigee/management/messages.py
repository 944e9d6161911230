"""Checking request bodies against the API's messages, as Google's JSON parser does (ProtoJSON)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias, cast

from portcullis.sandbox.apigee.management.errors import bad_field
from portcullis.sandbox.store import JsonObject

MAX_NAME = 255


class Scalar(Enum):
    """A type of the API's messages; the value is what an error calls it."""

    TEXT = "TYPE_STRING"
    INT64 = "TYPE_INT64"
    INT32 = "TYPE_INT32"
    BOOL = "TYPE_BOOL"


Shape: TypeAlias = "Scalar | list[Any] | Mapping[str, Any]"
"""A scalar; a list with the one shape of its items; or a message, its members' shapes by name."""

TEXT, INT64, INT32, BOOL = Scalar.TEXT, Scalar.INT64, Scalar.INT32, Scalar.BOOL
ATTRIBUTES: Shape = [{"name": TEXT, "value": TEXT}]


def check(body: JsonObject, message: Mapping[str, Shape], called: str) -> JsonObject:
    """Return the body with its values in their own types (a number in text is one); null members are unset.

    Raises:
        ManagementError: 400 with the member that the message does not have, or whose type is wrong.
    """
    return _message(body, message, called)


def _message(body: JsonObject, message: Mapping[str, Shape], path: str) -> JsonObject:
    checked: JsonObject = {}
    for name, value in body.items():
        shape = message.get(name)
        if shape is None:
            raise bad_field(
                path, f"Invalid JSON payload received. Unknown name \"{name}\" at '{path}': Cannot find field."
            )
        if value is not None:
            checked[name] = _value(value, shape, f"{path}.{_snake(name)}")
    return checked


def _value(value: Any, shape: Shape, path: str) -> Any:
    if isinstance(shape, Scalar):
        return _scalar(value, shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise bad_field(path, f"Invalid value at '{path}', a list was expected")
        return [_value(part, shape[0], f"{path}[{i}]") for i, part in enumerate(cast("list[Any]", value))]
    if not isinstance(value, dict):
        raise bad_field(path, f"Invalid value at '{path}', an object was expected")
    return _message(cast("JsonObject", value), shape, path)


def _scalar(value: Any, shape: Scalar, path: str) -> Any:
    if shape is Scalar.TEXT and isinstance(value, str):
        return value
    if shape is Scalar.BOOL and isinstance(value, bool):
        return value
    if shape in (Scalar.INT32, Scalar.INT64) and not isinstance(value, bool):
        number = _whole(value)
        if number is not None:
            # ProtoJSON writes 64-bit numbers as text.
            return str(number) if shape is Scalar.INT64 else number
    raise bad_field(path, f"Invalid value at '{path}' ({shape.value})")


def _whole(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() else None


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)


def require(body: JsonObject, called: str, *names: str) -> None:
    """Refuse a body that lacks one of these members.

    Raises:
        ManagementError: 400 with the member.
    """
    for name in names:
        if body.get(name) in (None, "", []):
            raise bad_field(f"{called}.{_snake(name)}", f"{name} is required")


def require_name(value: str, pattern: str, called: str) -> None:
    """Refuse a name that does not match.

    Raises:
        ManagementError: 400 that says what a name looks like.
    """
    if len(value) > MAX_NAME or not re.fullmatch(pattern, value):
        raise bad_field(called, f'invalid {called} "{value[:80]}": it must match {pattern} and be at most 255 long')


def require_one_of(body: JsonObject, name: str, called: str, *allowed: str) -> None:
    """Refuse a member that is set to something else.

    Raises:
        ManagementError: 400 with what is allowed.
    """
    value = body.get(name)
    if value is not None and value not in allowed:
        path = f"{called}.{_snake(name)}"
        raise bad_field(path, f"Invalid value at '{path}': it must be one of {', '.join(allowed)}")

"""Values of flow variables: how they look as text and how they compare, as the Java runtime of Apigee has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from portcullis.sandbox.apigee.runtime.message import Message

Scalar: TypeAlias = "str | int | float | bool"
Value: TypeAlias = "Scalar | tuple[str, ...] | Message | None"
"""What a flow variable holds; a tuple is a Java collection such as `request.headers.names`, `None` is unset."""


def as_text(value: Value) -> str:
    """Return the value as Java's `toString` writes it; unset is the empty string, a message is its content."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(value) + "]"
    return value.text


def as_flag(value: Value) -> bool:
    """Return whether the value reads as true: the boolean itself, or the text `true` in any case."""
    return value is True or as_text(value).strip().lower() == "true"


def adapted(left: Scalar, right: Scalar) -> tuple[Scalar, Scalar]:
    """Bring both sides of a comparison to one type: text beats numbers, numbers beat booleans (reference)."""
    if isinstance(left, str) or isinstance(right, str):
        return as_text(left), as_text(right)
    return left, right


def ordered(left: Scalar, right: Scalar) -> tuple[Scalar, Scalar]:
    """Bring both sides of an ordering to one type: a number beside a text that reads as one is compared by size.

    The reference's table has text beat numbers here, too; but a proxy that tests a query parameter by
    `data.request.limit > 100` lets the text `5` pass on Apigee (devrel's data-api, its scenarios).
    """
    if isinstance(left, str) != isinstance(right, str):
        one, other = _number(left), _number(right)
        if one is not None and other is not None:
            return one, other
    return adapted(left, right)


def _number(value: Scalar) -> int | float | None:
    if not isinstance(value, str):
        return None if isinstance(value, bool) else value
    return float(value) if _DECIMAL.fullmatch(value) else None


_DECIMAL = re.compile(r"[+-]?\d{1,300}(\.\d{1,300})?", re.ASCII)

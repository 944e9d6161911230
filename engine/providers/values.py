"""Property values: Pulumi's wire format (a protobuf Struct with signatures) as plain Python, and back.

Known values are `None`, `bool`, `int`, `float`, `str`, `list` and `dict`. A value that is not known yet is `UNKNOWN`;
a secret one is wrapped in `Secret`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from google.protobuf import json_format, struct_pb2

JsonObject: TypeAlias = dict[str, Any]

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's marker of a secret, not one
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# What the SDKs may send for an unknown of a known type; the engine takes any of them for unknown.
_UNKNOWNS = frozenset(
    {
        _UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
    }
)


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _memo: object) -> Unknown:
        return self


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that must be encrypted in the state and never shown."""

    value: Any

    def __repr__(self) -> str:
        return "Secret"


def from_struct(struct: struct_pb2.Struct) -> JsonObject:
    """Read a property map."""
    return {name: _read(value) for name, value in struct.fields.items()}


def to_struct(properties: JsonObject) -> struct_pb2.Struct:
    """Write a property map; unset (`None`) properties are left out, at any depth of objects."""
    struct = struct_pb2.Struct()
    json_format.ParseDict(_write(properties), struct)
    return struct


def _read(value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_read(item) for item in value.list_value.values]
        case "struct_value":
            return _read_object(value.struct_value)
        case _:
            return None


def _read_object(struct: struct_pb2.Struct) -> Any:
    signature = struct.fields[_SIGNATURE].string_value if _SIGNATURE in struct.fields else ""
    if not signature:
        return from_struct(struct)
    value = _read(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
    if signature == _SECRET:
        return Secret(value)
    if signature == _OUTPUT:
        is_secret = "secret" in struct.fields and struct.fields["secret"].bool_value
        return Secret(value) if is_secret else value
    raise ValueError("assets, archives and resource references are not supported by this provider plugin")


def _write(value: Any) -> Any:
    if isinstance(value, Unknown):
        return _UNKNOWN_TEXT
    if isinstance(value, Secret):
        return {_SIGNATURE: _SECRET, "value": _write(value.value)}
    if isinstance(value, dict):
        members = cast("JsonObject", value)
        return {name: _write(item) for name, item in members.items() if item is not None}
    if isinstance(value, list):
        return [_write(item) for item in cast("list[Any]", value)]
    return value


def reveal(value: Any) -> Any:
    """Return the value without its secret marks, at any depth."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {name: reveal(item) for name, item in cast("JsonObject", value).items()}
    if isinstance(value, list):
        return [reveal(item) for item in cast("list[Any]", value)]
    return value


def has_unknown(value: Any) -> bool:
    """Whether anything in it is not known yet."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in cast("JsonObject", value).values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in cast("list[Any]", value))
    return isinstance(value, Unknown)


def mark_like(value: Any, pattern: Any) -> Any:
    """Mark as secret in `value` what is secret at the same place of `pattern`, at any depth."""
    if value is None or isinstance(value, Secret):
        return value
    if isinstance(pattern, Secret):
        return Secret(value)
    if isinstance(value, dict) and isinstance(pattern, dict):
        marks = cast("JsonObject", pattern)
        return {name: mark_like(item, marks.get(name)) for name, item in cast("JsonObject", value).items()}
    pairs = paired(value, pattern)
    if pairs is not None:
        return [mark_like(item, like) for item, like in pairs]
    # Which item of a list was the secret one cannot be told once its length changes: all of them are.
    return Secret(value) if isinstance(value, list) and has_secret(pattern) else cast("Any", value)


def paired(value: Any, pattern: Any) -> list[tuple[Any, Any]] | None:
    """Return the items of two lists of one length side by side; `None` when they are no such lists."""
    if not isinstance(value, list) or not isinstance(pattern, list):
        return None
    values, patterns = cast("list[Any]", value), cast("list[Any]", pattern)
    return list(zip(values, patterns, strict=True)) if len(values) == len(patterns) else None


def has_secret(value: Any) -> bool:
    """Whether anything in it is marked as secret."""
    if isinstance(value, dict):
        return any(has_secret(item) for item in cast("JsonObject", value).values())
    if isinstance(value, list):
        return any(has_secret(item) for item in cast("list[Any]", value))
    return isinstance(value, Secret)


def is_internal(name: str) -> bool:
    """Whether the property belongs to the engine or a provider's bookkeeping (`__defaults`), not to the resource."""
    return name.startswith("__")


def plain(properties: JsonObject) -> JsonObject:
    """Return the resource's own properties: secrets revealed, bookkeeping and unset properties left out."""
    return cast("JsonObject", _plain(reveal(properties)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("JsonObject", value)
        return {n: _plain(item) for n, item in members.items() if not is_internal(n) and item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value


def is_empty(value: Any) -> bool:
    """Whether it is unset or its type's empty value: the providers hardly tell these apart."""
    return value is None or value is False or value in ("", 0, [], {})

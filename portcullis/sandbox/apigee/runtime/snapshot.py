"""What a step changed of the messages: most policies write messages as a whole, not variable by variable."""

from __future__ import annotations

from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.apigee.runtime.variables import Variables

Snapshot = dict[str, tuple[object, ...]]

_PARTS = ("verb", "path", "version", "content", "status", "reason")
_NAMES = {"content": "content", "status": "status.code", "reason": "reason.phrase"}


def snapshot(variables: Variables) -> Snapshot:
    """Return what every message holds now."""
    return {name: _state(message) for name, message in variables.messages.items()}


def _state(message: Message) -> tuple[object, ...]:
    parts = tuple(getattr(message, part) for part in _PARTS)
    return (*parts, tuple(message.headers.pairs), tuple(message.query.pairs))


def changes(before: Snapshot, variables: Variables) -> dict[str, Value]:
    """Return the message variables that are others than before, with their values now."""
    found: dict[str, Value] = {}
    for name, message in variables.messages.items():
        old, new = before.get(name), _state(message)
        if old == new:
            continue
        for index, part in enumerate(_PARTS):
            if old is None or old[index] != new[index]:
                variable = _NAMES.get(part, part)
                value = message.get(variable)
                if value is not None:
                    found[f"{name}.{variable}"] = value
        _changed_pairs(found, f"{name}.header", old[-2] if old else (), message.headers.pairs)
        _changed_pairs(found, f"{name}.queryparam", old[-1] if old else (), message.query.pairs)
    return found


def _changed_pairs(found: dict[str, Value], prefix: str, old: object, new: list[tuple[str, str]]) -> None:
    if old == tuple(new):
        return
    before = dict(old) if isinstance(old, tuple) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    after = dict(new)
    found.update({f"{prefix}.{name}": value for name, value in after.items() if before.get(name) != value})  # pyright: ignore[reportUnknownMemberType]
    found.update({f"{prefix}.{name}": None for name in before if name not in after})  # pyright: ignore[reportUnknownVariableType]

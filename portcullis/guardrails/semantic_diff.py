"""What a change of the contract means: who may call what, before and after.

Works on two policy tables (`portcullis.contract.policy_table`), pure. A decision is that of one role, for one
method, on one path template: allowed when the operation that answers such requests lists the role. Where operations
overlap, the first in the table answers, as at the edge (a table lists the most specific path first). The names of
path parameters mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PolicyTable = Mapping[str, Any]

_NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, order=True)
class Change:
    """A decision that differs. `allowed` is the new one; the old one is its opposite."""

    path: str
    method: str
    role: str
    allowed: bool

    @property
    def opens(self) -> bool:
        """Whether it goes from deny to allow: what a reviewer must look at."""
        return self.allowed

    def __str__(self) -> str:
        decision = "deny -> ALLOW" if self.allowed else "allow -> deny"
        return f"{decision}  {self.role}  {self.method} {self.path}"


@dataclass(frozen=True)
class _Operation:
    method: str
    path: str
    segments: tuple[str, ...]  # a parameter is the empty text
    roles: frozenset[str]


def semantic_diff(before: PolicyTable, after: PolicyTable) -> list[Change]:
    """Every decision that changes from `before` to `after`, those that open something first.

    Raises:
        ValueError: a table has no list of operations, or one of them lacks its method, path or roles.
    """
    old, new = _operations(before), _operations(after)
    places = {(operation.method, operation.segments): operation.path for operation in [*old, *new]}
    roles = {role for operation in [*old, *new] for role in operation.roles}
    changes: list[Change] = []
    for (method, segments), path in places.items():
        allowed_before = _allowed(old, method, segments)
        allowed_after = _allowed(new, method, segments)
        for role in roles:
            if (role in allowed_before) != (role in allowed_after):
                changes.append(Change(path, method, role, role in allowed_after))
    return sorted(changes, key=lambda change: (not change.opens, change))


def _allowed(operations: list[_Operation], method: str, segments: tuple[str, ...]) -> frozenset[str]:
    """The roles of the operation that answers requests to such a path; nobody where there is none."""
    answering = (o.roles for o in operations if o.method == method and _covers(o.segments, segments))
    return next(answering, _NOBODY)


def _covers(template: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    """Whether every path of `segments` matches `template`."""
    return len(template) == len(segments) and all(t in ("", s) for t, s in zip(template, segments, strict=True))


def _operations(table: PolicyTable) -> list[_Operation]:
    try:
        listed: Iterable[Mapping[str, Any]] = table["operations"]
        return [
            _Operation(
                str(operation["method"]), path := str(operation["path"]), _segments(path), frozenset(operation["roles"])
            )
            for operation in listed
        ]
    except (KeyError, TypeError) as problem:
        raise ValueError(f"this is not a policy table: {problem!r}") from problem


def _segments(path: str) -> tuple[str, ...]:
    return tuple("" if part.startswith("{") and part.endswith("}") else part for part in path.strip("/").split("/"))

"""Which changes of a preview are the ring's own, and which are somebody else's. Pure: reads `pulumi preview --json`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

_QUIET: Final = frozenset({"same", "read", "refresh", "create-replacement", "delete-replaced"})
"""Steps that change nothing, and the halves of a replacement, which a step of its own stands for."""

_RING: Final = "pulumi-python:dynamic/ring:"
_GENERATION: Final = f"{_RING}RingGeneration"
_KEY_ENTRY: Final = "gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries"
_VERSION: Final = "cloudflare:index/workerVersion:WorkerVersion"
_DEPLOYMENT: Final = "cloudflare:index/workersDeployment:WorkersDeployment"

_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What a preview says of a text that only the update will know, such as the name of a key that is not made yet."""

_DECIDED: Final = frozenset(
    ("generation", "previous", "current", "next", "revoked", "rotated_at", "settled_at", "rotates_at", "drops_at")
) | {"last_change", "held", "revoke", "mode"}
"""What the rules of rotation decide, a revocation and a pause; all else of a RingGeneration is somebody's setting."""

_PATH: Final = re.compile(r"bindings\[(\d+)\]")


@dataclass(frozen=True)
class Change:
    """One step of a preview: the resource's name, its operation, and its type."""

    name: str
    operation: str
    type: str

    def __str__(self) -> str:
        return f"{self.operation} {self.type.rpartition(':')[2]} {self.name}"


@dataclass(frozen=True)
class Changes:
    """The changes of a preview: the ring's own, and others."""

    own: tuple[Change, ...]
    others: tuple[Change, ...]

    @property
    def notes_only(self) -> bool:
        """Whether only the ring's record of itself changes: why a step is held, or no longer is, or when one is due."""
        return bool(self.own) and not self.others and all(change.type == _GENERATION for change in self.own)

    @property
    def any(self) -> bool:
        """Whether there is any change."""
        return bool(self.own or self.others)


def read_changes(preview: Mapping[str, Any]) -> Changes:
    """Sort the steps of a `pulumi preview --json`.

    The ring's own are: its resources, where only what the rules decide differs; the entries of its public keys in
    Apigee; a version of the Worker that differs in the ring alone, and its deployment. A secret
    is masked in a preview, so another secret of the version counts as the ring's unless the provider names its place.
    """
    shown: list[Json] = preview.get("steps") or []
    steps = [step for step in shown if step["op"] not in _QUIET]
    own = [_change(step) for step in steps if _is_own(step)]
    others = [_change(step) for step in steps if not _is_own(step)]
    if any(change.type == _VERSION for change in others):
        moved = [change for change in own if change.type == _DEPLOYMENT]
        own, others = [change for change in own if change not in moved], [*others, *moved]
    return Changes(tuple(own), tuple(others))


def _change(step: Json) -> Change:
    *_, kind, name = str(step["urn"]).split("::")
    return Change(name, str(step["op"]), kind.rpartition("$")[2])


def _is_own(step: Json) -> bool:
    kind = _change(step).type
    old, new = _inputs(step, "oldState"), _inputs(step, "newState")
    if kind == _GENERATION and old and new:
        return _differing(old, new) <= _DECIDED
    if kind.startswith(_RING):
        return step["op"] != "delete" or kind != _GENERATION
    if kind == _KEY_ENTRY:
        return str((new or old).get("name")).startswith(("jwk.", _UNKNOWN))
    if kind == _VERSION and old and new:
        return _without_ring(old) == _without_ring(new) and not _names_another_binding(step, new)
    if kind == _DEPLOYMENT and old and new:
        return _differing(old, new) <= {"versions"}
    return False


def _inputs(step: Json, state: str) -> Json:
    resource: Json = step.get(state) or {}
    return resource.get("inputs") or {}


def _differing(old: Json, new: Json) -> set[str]:
    names = {name for name in old.keys() | new.keys() if not name.startswith("__")}
    return {name for name in names if old.get(name) != new.get(name)}


def _without_ring(inputs: Json) -> Json:
    """Leave out what a rotation changes in a version: the ring itself, and its number in the message."""
    annotations: Json = inputs.get("annotations") or {}
    message = str(annotations.get("workersMessage", ""))
    bindings = [binding for binding in _bindings(inputs) if binding.get("name") != "RING"]
    return {**inputs, "annotations": message.partition(", ring ")[0], "bindings": bindings}


def _bindings(inputs: Json) -> list[Json]:
    bindings: Any = inputs.get("bindings")
    return bindings if isinstance(bindings, list) else []  # pyright: ignore[reportUnknownVariableType]


def _names_another_binding(step: Json, new: Json) -> bool:
    names = [binding.get("name") for binding in _bindings(new)]
    paths: Json = step.get("detailedDiff") or {}
    places = [int(found[1]) for path in paths if (found := _PATH.match(path))]
    return any(place >= len(names) or names[place] != "RING" for place in places)

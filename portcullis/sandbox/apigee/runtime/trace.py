"""What happened to one request, step by step, with the variables that each step read and wrote.

Values are kept as text and cut to a size; what a debug mask or the prefix `private.` hides is never shown
(`masking.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from portcullis.sandbox.apigee.runtime.values import Value, as_text

MAX_VALUE = 2048
"""Characters of a value that a trace shows."""

MAX_EVENTS = 2000

Kind = Literal["flow", "step", "skipped", "route", "target", "fault", "fault-rule", "hook", "print"]


@dataclass
class Access:
    """The variables that one step read (with what it found first) and wrote (with what it left)."""

    reads: dict[str, Value] = field(default_factory=dict[str, Value])
    writes: dict[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    `kind` is `flow`, `step`, `skipped` (its condition was false or it is disabled), `route`, `target`, `fault`,
    `fault-rule`, `hook` or `print` (of a script); `name` names the policy, flow, route or rule; `detail` is the
    policy's type, the condition that chose the branch, the error code or the status; `milliseconds` how long it took,
    where it took any.
    """

    kind: Kind
    name: str
    detail: str = ""
    milliseconds: float = 0.0
    reads: Mapping[str, str] = field(default_factory=dict[str, str])
    writes: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])


@dataclass
class Trace:
    """The events of one request, in order."""

    message_id: str
    events: list[Event] = field(default_factory=list[Event])

    def add(
        self, kind: Kind, name: str, detail: str = "", milliseconds: float = 0.0, access: Access | None = None
    ) -> None:
        """Note one event."""
        if len(self.events) >= MAX_EVENTS:
            return
        reads: dict[str, str] = {}
        writes: dict[str, str | None] = {}
        if access is not None:
            reads = {name: _shown(value) for name, value in access.reads.items() if value is not None}
            writes = {name: None if value is None else _shown(value) for name, value in access.writes.items()}
        self.events.append(Event(kind, name, detail, milliseconds, reads, writes))

    def names(self, kind: Kind) -> list[str]:
        """Return the names of the events of one kind."""
        return [event.name for event in self.events if event.kind == kind]


def _shown(value: Value) -> str:
    text = as_text(value)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"

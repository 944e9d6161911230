"""What happened to one request, step by step. Values of variables are not kept: no secret can be in a trace."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    `kind` is `flow`, `step`, `skipped` (its condition was false or it is disabled), `route`, `target`, `fault` or
    `fault-rule`; `name` names the policy, flow or fault; `detail` is the condition, the error code or the status;
    `milliseconds` how long it took, where it took any.
    """

    kind: str
    name: str
    detail: str = ""
    milliseconds: float = 0.0


@dataclass
class Trace:
    """The events of one request, in order."""

    message_id: str
    events: list[Event] = field(default_factory=list[Event])

    def add(self, kind: str, name: str, detail: str = "", milliseconds: float = 0.0) -> None:
        """Note one event."""
        self.events.append(Event(kind, name, detail, milliseconds))

    def names(self, kind: str) -> list[str]:
        """Return the names of the events of one kind."""
        return [event.name for event in self.events if event.kind == kind]

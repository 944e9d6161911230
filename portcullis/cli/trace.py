"""A trace of the Apigee runtime as lines for a person to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portcullis.cli.errors import CommandError

_WIDTH = 100
"""Characters of a value that a line shows; `--json` has all that was kept."""

_MARKS = {"step": "  ", "skipped": "  (skipped) ", "fault": "  ! ", "target": "  -> ", "print": "  print "}


def choose(traces: Sequence[dict[str, Any]], which: str | None) -> dict[str, Any]:
    """Return the last trace, or the one whose id begins so; raises `CommandError`."""
    found = [one for one in traces if which is None or one["id"].startswith(which)]
    if not found:
        wanted = "no request has been traced yet" if which is None else f"no trace begins with {which}"
        raise CommandError(f"{wanted}: `portcullis trace` lists those that are kept")
    if which is not None and len(found) > 1:
        raise CommandError(f"{len(found)} traces begin with {which}: write more of the id")
    return found[-1]


def summary_lines(traces: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each trace."""
    return [_head(one) for one in traces] or ["no request has been traced yet: `portcullis call GET /` makes one"]


def lines(trace: Mapping[str, Any]) -> list[str]:
    """Return a trace event by event."""
    return [_head(trace), *(line for event in trace["events"] for line in _event(event))]


def _head(trace: Mapping[str, Any]) -> str:
    where = f"{trace['environment']}/{trace['proxy']}/{trace['revision']}/{trace['endpoint']}"
    return f"{trace['id']}  {trace['status']}  {trace['verb']} {trace['path']}  {where}  {trace['milliseconds']:.1f} ms"


def _event(event: Mapping[str, Any]) -> list[str]:
    kind, detail = event["kind"], event.get("detail", "")
    took = f"  {event['milliseconds']:.1f} ms" if "milliseconds" in event else ""
    mark = _MARKS.get(kind, f"{kind}: ")
    shown = [f"{mark}{event['name']}{f'  {detail}' if detail else ''}{took}"]
    shown += [f"      read   {name} = {_short(value)}" for name, value in event.get("reads", {}).items()]
    for name, value in event.get("writes", {}).items():
        shown.append(
            f"      {'remove' if value is None else 'write '} {name}{'' if value is None else f' = {_short(value)}'}"
        )
    return shown


def _short(value: str) -> str:
    line = value.replace("\r", "\\r").replace("\n", "\\n")
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..."

"""The commands of the ring: what it is, the scheduled rotation, the emergency."""

from __future__ import annotations

import time
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from portcullis.cli import clock, revocation, ring_report
from portcullis.cli.deployed_ring import deployed_ring
from portcullis.cli.output import AsJson, say
from portcullis.cli.project import SANDBOX_STACK, Project, find_project
from portcullis.cli.rotation import EXIT_CODES, Outcome
from portcullis.cli.rotation import rotate as run_rotation
from portcullis.cli.stack import stack_outputs, stack_state
from portcullis.deployed import NoAnswerError

StackName = Annotated[str, typer.Option("--stack", help="The stack whose ring it is.")]

_CODES = ", ".join(f"{code} {kind}" for kind, code in EXIT_CODES.items())


class Slot(StrEnum):
    """Which key is compromised."""

    current = "current"
    next = "next"


def ring(
    *,
    stack: StackName = SANDBOX_STACK,
    alarm: Annotated[bool, typer.Option("--alarm", help="Exit with 20 where a person is to look at it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the ring: its keys and their ages, the next rotation, how long each tier may stay as it is, and alarms."""
    project = find_project()
    outputs = stack_outputs(project, stack)
    held = ring_report.read_state(stack, stack_state(project, stack))
    try:
        seq = deployed_ring(project, stack, outputs).seq
    except NoAnswerError:
        seq = None
    document = ring_report.report(stack, held, outputs, seq, _now(project, stack))
    say(document, ring_report.lines(document), as_json=as_json)
    if alarm and document["alarms"]:
        raise typer.Exit(EXIT_CODES["stopped"])


def rotate(*, stack: StackName = SANDBOX_STACK, as_json: AsJson = False) -> None:
    """Rotate where that is due, and verify. Run it on a schedule; twice does no harm."""
    outcome = run_rotation(find_project(), stack)
    say({"stack": stack, **_document(outcome)}, _lines(stack, outcome), as_json=as_json)
    raise typer.Exit(outcome.exit_code)


rotate.__doc__ = f"{rotate.__doc__} Exit codes: {_CODES}."


def revoke(
    slot: Annotated[Slot, typer.Argument(help="Whose private key is compromised: current or next.")],
    *,
    stack: StackName = SANDBOX_STACK,
    as_json: AsJson = False,
) -> None:
    """Take a compromised signing key out of use, without a refused call. Exit codes are those of `rotate`."""
    done = revocation.revoke(find_project(), stack, slot.value)
    document = {
        "stack": stack,
        "slot": done.slot,
        "key": done.number,
        **_document(done.outcome),
        "dropped_at": None if done.dropped_at is None else ring_report.timestamp(done.dropped_at),
        "dead_by": None if done.dead_by is None else ring_report.timestamp(done.dead_by),
    }
    say(document, [*revocation.lines(done), *_lines(stack, done.outcome)], as_json=as_json)
    raise typer.Exit(done.outcome.exit_code)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the `portcullis` command."""
    for command in (ring, rotate, revoke):
        app.command()(command)


def _document(outcome: Outcome) -> dict[str, object]:
    told = asdict(outcome)
    return {"outcome": told.pop("kind"), **told, "exit_code": outcome.exit_code}


def _lines(stack: str, outcome: Outcome) -> list[str]:
    at = "" if outcome.generation is None else f", generation {outcome.generation}"
    return [
        f"{stack}: {outcome.kind}{at}",
        *[f"  {change}" for change in outcome.changes],
        *([outcome.reason] if outcome.reason else []),
    ]


def _now(project: Project, stack: str) -> float:
    """The time of the rotation step: the sandbox's may be moved."""
    return time.time() + (clock.offset_seconds(project.clock_file) if stack == SANDBOX_STACK else 0)

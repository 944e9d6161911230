"""The scheduled rotation: preview, apply what is the ring's own and nothing else, verify. Plain `pulumi` underneath."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from portcullis.cli.deployed_ring import deployed_problem
from portcullis.cli.pending import adopt_pending
from portcullis.cli.project import Project
from portcullis.cli.ring_changes import Changes, read_changes
from portcullis.cli.stack import run_pulumi, stack_outputs
from portcullis.cli.stack_lock import StackBusyError, only_one

Kind: TypeAlias = Literal["nothing due", "rotated", "stopped", "busy", "failed"]

EXIT_CODES: Final[Mapping[Kind, int]] = {"nothing due": 0, "failed": 1, "rotated": 10, "stopped": 20, "busy": 30}
"""A wrong command line is 2."""

_LOCKED: Final = re.compile(r"the stack is currently locked|Another update is currently in progress")
_NOISE: Final = re.compile(r"^\s*(warning: using pulumi-resource-|$)")
_MAX_REASON: Final = 4_000


@dataclass(frozen=True)
class Outcome:
    """What a run of the rotation came to.

    - `nothing due`: the deployed gateway holds the ring of the state, and no step is due.
    - `rotated`: the ring moved on, or an update that had been cut off was finished, and both were verified.
    - `stopped`: nothing was begun, and the gateway serves as before; a person is to look at `reason`.
    - `busy`: somebody else is working on the stack; nothing was done.
    - `failed`: an update began and did not end well, or what it left could not be verified. The gateway serves; the
      next run goes on from there.
    """

    kind: Kind
    reason: str = ""
    generation: int | None = None
    changes: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """The process's exit code."""
        return EXIT_CODES[self.kind]


def rotate(project: Project, stack: str) -> Outcome:
    """Bring the ring of a stack up to date.

    Any change that is not the ring's own stops the run before it begins. Raises `CommandError` where the stack cannot
    be read at all.
    """
    try:
        with only_one(project, stack):
            return _rotate(project, stack)
    except StackBusyError as problem:
        return Outcome("busy", str(problem))


def _rotate(project: Project, stack: str) -> Outcome:
    adopt_pending(project, stack)
    previewed = run_pulumi(project, "preview", "--json", stack=stack)
    if previewed.returncode != 0:
        return _refused(previewed, "stopped")
    changes = read_changes(json.loads(previewed.stdout))
    if changes.others:
        return _not_ours(changes)
    if not changes.any:
        return _verified(project, stack, "nothing due", ())
    updated = run_pulumi(project, "up", "--yes", "--skip-preview", "--suppress-outputs", stack=stack)
    sys.stderr.write(updated.stdout)
    made = tuple(str(change) for change in changes.own)
    if updated.returncode != 0:
        return _refused(updated, "failed", made)
    return _verified(project, stack, "nothing due" if changes.notes_only else "rotated", made)


def _not_ours(changes: Changes) -> Outcome:
    listed = tuple(str(change) for change in changes.others)
    return Outcome(
        "stopped",
        "the preview shows changes that are not the ring's: somebody's change has not been applied yet, or was made by"
        " hand. Nothing was done. Apply or undo it (`pulumi preview --diff`), then run this again",
        changes=listed,
    )


def _verified(project: Project, stack: str, kind: Kind, changes: tuple[str, ...]) -> Outcome:
    """Hold the deployed gateway to the stack's outputs."""
    outputs = stack_outputs(project, stack)
    generation = int(outputs["ringGeneration"])
    problem = deployed_problem(project, stack, outputs)
    if problem:
        return Outcome("failed" if kind == "rotated" else "stopped", problem, generation, changes)
    held = _held(outputs) if kind == "nothing due" else ""
    return Outcome("stopped" if held else kind, held, generation, changes)


def _held(outputs: Mapping[str, Any]) -> str:
    ring: dict[str, Any] = outputs.get("ring") or {}
    return str(ring.get("held") or "")


def _refused(done: subprocess.CompletedProcess[str], kind: Kind, changes: tuple[str, ...] = ()) -> Outcome:
    reason = _reason(done)
    if _LOCKED.search(reason):
        return Outcome("busy", f"{reason}\nWhere no update is running any more, `pulumi cancel` takes the lock away")
    return Outcome(kind, reason, changes=changes)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return what Pulumi said was wrong; it masks secrets itself, in diagnostics as in output."""
    try:
        diagnostics: list[dict[str, Any]] = json.loads(done.stdout).get("diagnostics") or []
    except ValueError:
        diagnostics = []
    lines = [str(item["message"]).strip() for item in diagnostics if item.get("severity") == "error"]
    text = "\n".join(lines) or "\n".join(
        line for line in (done.stderr or done.stdout).splitlines() if not _NOISE.match(line)
    )
    return text.strip()[-_MAX_REASON:]

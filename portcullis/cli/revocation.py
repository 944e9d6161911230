"""The emergency: a signing key is compromised, or may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from portcullis.cli.errors import CommandError
from portcullis.cli.project import Project
from portcullis.cli.ring_report import Held, read_state, timestamp
from portcullis.cli.rotation import Outcome, rotate
from portcullis.cli.stack import run_pulumi, stack_state
from portcullis.ring import drop_due, exposure

Slot: TypeAlias = Literal["current", "next"]

_SETTING: Final = "portcullis:revoke"


@dataclass(frozen=True)
class Revocation:
    """What came of it: the key's number, the update's outcome, and until when the key may still be of use.

    `dropped_at` is when the first update takes it out of Apigee (`None`: it is out); `dead_by` is when no Apigee node
    accepts it any more, if that update is run then; both in seconds since the epoch.
    """

    slot: Slot
    number: int
    outcome: Outcome
    dropped_at: int | None = None
    dead_by: int | None = None


def revoke(project: Project, stack: str, slot: Slot) -> Revocation:
    """Revoke the key in a slot: note it in the stack's settings, and bring the ring up to date.

    What the rules refuse (a second emergency too soon) leaves the settings as they were.
    """
    number = getattr(read_state(stack, stack_state(project, stack)).ring, slot)
    before = run_pulumi(project, "config", "get", _SETTING, stack=stack)
    _config(project, stack, "set", _SETTING, str(number))
    outcome = rotate(project, stack)
    if outcome.kind in ("stopped", "busy"):
        if before.returncode == 0:
            _config(project, stack, "set", _SETTING, before.stdout.strip())
        else:
            _config(project, stack, "rm", _SETTING)
        return Revocation(slot, number, outcome)
    held = read_state(stack, stack_state(project, stack))
    return Revocation(slot, number, outcome, drop_due(held.ring, held.settings), _dead_by(held, slot, number))


def lines(done: Revocation) -> list[str]:
    """Return what came of it for people."""
    if done.outcome.kind != "rotated":
        return [f"key {done.number} ({done.slot}) is not revoked"]
    told = [f"key {done.number} ({done.slot}) is revoked: generation {done.outcome.generation}"]
    if done.dropped_at is not None:
        told.append(
            "it signs no more; Apigee accepts it until it is dropped: run `portcullis rotate` at"
            f" {timestamp(done.dropped_at)} or soon after (the schedule does it too)"
        )
    if done.dead_by is not None:
        condition = " if it is dropped then" if done.dropped_at is not None else ""
        told.append(f"dead everywhere by {timestamp(done.dead_by)}{condition}")
    return told


def _dead_by(held: Held, slot: Slot, number: int) -> int | None:
    if slot == "next":
        # Nobody signs with it, and its entry is gone: Apigee forgets it when its cache does.
        return held.ring.settled_at + held.settings.verifier_delay_seconds
    return held.ring.rotated_at + exposure(held.settings).seconds if held.ring.revoked == number else None


def _config(project: Project, stack: str, *arguments: str) -> None:
    done = run_pulumi(project, "config", *arguments, stack=stack)
    if done.returncode != 0:
        raise CommandError(f"`pulumi config {arguments[0]}` failed: {done.stderr.strip()}")

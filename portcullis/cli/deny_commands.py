"""The commands of the revocation list."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from portcullis.cli.clock import seconds_of
from portcullis.cli.deny_list import DEFAULT_SECONDS, ENTRY, DenyList, Kind, Revocation, parse
from portcullis.cli.errors import CommandError
from portcullis.cli.output import AsJson, say
from portcullis.cli.project import SANDBOX_STACK, find_project
from portcullis.cli.workers_kv import WorkersKv, stack_kv

deny_app = typer.Typer(no_args_is_help=True, help="Tokens that the edge no longer takes, before they expire.")

StackName = Annotated[str, typer.Option("--stack", help="The stack whose edge it is.")]
By = Annotated[Kind, typer.Argument(help="What is denied.")]
Value = Annotated[str, typer.Argument(help="The claim `jti` or `sub`, the client id, or the issuer's key id.")]
IssuerName = Annotated[str, typer.Option("--issuer", help="The issuer's name in the contract.")]

DELAY = "isolates see it within 50 s of KV, which takes up to 60 s or more"


@deny_app.command("add")
def add(
    by: By,
    value: Value,
    *,
    issuer: IssuerName,
    last: Annotated[str, typer.Option("--for", help="How long, such as 25h or 30d; by default 25h.")] = "",
    stack: StackName = SANDBOX_STACK,
    as_json: AsJson = False,
) -> None:
    """Deny a token, or all tokens of a subject, a client or a key."""
    now = int(time.time())
    entry = Revocation(_known(issuer), by.value, value, now + (seconds_of(last) if last else DEFAULT_SECONDS))
    kv = stack_kv(find_project(), stack)
    changed = parse(kv.read(ENTRY)).with_entry(entry, now)
    _keep(kv, changed)
    document = {"denied": asdict(entry), "seq": changed.seq}
    say(document, [f"denied until {_shown(entry.until)}; {DELAY}"], as_json=as_json)


@deny_app.command("remove")
def remove(
    by: By, value: Value, *, issuer: IssuerName, stack: StackName = SANDBOX_STACK, as_json: AsJson = False
) -> None:
    """Take an entry back."""
    entry = Revocation(_known(issuer), by.value, value, 0)
    kv = stack_kv(find_project(), stack)
    changed = parse(kv.read(ENTRY)).without(entry, int(time.time()))
    _keep(kv, changed)
    named = {name: member for name, member in asdict(entry).items() if name != "until"}
    say({"removed": named, "seq": changed.seq}, [f"removed; {DELAY}"], as_json=as_json)


@deny_app.command("list")
def list_entries(*, stack: StackName = SANDBOX_STACK, as_json: AsJson = False) -> None:
    """Show the entries that stand."""
    held = parse(stack_kv(find_project(), stack).read(ENTRY))
    entries = held.standing(int(time.time()))
    lines = [f"{entry.issuer}  {entry.by}  {entry.value}  until {_shown(entry.until)}" for entry in entries]
    document = {"seq": held.seq, "entries": [asdict(entry) for entry in entries]}
    say(document, lines or ["nothing is denied"], as_json=as_json)


def _keep(kv: WorkersKv, changed: DenyList) -> None:
    """Write the list and read it back: KV has no compare-and-set, and somebody else may have written meanwhile."""
    kv.write(ENTRY, changed.text())
    if kv.read(ENTRY) != changed.text():
        raise CommandError(
            "the list was changed by somebody else meanwhile: look at `portcullis deny list`, and repeat"
        )


def _known(issuer: str) -> str:
    issuers = list(find_project().contract().issuers)
    if issuer not in issuers:
        raise CommandError(f"the contract has no issuer {issuer!r}; it has {', '.join(issuers)}")
    return issuer


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

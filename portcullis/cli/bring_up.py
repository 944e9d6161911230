"""The end of `make up`: sandbox, `pulumi up`, one good and one refused request, and where to go next."""

from __future__ import annotations

import sys

from portcullis.cli import process
from portcullis.cli.directory import directory
from portcullis.cli.errors import CommandError
from portcullis.cli.main import answer_lines
from portcullis.cli.project import SANDBOX_STACK, Project, find_project
from portcullis.cli.requests import call, choose_user, fetch_token
from portcullis.cli.sandbox_client import SandboxClient
from portcullis.cli.stack import run_pulumi
from portcullis.contract import Contract

NEXT = """\
Where to go next:
  eval "$(.venv/bin/portcullis env)"      then plain pulumi works here: pulumi preview, pulumi up, pulumi stack export
  portcullis call GET /orders             as any user: --user buyer, --user nobody, --anonymous
  portcullis audit --trace ID             one line per hop
  portcullis clock advance 25h            and the next pulumi preview shows the rotation that is due
  portcullis fault set orders down        break a backend, and `fault clear orders` mends it
  docs/                                   how-to pages; gateway.yaml is the contract to edit
"""


def main() -> None:
    """Bring everything up; print each step. What fails is told in one message, with exit code 1."""
    try:
        _bring_up(find_project())
    except CommandError as problem:
        sys.exit(f"portcullis: {problem}")


def _bring_up(project: Project) -> None:
    contract = project.contract()
    _say("sandbox: starting the local clouds")
    client, notes = process.start(project)
    client.call("PUT", "/directory", directory(contract))
    for line in [*notes, f"gateway {client.status()['gateway']}"]:
        print(f"   {line}")
    _say(f"pulumi up: stack {SANDBOX_STACK}, the real engine against the sandbox's two APIs")
    _pulumi(project, "stack", "select", "--create")
    _pulumi(project, "up", "--yes", "--suppress-outputs")
    _say("a good request: GET /orders as a user who may")
    _show(client, contract, None)
    _say("a refused request: GET /orders without a token")
    _show(client, contract, "anonymous")
    print(f"\n{NEXT}")


def _show(client: SandboxClient, contract: Contract, who: str | None) -> None:
    token = None if who == "anonymous" else fetch_token(client, contract, choose_user(contract, None, None))
    for line in answer_lines(call(client, "GET", "/orders", token, None)):
        print(f"   {line}")


def _pulumi(project: Project, *arguments: str) -> None:
    if run_pulumi(project, *arguments, capture=False).returncode != 0:
        raise CommandError(
            f"`pulumi {arguments[0]}` failed; mend what it says above and run `make up` again "
            "(`portcullis sandbox reset` begins with an empty sandbox)"
        )


def _say(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    main()

"""Asks the Pulumi engine about a stack, and has it work on one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

from engine.environment import EngineMissingError, environment
from portcullis.cli.errors import CommandError
from portcullis.cli.project import SANDBOX_STACK, Project


def shell_variables(project: Project) -> dict[str, str]:
    """Return what a shell needs for plain `pulumi` in the project; raises `CommandError` where there is no engine."""
    try:
        return environment(project.root)
    except EngineMissingError as problem:
        raise CommandError(str(problem)) from None


def run_pulumi(
    project: Project, *arguments: str, stack: str = SANDBOX_STACK, capture: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run `pulumi` in the project: with the sandbox's variables for its own stack, as the shell has it for any other.

    Raises `CommandError` where there is no engine.
    """
    variables = {**os.environ, **(shell_variables(project) if stack == SANDBOX_STACK else {})}
    binary = shutil.which("pulumi", path=variables.get("PATH"))
    if binary is None:
        raise CommandError("there is no `pulumi` on PATH: install the Pulumi CLI (https://www.pulumi.com/docs/install)")
    return subprocess.run(  # noqa: S603 - the engine, with our own arguments
        [binary, *arguments, "--stack", stack, "--non-interactive"],
        cwd=project.root,
        env=variables,
        text=True,
        capture_output=capture,
        check=False,
    )


def stack_outputs(project: Project, stack: str = SANDBOX_STACK) -> dict[str, Any]:
    """Return the stack's outputs; raises `CommandError` where it has not been updated yet."""
    asked = run_pulumi(project, "stack", "output", "--json", stack=stack)
    if asked.returncode != 0:
        raise CommandError(f"the stack {stack} cannot be read: {asked.stderr.strip()}")
    outputs = json.loads(asked.stdout or "{}")
    if "ringGeneration" not in outputs:
        raise CommandError(f"the stack {stack} has no gateway yet: run `pulumi up --stack {stack}`")
    return outputs


def stack_state(project: Project, stack: str) -> dict[str, Any]:
    """Return the stack's state as Pulumi exports it, every secret as ciphertext; `deployment` holds the resources."""
    asked = run_pulumi(project, "stack", "export", stack=stack)
    if asked.returncode != 0:
        raise CommandError(f"the stack {stack} cannot be read: {asked.stderr.strip()}")
    return json.loads(asked.stdout)

"""Asks the Pulumi engine about the stack."""

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


def run_pulumi(project: Project, *arguments: str, capture: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `pulumi` in the project with the sandbox's variables; raises `CommandError` where there is none."""
    variables = {**os.environ, **shell_variables(project)}
    binary = shutil.which("pulumi", path=variables["PATH"]) or "pulumi"
    return subprocess.run(  # noqa: S603 - the engine, with our own arguments
        [binary, *arguments], cwd=project.root, env=variables, text=True, capture_output=capture, check=False
    )


def stack_outputs(project: Project, stack: str = SANDBOX_STACK) -> dict[str, Any]:
    """Return the stack's outputs; raises `CommandError` where it has not been updated yet."""
    asked = run_pulumi(project, "stack", "output", "--json", "--stack", stack, "--non-interactive")
    if asked.returncode != 0:
        raise CommandError(f"the stack {stack} cannot be read: {asked.stderr.strip()}")
    outputs = json.loads(asked.stdout or "{}")
    if "ringGeneration" not in outputs:
        raise CommandError(f"the stack {stack} has no gateway yet: run `pulumi up --stack {stack}`")
    return outputs

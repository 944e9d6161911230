"""Running a Pulumi program: the command, its environment, and what its exit status means.

The contract with the executor (`engine/language_exec.py`) is that of Pulumi's Python support: settings as flags,
configuration in PULUMI_CONFIG and PULUMI_CONFIG_SECRET_KEYS, exit status 32 for "failed, and the user has been told".
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pulumi.runtime.proto import language_pb2

from engine.host.children import Children
from engine.host.interpreter import Interpreter, Options

EXECUTOR = Path(__file__).parent.parent / "language_exec.py"
TOLD_THE_USER = 32


@dataclass(frozen=True)
class Outcome:
    """How a program ended: `error` empty for success; `bail` when it failed and nothing more is to be said."""

    error: str = ""
    bail: bool = False


def run_program(
    request: language_pb2.RunRequest,
    interpreter: Interpreter,
    options: Options,
    engine_address: str,
    tracing: str,
    children: Children,
) -> Outcome:
    """Run the program of `request` to its end."""
    environment = interpreter.environment({**os.environ, **configuration(request)})
    folder = Path(request.pwd or request.info.program_directory)
    if options.typechecker:
        refused = _type_check(options.typechecker, interpreter, folder, environment, children)
        if refused:
            return Outcome(error=refused)
    child = children.start(command(request, interpreter, engine_address, tracing), cwd=folder, environment=environment)
    status = children.wait(child)
    if status == 0:
        return Outcome()
    if status == TOLD_THE_USER or children.was_stopped(child):
        return Outcome(bail=True)
    if status < 0:
        return Outcome(error=f"program ended by signal {-status}")
    return Outcome(error=f"program exited with non-zero exit code: {status}")


def configuration(request: language_pb2.RunRequest) -> dict[str, str]:
    """The stack's configuration as the SDK reads it from the environment (values in clear: nobody else sees it)."""
    return {
        "PULUMI_CONFIG": json.dumps(dict(request.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
    }


def command(
    request: language_pb2.RunRequest, interpreter: Interpreter, engine_address: str, tracing: str = ""
) -> list[str]:
    """The executor's command line for `request`; empty settings are left out."""
    settings: Mapping[str, str] = {
        "monitor": request.monitor_address,
        "engine": engine_address,
        "project": request.project,
        "root_directory": request.info.root_directory,
        "stack": request.stack,
        "pwd": request.pwd,
        "dry_run": "true" if request.dryRun else "false",
        "parallel": str(request.parallel),
        "tracing": tracing,
        "organization": request.organization,
    }
    flags = [part for name, value in settings.items() if value for part in (f"--{name}", value)]
    program = request.info.entry_point or request.program or "."
    return [str(interpreter.python), "-u", str(EXECUTOR), *flags, program, *request.args]


def _type_check(
    checker: str, interpreter: Interpreter, folder: Path, environment: Mapping[str, str], children: Children
) -> str:
    if checker not in ("mypy", "pyright"):
        return f"unknown typechecker {checker!r} in Pulumi.yaml: write mypy or pyright"
    child = children.start([interpreter.python, "-m", checker, folder], cwd=folder, environment=environment)
    if children.wait(child) == 0:
        return ""
    return f"{checker} refused the program (Pulumi.yaml asks for it with `typechecker: {checker}`)"

"""Installing what a project needs (`pulumi install`, `pulumi new`): the commands, by toolchain."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.host.interpreter import InterpreterError, Options, toolchain_of, virtualenv_of


def install_commands(root: Path, options: Options, environment: Mapping[str, str]) -> list[list[str]]:
    """The commands that install the dependencies of the project in `root`, to be run there in this order.

    For pip: make the virtual environment if it is missing, then `requirements.txt`, or else the project itself
    where there is a `pyproject.toml`. For uv and Poetry: their own install command.

    Raises:
        InterpreterError: the toolchain is not installed, or unknown.
    """
    toolchain = toolchain_of(root, options)
    if toolchain == "uv":
        folder = virtualenv_of(root, options, environment)
        return [["env", f"UV_PROJECT_ENVIRONMENT={folder}", _tool("uv", environment), "sync"]]
    if toolchain == "poetry":
        return [[_tool("poetry", environment), "install", "--no-interaction"]]
    virtualenv = virtualenv_of(root, options, environment)
    python = str(virtualenv / "bin" / "python") if virtualenv else _base_python(environment)
    commands: list[list[str]] = []
    if virtualenv is not None and not Path(python).is_file():
        commands.append([_base_python(environment), "-m", "venv", str(virtualenv)])
    wanted = _wanted(root)
    if wanted:
        commands.append([python, "-m", "pip", "install", *wanted])
    return commands


def _wanted(root: Path) -> list[str]:
    if (root / "requirements.txt").is_file():
        return ["-r", "requirements.txt"]
    return ["-e", "."] if (root / "pyproject.toml").is_file() else []


def _base_python(environment: Mapping[str, str]) -> str:
    for name in (environment.get("PULUMI_PYTHON_CMD"), "python3", "python"):
        found = shutil.which(name, path=environment.get("PATH")) if name else None
        if found:
            return found
    return sys.executable


def _tool(name: str, environment: Mapping[str, str]) -> str:
    found = shutil.which(name, path=environment.get("PATH"))
    if found is None:
        raise InterpreterError(f"the project uses {name}, and there is no `{name}` on PATH: install it")
    return found

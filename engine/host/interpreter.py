"""Which Python runs a project, and with which environment.

The rules are those of Pulumi's own Python support (Pulumi.yaml, `runtime.options`):

* `virtualenv`: a folder, relative to the one that holds Pulumi.yaml; it must exist.
* `toolchain: uv` (or a `uv.lock` beside Pulumi.yaml): the folder `.venv` there.
* `toolchain: poetry` (or a `poetry.lock`): whatever `poetry env info --path` names.
* otherwise `$PULUMI_PYTHON_CMD`, else `python3`, else `python`, from PATH.

Standard library only: the launcher of dynamic providers shares it and has to start fast.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class InterpreterError(Exception):
    """No usable Python for the project; the text says what to do about it."""


@dataclass(frozen=True)
class Options:
    """The runtime options of Pulumi.yaml that bear on the interpreter; an empty text means unset."""

    virtualenv: str = ""
    toolchain: str = ""
    typechecker: str = ""


@dataclass(frozen=True)
class Interpreter:
    """A Python to run things with, and the virtual environment it belongs to, if any."""

    python: Path
    virtualenv: Path | None = None

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` with this interpreter's virtual environment switched on.

        VIRTUAL_ENV and PATH are set as its `activate` script would; PYTHONHOME goes, since it would point the
        interpreter at another installation.
        """
        environment = dict(base)
        if self.virtualenv is None:
            return environment
        environment["VIRTUAL_ENV"] = str(self.virtualenv)
        environment["PATH"] = os.pathsep.join([str(self.python.parent), environment.get("PATH", os.defpath)])
        environment.pop("PYTHONHOME", None)
        return environment


def resolve(root: Path, options: Options, environment: Mapping[str, str]) -> Interpreter:
    """The interpreter of the project in `root` (the folder that holds Pulumi.yaml or PulumiPolicy.yaml).

    Raises:
        InterpreterError: the virtual environment does not exist, or no Python is on PATH.
    """
    virtualenv = virtualenv_of(root, options, environment)
    if virtualenv is not None:
        python = virtualenv / "bin" / "python"
        if not python.is_file():
            raise InterpreterError(
                f"the project wants the virtual environment {virtualenv}, and there is none. Make it with"
                f" `python3 -m venv {virtualenv}` and install the project's dependencies into it"
                f" (`{python} -m pip install ...`), or run `pulumi install`."
            )
        return Interpreter(python, virtualenv)
    names = [environment["PULUMI_PYTHON_CMD"]] if environment.get("PULUMI_PYTHON_CMD") else ["python3", "python"]
    for name in names:
        found = shutil.which(name, path=environment.get("PATH"))
        if found is not None:
            return Interpreter(Path(found))
    raise InterpreterError(
        f"no Python found: looked for {' and '.join(names)} on PATH. Install Python, or name a virtual environment"
        " with `runtime.options.virtualenv` in Pulumi.yaml."
    )


def virtualenv_of(root: Path, options: Options, environment: Mapping[str, str]) -> Path | None:
    """Where the project's virtual environment is, or is to be; None when it uses the Python on PATH.

    Raises:
        InterpreterError: the project uses Poetry, and Poetry does not name an environment.
    """
    if options.virtualenv:
        return _absolute(root, options.virtualenv)
    toolchain = toolchain_of(root, options)
    if toolchain == "uv":
        return _absolute(root, environment.get("UV_PROJECT_ENVIRONMENT") or ".venv")
    if toolchain == "poetry":
        return _poetry_environment(root, environment)
    return None


def toolchain_of(root: Path, options: Options) -> str:
    """`pip`, `uv` or `poetry`: as configured, else by the lock file beside Pulumi.yaml.

    Raises:
        InterpreterError: the configured toolchain is none of these.
    """
    if options.toolchain in ("pip", "uv", "poetry"):
        return options.toolchain
    if options.toolchain:
        raise InterpreterError(f"unknown Python toolchain {options.toolchain!r}: write pip, uv or poetry")
    if options.virtualenv:
        return "pip"
    if (root / "uv.lock").is_file():
        return "uv"
    return "poetry" if (root / "poetry.lock").is_file() else "pip"


def _absolute(root: Path, folder: str) -> Path:
    return Path(os.path.normpath(root / folder))


def _poetry_environment(root: Path, environment: Mapping[str, str]) -> Path:
    poetry = shutil.which("poetry", path=environment.get("PATH"))
    if poetry is None:
        raise InterpreterError("the project uses Poetry, and there is no `poetry` on PATH: install it")
    asked = subprocess.run(  # noqa: S603 - the program is the user's own poetry
        [poetry, "env", "info", "--path"], cwd=root, env=dict(environment), capture_output=True, text=True, check=False
    )
    folder = asked.stdout.strip()
    if asked.returncode != 0 or not folder:
        raise InterpreterError("Poetry has no environment for this project: run `poetry install`")
    return Path(folder)

"""Running a plugin written in Python: a provider or component (PulumiPlugin.yaml), or a policy pack.

The engine reads the plugin's output from us as a stream: the first line of its standard output is the port it
listens on. The last message is its exit status.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.host.children import Children
from engine.host.interpreter import Interpreter

_CHUNK_BYTES = 64 * 1024


class PluginError(Exception):
    """The plugin cannot be run; the text says what to do about it."""


@dataclass(frozen=True)
class Output:
    """A piece of a process's output; `error` says it was written to standard error."""

    data: bytes
    error: bool = False


def plugin_command(interpreter: Interpreter, program: Path, arguments: list[str]) -> list[str]:
    """How to run the plugin in the folder `program`: its `__main__.py`, or else the package it is.

    Raises:
        PluginError: it has no `__main__.py`, and no name in pyproject.toml either.
    """
    if (program / "__main__.py").is_file():
        return [str(interpreter.python), "-u", str(program), *arguments]
    return [str(interpreter.python), "-u", "-m", "pulumi.run.plugin", _distribution_name(program), *arguments]


def environment_of(entries: list[str]) -> dict[str, str]:
    """`["NAME=value", ...]` as a mapping; the last of a repeated name wins, as for the engine's own processes."""
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def stream(child: subprocess.Popen[bytes], children: Children) -> Iterator[Output | int]:
    """Everything `child` writes, as it comes, then its exit status. Its two outputs must be pipes."""
    pieces: queue.SimpleQueue[Output | None] = queue.SimpleQueue()
    outputs = [(child.stdout, False), (child.stderr, True)]
    for pipe, error in outputs:
        threading.Thread(target=_pump, args=(pipe, error, pieces), daemon=True).start()
    open_pipes = len(outputs)
    while open_pipes:
        piece = pieces.get()
        if piece is None:
            open_pipes -= 1
        else:
            yield piece
    yield children.wait(child)


def start_plugin(
    command: list[str], children: Children, interpreter: Interpreter, cwd: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start `command` with both outputs as pipes, in the interpreter's virtual environment.

    Raises:
        PluginError: it cannot be started.
    """
    try:
        return children.start(
            command,
            cwd=cwd,
            environment=interpreter.environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as problem:
        raise PluginError(f"cannot start {command[0]} in {cwd}: {problem}") from problem


def _pump(pipe: IO[bytes], error: bool, pieces: queue.SimpleQueue[Output | None]) -> None:
    with pipe:
        while data := os.read(pipe.fileno(), _CHUNK_BYTES):
            pieces.put(Output(data, error))
    pieces.put(None)


def _distribution_name(program: Path) -> str:
    file = program / "pyproject.toml"
    try:
        name = tomllib.loads(file.read_text("utf-8")).get("project", {}).get("name", "")
    except FileNotFoundError:
        name = ""
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise PluginError(f"{file}: {problem}") from problem
    if not name:
        raise PluginError(f"{program} is not a plugin: it has no __main__.py, nor a project name in pyproject.toml")
    return str(name)

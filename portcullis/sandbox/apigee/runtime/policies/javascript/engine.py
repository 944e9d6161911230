"""The JavaScript engine: QuickJS in this process, with a bound on time and memory and no way out but one function.

A runaway script is stopped after ten times its `timeLimit`: QuickJS compiles nothing to machine code and shares its
processor with the rest of the sandbox, so that a script which is quick enough on Apigee is not cut off here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jsbox

# The package has no types of its own.
_engine: Any = jsbox
_JavaScriptError: type[Exception] = _engine.JavaScriptError
_TimeoutError: type[Exception] = _engine.JsTimeoutError

Host = Callable[..., object]

MEMORY_BYTES = 64 * 1024 * 1024
STACK_BYTES = 256 * 1024
"""Less than the smallest stack that a thread has anywhere."""
SLOWNESS = 10
"""How many times longer than on Apigee a script may take."""

_FRAME = re.compile(r"eval_script:(\d+)")


@dataclass(frozen=True)
class Script:
    """A resource file."""

    name: str
    text: str


class ScriptError(Exception):
    """A script threw, or could not be read; `str()` tells what as Apigee does, with file and line."""


class ScriptTimeoutError(Exception):
    """A script ran for too long."""


def check(script: Script) -> None:
    """Parse a script without running it; raises `ScriptError`."""
    try:
        _runtime().check_syntax(_standard(script.text))
    except _JavaScriptError as error:
        raise ScriptError(_described(error, [(1, script)])) from None


def run(scripts: Sequence[Script], host: Host, seconds: float) -> None:
    """Run scripts one after the other in one scope of their own; `host` serves the object model.

    `seconds` is the policy's limit for each. Raises `ScriptError`, `ScriptTimeoutError`, and what `host` raises
    where the script does not catch it.
    """
    runtime, model = _runtime(), _object_model()
    runtime.bind_function("__host", host)
    # Every script starts on a line of its own, so that the line of an error tells which one it is in.
    starts: list[tuple[int, Script]] = []
    line = model.count("\n") + 1
    try:
        runtime.eval(model)
        for script in scripts:
            starts.append((line, script))
            runtime.eval("\n" * (line - 1) + _standard(script.text) + "\n;undefined", timeout=seconds * SLOWNESS)
            line += script.text.count("\n") + 1
        runtime.eval("__finish()", timeout=seconds * SLOWNESS)
    except _TimeoutError:
        raise ScriptTimeoutError from None
    except _JavaScriptError as error:
        raise ScriptError(_described(error, starts)) from None
    finally:
        # It belongs to this thread: no traceback may carry it into another.
        del runtime


def _standard(text: str) -> str:
    """Return a script with Rhino's `for each (name in values)` as the loop that every engine knows."""
    parts: list[str] = []
    start = 0
    for found in _FOR_EACH.finditer(text):
        end = _closing(text, found.end())
        head = _LOOP.fullmatch(text, found.end(), end)
        if head is None or found.start() < start:
            continue
        parts += [text[start : found.start()], f"for ({head['name']} of __values({head['values']})"]
        start = end
    return "".join(parts) + text[start:]


def _closing(text: str, start: int) -> int:
    """Return where the parenthesis that is open at `start` closes."""
    depth = 1
    for found in _PARENTHESIS.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if not depth:
            return found.start()
    return len(text)


_FOR_EACH = re.compile(r"\bfor\s+each\s*\(")
_LOOP = re.compile(r"\s*(?P<name>(?:(?:var|let|const)\s+)?[\w$]+)\s+in\s+(?P<values>.+)", re.DOTALL)
_PARENTHESIS = re.compile(r"""[()]|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""")


def _runtime() -> Any:
    return _engine.Runtime(memory_limit=MEMORY_BYTES, max_stack_size=STACK_BYTES)


@cache
def _object_model() -> str:
    return files(__name__.rpartition(".")[0]).joinpath("object_model.js").read_text(encoding="utf-8")


def _described(error: Any, starts: Sequence[tuple[int, Script]]) -> str:
    """Return `Name: message (file:line)`, the message in Rhino's words where they are known."""
    message = str(error.message or "").partition("\n")[0]
    for pattern, wording in _RHINO:
        message = pattern.sub(wording, message)
    text = f"{error.name}: {message}" if error.name else message
    return f"{text} ({_place(str(error.stack or error), starts)})"


def _place(stack: str, starts: Sequence[tuple[int, Script]]) -> str:
    if not starts:
        return "unknown"
    for found in _FRAME.finditer(stack):
        line = int(found[1])
        for start, script in reversed(starts):
            if line >= start:
                return f"{script.name}:{line - start + 1}"
    return starts[-1][1].name


_RHINO = (
    (re.compile(r"^'?([\w$]+)'? is not defined$"), r'"\1" is not defined.'),
    (re.compile(r"^cannot (read|set) property '([^']*)' of (undefined|null)$"), r'Cannot \1 property "\2" from \3'),
    (re.compile(r"^[Uu]nexpected token:? '?([^']*)'?.*$"), r"Unexpected token: \1"),
)

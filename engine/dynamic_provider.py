"""The launcher of dynamic providers: `python -m engine.dynamic_provider [FLAGS] ENGINE_ADDRESS`.

The engine starts it as `pulumi-resource-pulumi-python` in the program's folder, with the runtime options of
Pulumi.yaml in PULUMI_RUNTIME_VIRTUALENV and PULUMI_RUNTIME_TOOLCHAIN. It becomes (exec) the SDK's own provider,
`pulumi.dynamic`, in the Python that runs the program, so that both see the same modules.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.host.interpreter import InterpreterError, Options, resolve


def main() -> None:
    """Replace this process by `pulumi.dynamic`, passing the arguments on."""
    options = Options(
        virtualenv=os.environ.get("PULUMI_RUNTIME_VIRTUALENV", ""),
        toolchain=os.environ.get("PULUMI_RUNTIME_TOOLCHAIN", ""),
    )
    try:
        interpreter = resolve(Path.cwd(), options, os.environ)
    except InterpreterError as problem:
        sys.exit(f"cannot run the dynamic provider: {problem}")
    python = str(interpreter.python)
    environment = interpreter.environment(os.environ)
    os.execve(python, [python, "-u", "-m", "pulumi.dynamic", *sys.argv[1:]], environment)  # noqa: S606


if __name__ == "__main__":
    main()

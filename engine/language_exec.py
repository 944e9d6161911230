"""Executes one Pulumi program: `python language_exec.py --monitor A --engine E ... PROGRAM [ARGS]`.

Started by the language host with the *project's* Python, which need not have this package installed: only the
standard library and the Pulumi SDK are used. Exit status: 0 done; 32 failed, and the user has been told why;
1 failed.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import logging
import os
import runpy
import sys
import traceback
from pathlib import Path

TOLD_THE_USER = 32
_THREADS_PER_OPERATION = 4  # the SDK keeps about this many calls in flight for every resource operation


def main() -> int:
    """Run the program named on the command line; returns the exit status."""
    arguments = _arguments()
    try:
        import pulumi
        import pulumi.runtime
    except ImportError:
        traceback.print_exc()
        print(
            f"The Pulumi SDK is not installed for {sys.executable}: install the project's dependencies"
            " (`pulumi install`), or name their virtual environment with `runtime.options.virtualenv` in Pulumi.yaml.",
            file=sys.stderr,
        )
        return 1
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=arguments.monitor,
            engine=arguments.engine,
            project=arguments.project,
            stack=arguments.stack,
            parallel=int(arguments.parallel),
            dry_run=arguments.dry_run == "true",
            organization=arguments.organization,
            root_directory=arguments.root_directory,
        )
    )
    if arguments.pwd:
        os.chdir(arguments.pwd)
    sys.argv = [arguments.PROGRAM, *arguments.ARGS]
    program = Path(arguments.PROGRAM)
    if program.is_dir() and not (program / "__main__.py").is_file():
        pulumi.log.error(f"there is no program in {program.resolve()}: it has no __main__.py")
        return TOLD_THE_USER
    return _run(arguments.PROGRAM, int(arguments.parallel))


def _run(program: str, parallel: int) -> int:
    import pulumi
    import pulumi.runtime

    # A program that fails leaves futures unobserved; asyncio's complaints about those would bury the real error.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    threads = concurrent.futures.ThreadPoolExecutor(max_workers=_THREADS_PER_OPERATION * max(parallel, 1))
    loop.set_default_executor(threads)

    def execute() -> None:
        runpy.run_path(program, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(execute))
    except pulumi.RunError as problem:
        pulumi.log.error(str(problem))
        return TOLD_THE_USER
    except Exception as problem:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_own_traceback(problem, program)}")
        return TOLD_THE_USER
    else:
        return 0
    finally:
        threads.shutdown(wait=True)
        loop.close()


def _own_traceback(problem: BaseException, program: str) -> str:
    """The traceback from the program's first own frame on; all of it when the failure was elsewhere."""
    where = Path(program).resolve()
    main_file = where / "__main__.py" if where.is_dir() else where
    frames = traceback.extract_tb(problem.__traceback__)
    first = next((index for index, frame in enumerate(frames) if Path(frame.filename).resolve() == main_file), 0)
    return "".join(traceback.format_exception(type(problem), problem, problem.__traceback__, limit=first - len(frames)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Execute a Pulumi program.")
    for name in ("project", "root_directory", "stack", "parallel", "dry_run", "pwd", "monitor", "engine", "tracing"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--organization")
    parser.add_argument("PROGRAM")
    parser.add_argument("ARGS", nargs=argparse.REMAINDER)
    return parser.parse_args()


if __name__ == "__main__":
    # Run as a file, this file's folder leads the import path and would shadow the program's own modules.
    sys.path.pop(0)
    try:
        status = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(status)

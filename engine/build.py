"""Building the Pulumi CLI from its Go module (`engine/cli/go.mod`), once for every machine, into the cache.

The Go modules come through the machine's own Go settings (GOPROXY and so on) and are checked against the go.sum
that is kept here. Needs no C compiler.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.layout import ENGINE_VERSION, cached_cli
from engine.official import MINIMUM_CLI, cli_version

MINIMUM_GO = (1, 25)
MODULE = Path(__file__).parent / "cli"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_REPORT_SECONDS = 5.0
_TAIL_LINES = 20

Say = Callable[[str], None]


class BuildError(Exception):
    """There is no engine, and none can be built; the text says what to do about it."""


def ensure_built(environment: Mapping[str, str], say: Say) -> Path:
    """The CLI in the cache, built now if it is not there; progress goes to `say`, a line every few seconds.

    Two runs at once do not disturb each other: the second waits for the first and uses what it built.

    Raises:
        BuildError: no Go, a Go too old, or the build failed.
    """
    binary = cached_cli(environment)
    if _is_good(binary, environment):
        return binary
    go = find_go(environment)
    binary.parent.mkdir(parents=True, exist_ok=True)
    with _alone(binary.parent / "lock", say):
        if not _is_good(binary, environment):
            _build(go, binary, environment, say)
    return binary


def find_go(environment: Mapping[str, str]) -> Path:
    """A Go new enough to build the engine.

    Raises:
        BuildError: there is none; names both ways out.
    """
    found = shutil.which("go", path=environment.get("PATH") or os.devnull)
    version = _go_version(found, environment) if found else ""
    match = re.match(r"go(\d+)\.(\d+)", version)
    if found and match and (int(match[1]), int(match[2])) >= MINIMUM_GO:
        return Path(found)
    have = f"the Go found ({found}, {version or 'version unknown'}) is too old" if found else "there is no Go either"
    minimum = ".".join(str(part) for part in MINIMUM_CLI)
    raise BuildError(
        f"no Pulumi CLI of {minimum} or newer on PATH, and {have} to build one.\n"
        f"Do one of these, then run this again:\n"
        f"  - install the Pulumi CLI, {minimum} or newer: https://www.pulumi.com/docs/install/\n"
        f"  - install Go, {MINIMUM_GO[0]}.{MINIMUM_GO[1]} or newer: https://go.dev/dl/"
    )


def _go_version(go: str, environment: Mapping[str, str]) -> str:
    asked = subprocess.run(  # noqa: S603 - asking the Go that is to be used
        [go, "env", "GOVERSION"], env=dict(environment), cwd="/", capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def _build(go: Path, binary: Path, environment: Mapping[str, str], say: Say) -> None:
    handle, name = tempfile.mkstemp(dir=binary.parent, prefix="building-")
    os.close(handle)
    temporary = Path(name)
    try:
        _compile(go, temporary, environment, say)
        built = cli_version(temporary, environment)
        if built != ENGINE_VERSION:
            raise BuildError(f"the engine was built and says it is {built or 'nothing'}, not {ENGINE_VERSION}")
        temporary.replace(binary)
    finally:
        temporary.unlink(missing_ok=True)


def _compile(go: Path, output: Path, environment: Mapping[str, str], say: Say) -> None:
    say(f"building the Pulumi CLI {ENGINE_VERSION} from its Go module (once; some minutes)")
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - building is the purpose
        [
            *(str(go), "build", "-v", "-mod=readonly", "-trimpath"),
            *("-ldflags", f"-s -w -X {_VERSION_VARIABLE}=v{ENGINE_VERSION}"),
            *("-o", str(output), PACKAGE),
        ],
        cwd=MODULE,
        # A workspace or flags of the user's own must not change what is built.
        env={**environment, "GOWORK": "off", "GOFLAGS": ""},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = _follow(process, started, say)
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status != 0:
        raise BuildError("building the Pulumi CLI failed:\n" + "\n".join(lines[-_TAIL_LINES:]))
    say(f"built in {time.monotonic() - started:.0f} s")


def _follow(process: subprocess.Popen[str], started: float, say: Say) -> list[str]:
    """Everything `process` says on standard error, reporting where it is every few seconds."""
    lines: list[str] = []

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while reader.is_alive():
        reader.join(_REPORT_SECONDS)
        if reader.is_alive():
            say(f"{time.monotonic() - started:4.0f} s  {_doing(lines)}")
    return lines


def _doing(lines: list[str]) -> str:
    if not lines:
        return "reading the Go modules, or linking what was compiled before"
    last = lines[-1]
    if last.startswith("go: "):
        return last.removeprefix("go: ")
    compiled = sum(1 for line in lines if not line.startswith("go: "))
    return f"{compiled} packages compiled, now {last}"


def _is_good(binary: Path, environment: Mapping[str, str]) -> bool:
    return binary.is_file() and cli_version(binary, environment) == ENGINE_VERSION


@contextmanager
def _alone(path: Path, say: Say) -> Generator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is building the engine; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield

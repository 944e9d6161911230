"""Starts and stops the sandbox's process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from portcullis.cli.errors import CommandError
from portcullis.cli.project import Project
from portcullis.cli.sandbox_client import SandboxClient, connect_if_running, endpoints
from portcullis.sandbox.cloudflare.edge import find_workerd
from portcullis.sandbox.loopback import bind

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20
POLL_SECONDS = 0.05

_ENDPOINTS = {"cloudflare_api": "cloudflare:baseUrl", "apigee_api": "gcp:apigeeCustomEndpoint"}


def start(project: Project) -> tuple[SandboxClient, list[str]]:
    """Start the sandbox, or find it running; return it and what the user should know.

    Raises `CommandError` where it does not come up, with the end of its log.
    """
    running = connect_if_running(project)
    if running is not None:
        return running, name_running(project.stack_file, running.status())
    notes = choose_ports(project.stack_file)
    while (client := _when_ready(project, _spawn(project))) is None:
        # Another program, such as a sandbox started at the same moment, may have taken a port since we looked.
        taken = choose_ports(project.stack_file)
        if not taken:
            raise CommandError(f"the sandbox did not start:\n{_tail(project.sandbox_dir)}")
        notes += taken
    return client, notes


def stop(project: Project) -> bool:
    """Stop the sandbox and wait until it is gone; tell whether it was running."""
    client = connect_if_running(project)
    found = endpoints(project.sandbox_dir)
    if client is None or found is None:
        return False
    client.call("POST", "/shutdown")
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if not _holds_lock(project.sandbox_dir):
            return True
        time.sleep(POLL_SECONDS)
    # The pid is this project's own sandbox: it answered with its token a moment ago.
    os.kill(found["pid"], signal.SIGKILL)
    return True


def choose_ports(stack_file: Path) -> list[str]:
    """Write other ports into the stack's settings where those in it are taken; return a note for each.

    Only the two APIs that a stack names need a port that is known beforehand.
    """
    chosen: dict[str, int] = {}
    with contextlib.ExitStack() as held:  # each until all are chosen, so that no two are the same
        for key in _ENDPOINTS.values():
            if not _is_free(_port(stack_file.read_text(encoding="utf-8"), key)):
                chosen[key] = held.enter_context(bind()).getsockname()[1]
    return _name(stack_file, chosen, "is taken")


def name_running(stack_file: Path, status: Mapping[str, Any]) -> list[str]:
    """Make the stack's settings name the running sandbox, should they name another; return a note for each change.

    The file is in version control, so a checkout of another revision may have put the first ports back.
    """
    ports = {key: int(urlsplit(str(status[name])).port or 0) for name, key in _ENDPOINTS.items()}
    return _name(stack_file, ports, "is not the running sandbox's")


def _name(stack_file: Path, ports: Mapping[str, int], why: str) -> list[str]:
    text = stack_file.read_text(encoding="utf-8")
    notes: list[str] = []
    for key, port in ports.items():
        before = _port(text, key)
        if before != port:
            text = re.sub(rf"({re.escape(key)}: http://127\.0\.0\.1:)\d+", rf"\g<1>{port}", text)
            notes.append(f"port {before} {why}: {key} in {stack_file.name} now names {port}")
    if notes:
        stack_file.write_text(text, encoding="utf-8")
    return notes


def _port(text: str, key: str) -> int:
    found = re.search(rf"{re.escape(key)}: http://127\.0\.0\.1:(\d+)", text)
    if found is None:
        raise CommandError(f"Pulumi.local.yaml does not say where {key} is; write `{key}: http://127.0.0.1:PORT/...`")
    return int(found[1])


def _is_free(port: int) -> bool:
    try:
        bind(port).close()
    except OSError:
        return False
    return True


def _when_ready(project: Project, process: subprocess.Popen[bytes]) -> SandboxClient | None:
    """Wait until the process serves; return None where it ended instead."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        found = endpoints(project.sandbox_dir)
        if found is not None and found["pid"] == process.pid:
            return SandboxClient(found["urls"]["admin"], found["token"])
        if process.poll() is not None:
            return None
        time.sleep(POLL_SECONDS)
    process.terminate()
    raise CommandError(f"the sandbox was not ready in {START_TIMEOUT_SECONDS} s:\n{_tail(project.sandbox_dir)}")


def _spawn(project: Project) -> subprocess.Popen[bytes]:
    log = project.sandbox_dir / "logs" / "sandbox.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    (project.sandbox_dir / "endpoints.json").unlink(missing_ok=True)
    text = project.stack_file.read_text(encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "portcullis.sandbox",
        f"--state-dir={project.sandbox_dir}",
        f"--workerd={_workerd(project)}",
        f"--cloudflare-api-port={_port(text, _ENDPOINTS['cloudflare_api'])}",
        f"--apigee-api-port={_port(text, _ENDPOINTS['apigee_api'])}",
    ]
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own module
            command, cwd=project.root, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def _workerd(project: Project) -> Path:
    try:
        return find_workerd(project.root)
    except FileNotFoundError as problem:
        raise CommandError(str(problem)) from None


def _holds_lock(sandbox_dir: Path) -> bool:
    """Tell whether a sandbox process lives: it holds the lock until it is gone, however it goes."""
    with (sandbox_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _tail(sandbox_dir: Path) -> str:
    log = sandbox_dir / "logs" / "sandbox.log"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])

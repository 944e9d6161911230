"""A provisioned sandbox under load: callers who never stop, updates that are killed, and what must not be readable."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import httpx

from tests.e2e.checkout import Checkout

_TIMEOUT_SECONDS: Final = 60
_DONE: Final = re.compile(r" (created|updated|deleted|created replacement|deleted original) \(")
_OPERATION: Final = "GET /orders"


class Callers:
    """Sends one request after the other, from several threads, and counts the answers by status."""

    def __init__(self, gateway: str, token: str, threads: int = 2, pause_seconds: float = 0.02) -> None:
        """Send with `token` to the sandbox's `gateway`; each thread waits `pause_seconds` after each answer."""
        self.statuses: Counter[str] = Counter()
        self._gateway, self._token, self._pause = gateway, token, pause_seconds
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    @contextlib.contextmanager
    def calling(self) -> Generator[Callers]:
        """Keep calling until the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    @property
    def requests(self) -> int:
        """How many answers came, or did not come."""
        with self._lock:
            return sum(self.statuses.values())

    @property
    def rejected(self) -> int:
        """How many were anything but 200."""
        with self._lock:
            return sum(count for status, count in self.statuses.items() if status != "200")

    def _run(self) -> None:
        method, path = _OPERATION.split(" ")
        with httpx.Client(trust_env=False, timeout=_TIMEOUT_SECONDS) as client:
            while not self._stop.is_set():
                headers = {"Authorization": f"Bearer {self._token}"}
                try:
                    status = str(client.request(method, self._gateway + path, headers=headers).status_code)
                except httpx.HTTPError as problem:
                    status = type(problem).__name__
                with self._lock:
                    self.statuses[status] += 1
                self._stop.wait(self._pause)


class Stack:
    """The sandbox's stack, moved on by the real commands; everything they printed is kept to be searched."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self.printed: list[str] = []
        self.private: set[str] = set()
        status = checkout.portcullis("sandbox", "status")
        self.gateway, self.apigee_api = str(status["gateway"]), str(status["apigee_api"])

    def generation(self) -> int:
        """The generation of the ring in the Worker that answers."""
        answer = httpx.get(f"{self.gateway}/.well-known/portcullis/live", trust_env=False, timeout=_TIMEOUT_SECONDS)
        return int(answer.json()["ring_seq"])

    def pulumi(self, *arguments: str) -> int:
        """Run `pulumi` on the stack; return its exit code."""
        return self._kept(self.checkout.pulumi(*arguments, check=False))

    def up(self) -> int:
        """Update the stack; return the exit code."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def portcullis(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run `portcullis ... --json`; return its exit code and document."""
        command = str(self.checkout.root / ".venv/bin/portcullis")
        done = self.checkout.run(command, *arguments, "--json", check=False)
        self._kept(done)
        return done.returncode, json.loads(done.stdout or "{}")

    def rotate(self) -> str:
        """Run the scheduled rotation; return its outcome."""
        return str(self.portcullis("rotate")[1].get("outcome", "no outcome"))

    def advance(self, duration: str) -> None:
        """Move the clock of the rotation step."""
        self.checkout.portcullis("clock", "advance", duration)

    def kill_update(self, after: int) -> bool:
        """Start an update and kill the engine (SIGKILL) as it reports its `after`-th finished resource.

        Return whether it was killed; the lock that it leaves behind is taken away, as an operator would.
        """
        command = ["pulumi", "up", "--yes", "--skip-preview", "--stack", "local", "--non-interactive"]
        process = subprocess.Popen(
            command,
            cwd=self.checkout.root,
            env=self.checkout.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        finished, killed = 0, False
        for line in process.stdout:
            self.printed.append(line)
            finished += bool(_DONE.search(line))
            if finished == after and not killed:
                os.killpg(process.pid, signal.SIGKILL)
                killed = True
        process.wait()
        self.pulumi("cancel", "--yes")
        return killed

    def learn_private_values(self) -> None:
        """Remember every private value that exists now: keys of the state, and what both clouds were given."""
        # The only reading of secrets in the clear, to search for them everywhere else; it is not kept in `printed`.
        state = json.loads(self.checkout.pulumi("stack", "export", "--show-secrets").stdout)
        for resource in state["deployment"]["resources"]:
            for name in ("private_jwk", "value", "consumerSecret"):
                self.private |= _secret_texts(resource["type"], name, resource.get("outputs", {}))
        with sqlite3.connect(f"file:{self.checkout.database}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT body FROM documents WHERE collection = 'cf.versions'").fetchall()
        for binding in (b for (body,) in rows for b in json.loads(body)["bindings"] if b["type"] == "secret_text"):
            if binding["name"] == "RING":
                self.private.add(json.loads(binding["text"])["signing"]["d"])

    def leaks(self, token: str) -> list[str]:
        """Name every place that shows a private value or the caller's token, whole or its signature."""
        logs = self.checkout.root / ".portcullis" / "sandbox" / "logs"
        places = {
            "the exported state": self.checkout.exported_state(),
            "what the commands printed": "".join(self.printed),
            **{f"logs/{path.name}": path.read_text(encoding="utf-8", errors="replace") for path in logs.iterdir()},
        }
        wanted = [*self.private, token.rpartition(".")[2]]
        return [place for place, text in places.items() if any(value in text for value in wanted)]

    def _kept(self, done: subprocess.CompletedProcess[str]) -> int:
        self.printed += [done.stdout, done.stderr]
        return done.returncode


def _secret_texts(kind: str, name: str, outputs: dict[str, Any]) -> set[str]:
    value = outputs.get(name)
    plain = value.get("plaintext") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(plain, str):
        return set()
    text = json.loads(plain)
    return {str(json.loads(text)["d"])} if kind.endswith(":SigningKey") else {str(text)}


def wait_until(condition: Any, seconds: float = 60) -> None:
    """Wait until the condition holds; raises `TimeoutError`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come to hold")
        time.sleep(0.05)


def loosen_limits(root: Path) -> None:
    """Let the load through: no quota and no burst limit of the contract is what is measured here."""
    limits = "{quota: {requests: 100000000, per: minute}, burst: {requests: 100000, per: second}}"
    (root / "gateway.local.yaml").write_text(f"products: {{orders: {limits}}}\n", encoding="utf-8")

"""Talks to a running sandbox through its admin API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from portcullis.cli.errors import CommandError
from portcullis.cli.project import Project

TIMEOUT_SECONDS = 30


class SandboxClient:
    """A running sandbox."""

    def __init__(self, admin_url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=admin_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def call(self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> dict[str, Any]:
        """Return the admin API's answer; raises `CommandError` with its message where it refuses."""
        try:
            answer = self._http.request(method, path, json=body, params=query)
        except httpx.HTTPError as problem:
            raise CommandError(f"the sandbox does not answer ({type(problem).__name__}); its log is in logs/") from None
        document = answer.json()
        if answer.is_error:
            raise CommandError(f"the sandbox refused: {document.get('error', answer.status_code)}")
        return document

    def status(self) -> dict[str, Any]:
        """Return where everything listens."""
        return self.call("GET", "/status")


def connect(project: Project) -> SandboxClient:
    """Return the running sandbox of the project; raises `CommandError` where it is not running."""
    client = connect_if_running(project)
    if client is None:
        raise CommandError("the sandbox is not running: run `portcullis sandbox start`, or `make up` for all of it")
    return client


def connect_if_running(project: Project) -> SandboxClient | None:
    """Return the running sandbox of the project, or `None`."""
    found = endpoints(project.sandbox_dir)
    if found is None:
        return None
    client = SandboxClient(found["urls"]["admin"], found["token"])
    try:
        client.status()
    except CommandError:
        return None
    return client


def endpoints(sandbox_dir: Path) -> dict[str, Any] | None:
    """Return what a sandbox wrote of itself when it was ready: its pid, token and URLs."""
    try:
        return json.loads((sandbox_dir / "endpoints.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

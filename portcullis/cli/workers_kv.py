"""One key of a stack's KV namespace, through Cloudflare's API."""

from __future__ import annotations

import json
import os
from typing import Any, Final
from urllib.parse import quote

import httpx

from portcullis.cli.errors import CommandError
from portcullis.cli.project import Project
from portcullis.cli.stack import run_pulumi, stack_state

ENDPOINT: Final = "https://api.cloudflare.com/client/v4"
TIMEOUT_SECONDS: Final = 30
_NAMESPACE_TYPE: Final = "cloudflare:index/workersKvNamespace:WorkersKvNamespace"


class WorkersKv:
    """The KV namespace that a Worker is bound to."""

    def __init__(self, base_url: str, token: str, account: str, namespace: str) -> None:
        """Speak for `account` by an API token that may edit Workers KV."""
        self._values = f"/accounts/{account}/storage/kv/namespaces/{namespace}/values"
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
        )

    def read(self, key: str) -> str | None:
        """Return the value, or None where there is none; raises `CommandError`."""
        answer = self._call("GET", key)
        return None if answer.status_code == 404 else _checked(answer).text

    def write(self, key: str, value: str) -> None:
        """Set the value, without an end; raises `CommandError`."""
        _checked(self._call("PUT", key, content=value.encode()))

    def _call(self, method: str, key: str, content: bytes | None = None) -> httpx.Response:
        headers = {} if content is None else {"Content-Type": "text/plain; charset=utf-8"}
        try:
            return self._http.request(method, f"{self._values}/{quote(key, safe='')}", content=content, headers=headers)
        except httpx.HTTPError as problem:
            raise CommandError(f"Cloudflare's API does not answer ({type(problem).__name__})") from None


def stack_kv(project: Project, stack: str) -> WorkersKv:
    """Return the namespace of a stack's Worker; raises `CommandError` where there is none, or no API token.

    Endpoint and token are those that the stack's provider uses: the configuration, else the environment.
    """
    resources: list[dict[str, Any]] = stack_state(project, stack).get("deployment", {}).get("resources") or []
    namespace = next((resource for resource in resources if resource["type"] == _NAMESPACE_TYPE), None)
    if namespace is None:
        raise CommandError(f"the stack {stack} has no gateway yet: run `pulumi up --stack {stack}`")
    config = _config(project, stack)
    token = config.get("cloudflare:apiToken") or os.environ.get("CLOUDFLARE_API_TOKEN")
    if not token:
        raise CommandError("no Cloudflare API token: set CLOUDFLARE_API_TOKEN to one that may edit Workers KV")
    base_url = config.get("cloudflare:baseUrl") or os.environ.get("CLOUDFLARE_BASE_URL") or ENDPOINT
    return WorkersKv(base_url, token, namespace["outputs"]["accountId"], namespace["id"])


def _config(project: Project, stack: str) -> dict[str, str]:
    asked = run_pulumi(project, "config", "--json", "--show-secrets", stack=stack)
    if asked.returncode != 0:
        raise CommandError(f"the configuration of the stack {stack} cannot be read: {asked.stderr.strip()}")
    return {name: setting["value"] for name, setting in json.loads(asked.stdout).items() if "value" in setting}


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise CommandError(f"Cloudflare's API refused with {answer.status_code}: {_messages(answer)}")
    return answer


def _messages(answer: httpx.Response) -> str:
    try:
        return "; ".join(f"{error['code']} {error['message']}" for error in answer.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase

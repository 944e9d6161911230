"""A client of the emulated API in this process, and the smallest Worker."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from portcullis.sandbox.cloudflare.api import create_app
from portcullis.sandbox.store import Store

ACCOUNT = "5a4d0b0c" * 4
OTHER_ACCOUNT = "0c0b4d5a" * 4
ZONE = "20e20e20" * 4
TOKEN = "sandbox-token-of-the-providers-shape-0123456789"
ES_MODULE = "application/javascript+module"
START = 1_780_000_000.0


class Edge:
    """Stands where the edge runtime is told of changes: counts them, and can refuse one."""

    def __init__(self) -> None:
        self.changes = 0
        self.refusal: Exception | None = None

    async def __call__(self) -> None:
        self.changes += 1
        if self.refusal is not None:
            raise self.refusal


class Clock:
    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds


class Api:
    """Calls of one account and zone; paths are relative to /client/v4/, `A` and `Z` stand for account and zone."""

    def __init__(self, store: Store | None = None, edge: Callable[[], Awaitable[None]] | None = None) -> None:
        self.store = store or Store()
        self.clock = Clock()
        app = create_app(self.store, edge or Edge(), self.clock)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://api.test",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        if body is not None:
            more["json"] = body
        return await self.client.request(method, f"/client/v4/{self.path(path)}", **more)

    async def do(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Return the result of a call that must succeed."""
        answer = await self.send(method, path, body, **more)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert document["success"] is True
        assert document["errors"] == []
        return document["result"]

    async def refused(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, int, str]:
        """Return status, code and message of a call that must be refused."""
        answer = await self.send(method, path, body, **more)
        document = answer.json()
        assert document["success"] is False, answer.text
        assert document["result"] is None
        # The official SDK would try again for minutes.
        assert answer.headers["x-should-retry"] == "false"
        return answer.status_code, document["errors"][0]["code"], document["errors"][0]["message"]

    @staticmethod
    def path(path: str) -> str:
        head, slash, rest = path.partition("/")
        heads = {"A": f"accounts/{ACCOUNT}", "B": f"accounts/{OTHER_ACCOUNT}", "Z": f"zones/{ZONE}"}
        return heads.get(head, head) + slash + rest

    async def worker(self, name: str = "store", **changes: Any) -> str:
        """Make a Worker; returns its id."""
        return (await self.do("POST", "A/workers/workers", {"name": name, **changes}))["id"]

    async def version(self, worker: str, **changes: Any) -> str:
        """Make a version of a Worker; returns its id."""
        return (await self.do("POST", f"A/workers/workers/{worker}/versions", upload(**changes)))["id"]

    async def deploy(self, name: str, *shares: tuple[str, float]) -> str:
        """Deploy versions; returns the deployment's id."""
        versions = [{"version_id": version, "percentage": share} for version, share in shares]
        body = {"strategy": "percentage", "versions": versions}
        return (await self.do("POST", f"A/workers/scripts/{name}/deployments", body))["id"]


def module(name: str = "index.js", text: str = "export default { fetch() {} }", kind: str = ES_MODULE) -> Any:
    return {"name": name, "content_type": kind, "content_base64": base64.b64encode(text.encode()).decode()}


def upload(**changes: Any) -> Any:
    return {"main_module": "index.js", "modules": [module()], **changes}

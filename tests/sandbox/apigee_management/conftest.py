"""The emulated API with an organization in it, spoken to over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from portcullis.sandbox.apigee.management import create_app
from portcullis.sandbox.clock import MovableClock
from portcullis.sandbox.store import Store

ORG = "organizations/acme"
ENV = f"{ORG}/environments/prod"
HEADERS = {"Authorization": "Bearer any", "Content-Type": "application/json"}


@dataclass
class Api:
    """A client of the API, and what is behind it."""

    client: httpx.AsyncClient
    store: Store
    clock: MovableClock
    problems: list[str] = field(default_factory=list)
    changes: int = 0

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.request(method, f"/v1/{path}", content=content, headers=headers or HEADERS)

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.send(method, path, body, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def error(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        answer = await self.send(method, path, body, **options)
        assert answer.status_code >= 400
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        return error

    async def upload(self, name: str, bundle: bytes, action: str = "import", org: str = ORG) -> httpx.Response:
        headers = {**HEADERS, "Content-Type": "application/octet-stream"}
        return await self.send("POST", f"{org}/apis?name={name}&action={action}", bundle, headers=headers)


@pytest.fixture
async def empty() -> AsyncGenerator[Api]:
    """The API as it is before anything is made."""
    store, clock, problems = Store(), MovableClock(1_780_000_000), list[str]()

    async def on_change() -> None:
        found.changes += 1

    app = create_app(store, lambda _bundle: list(problems), on_change, clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://apigee.example") as client:
        found = Api(client, store, clock, problems)
        yield found


@pytest.fixture
async def api(empty: Api) -> Api:
    """The API with organization acme, instance west, environment prod and its group public."""
    await empty.ok("POST", "organizations?parent=projects/acme", {"name": "acme", "disableVpcPeering": True})
    await empty.ok("POST", f"{ORG}/instances", {"name": "west", "location": "europe-west1"})
    await empty.ok("POST", f"{ORG}/environments", {"name": "prod"})
    await empty.ok("POST", f"{ORG}/envgroups", {"name": "public", "hostnames": ["api.acme.example"]})
    await empty.ok("POST", f"{ORG}/envgroups/public/attachments", {"environment": "prod"})
    await empty.ok("POST", f"{ORG}/instances/west/attachments", {"environment": "prod"})
    return empty


@pytest.fixture
async def shop(api: Api) -> Api:
    """The API with target server, key value map, product, developer and app, too."""
    await api.ok("POST", f"{ENV}/targetservers", {"name": "orders", "host": "orders.example", "port": 443})
    await api.ok("POST", f"{ENV}/keyvaluemaps", {"name": "keys"})
    await api.ok("POST", f"{ENV}/keyvaluemaps/keys/entries", {"name": "jwk.1", "value": "{}"})
    await api.ok("POST", f"{ORG}/apiproducts", {"name": "orders", "displayName": "Orders", "approvalType": "auto"})
    await api.ok("POST", f"{ORG}/apiproducts", {"name": "secret", "displayName": "Secret", "approvalType": "manual"})
    developer = {"email": "a@b.example", "firstName": "A", "lastName": "B", "userName": "a"}
    await api.ok("POST", f"{ORG}/developers", developer)
    await api.ok("POST", f"{ORG}/developers/a@b.example/apps", {"name": "web", "apiProducts": ["orders"]})
    return api

"""What the API refuses, and that a refusal changes nothing."""

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from portcullis.sandbox.cloudflare.edge import EdgeRejected
from tests.sandbox.cloudflare_api.client import ES_MODULE, TOKEN, Api, Edge, upload

REFUSED = YAML(typ="safe").load(Path(__file__).parent / "refused.yaml")


@pytest.mark.parametrize("row", REFUSED, ids=[row["title"] for row in REFUSED])
async def test_an_input_is_refused(api: Api, edge: Edge, row: dict[str, Any]) -> None:
    names = await _furnish(api)
    before, changes = _everything(api), edge.changes
    status, code, words = row["answer"]
    refused = await _refused(api, row, names)
    assert refused[:2] == (status, code), refused[2]
    assert words in refused[2]
    assert _everything(api) == before
    assert edge.changes == changes


async def _refused(api: Api, row: dict[str, Any], names: dict[str, str]) -> tuple[int, int, str]:
    def filled(text: str) -> str:
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    if "upload" in row:
        return await api.refused("POST", "A/workers/workers/store/versions", upload(**row["upload"]))
    if "form" in row:
        types = {"index.js": ES_MODULE, "script": "application/javascript"}
        files = {name: (name, text, types.get(name, "application/json")) for name, text in row["form"].items()}
        return await api.refused("PUT", "A/workers/scripts/new", files=files)
    method, path = filled(row["call"]).split(" ", 1)
    if "content" in row:
        return await api.refused(method, path, content=row["content"])
    body = [{"cron": "0 0 * * *"}] * row["crons"] if "crons" in row else row.get("body")
    return await api.refused(method, path, None if body is None else json.loads(filled(json.dumps(body))))


async def _furnish(api: Api) -> dict[str, str]:
    namespace = (await api.do("POST", "A/storage/kv/namespaces", {"title": "taken"}))["id"]
    worker = await api.worker()
    version = await api.version(worker)
    await api.deploy("store", (version, 100))
    await api.do("POST", "Z/workers/routes", {"pattern": "taken.acme.example/*", "script": "store"})
    await api.do("POST", "Z/dns_records", {"type": "A", "name": "taken.acme.example", "content": "192.0.2.1"})
    return {"namespace": namespace, "worker": worker, "version": version}


def _everything(api: Api) -> Any:
    names = [
        "workers",
        "versions",
        "deployments",
        "schedules",
        "routes",
        "domains",
        "kv_namespaces",
        "kv_meta",
        "dns_records",
    ]
    return {name: api.store.items(f"cf.{name}") for name in names}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, 401),
        ({"Authorization": "Bearer short"}, 403),
        ({"Authorization": f"Bearer {TOKEN}{TOKEN}"}, 403),
        ({"Authorization": f"Bearer {TOKEN[:-1]}!"}, 403),
        ({"X-Auth-Key": "k" * 37}, 401),
        ({"X-Auth-Key": "k" * 36, "X-Auth-Email": "operator@acme.example"}, 401),
    ],
)
async def test_a_call_without_a_token_of_the_right_shape_is_refused(
    api: Api, headers: dict[str, str], status: int
) -> None:
    transport = api.client._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as stranger:
        answer = await stranger.get("/client/v4/user/tokens/verify", headers=headers)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["code"] == 10000
    assert "k" * 36 not in answer.text
    assert TOKEN[:-1] not in answer.text


@pytest.mark.parametrize("headers", [{}, {"X-Auth-Key": "k" * 37, "X-Auth-Email": "a@acme.example"}])
async def test_a_token_or_a_key_is_accepted(api: Api, headers: dict[str, str]) -> None:
    assert (await api.do("GET", "user/tokens/verify", headers=headers))["status"] == "active"


async def test_what_the_edge_cannot_run_is_refused_and_taken_back(api: Api, edge: Edge) -> None:
    await _furnish(api)
    broken = await api.version("store")
    before = _everything(api)
    edge.refusal = EdgeRejected("Uncaught SyntaxError at index.js:1")
    body = {"strategy": "percentage", "versions": [{"version_id": broken, "percentage": 100}]}
    status, code, message = await api.refused("POST", "A/workers/scripts/store/deployments", body)
    assert (status, code, message) == (400, 10021, "Uncaught SyntaxError at index.js:1")
    assert _everything(api) == before
    edge.refusal = None
    await api.do("POST", "A/workers/scripts/store/deployments", body)


async def test_a_deletion_that_fails_is_taken_back_in_order(api: Api, edge: Edge) -> None:
    await _furnish(api)
    versions = [await api.version("store") for _ in range(3)]
    for version in versions:
        await api.deploy("store", (version, 100))
    before = _everything(api)
    edge.refusal = EdgeRejected("no")
    await api.refused("DELETE", "A/workers/workers/store")
    assert _everything(api) == before


async def test_an_error_of_the_edge_itself_says_nothing_of_it_and_is_taken_back(
    api: Api, edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    await _furnish(api)
    before = _everything(api)
    edge.refusal = RuntimeError("a secret detail")
    with caplog.at_level(logging.ERROR):
        status, code, message = await api.refused("DELETE", "A/workers/workers/store")
    assert (status, code) == (500, 10013)
    assert "a secret detail" not in message
    assert "a secret detail" in caplog.text
    assert _everything(api) == before


@pytest.mark.parametrize("size", [5 * 1024, 5 * 1024 + 1])
@pytest.mark.parametrize("kind", ["plain_text", "secret_text"])
async def test_a_text_binding_has_5_kb_at_most(api: Api, kind: str, size: int) -> None:
    await _furnish(api)
    body = upload(bindings=[{"name": "A", "type": kind, "text": "x" * size}])
    answer = await api.send("POST", "A/workers/workers/store/versions", body)
    assert (answer.status_code == 200) is (size <= 5 * 1024), answer.text


async def test_a_body_over_the_endpoints_limit_is_refused(api: Api) -> None:
    status, code, message = await api.refused("POST", "A/workers/workers", content=b" " * (1024 * 1024 + 1))
    assert (status, code) == (413, 10027)
    assert "1048576 bytes" in message


async def test_a_path_outside_the_api_is_not_emulated(api: Api) -> None:
    answer = await api.client.get("/elsewhere")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (501, 10501)

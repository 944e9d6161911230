"""An issuer of every profile in a contract: its tokens as its vendor shapes them, taken by the Worker in workerd."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from portcullis.cli.directory import SANDBOX_INTROSPECTION_SECRET, directory
from portcullis.cli.errors import CommandError
from portcullis.cli.requests import fetch_token
from portcullis.cli.sandbox_client import SandboxClient
from portcullis.contract import load
from portcullis.contract.edge_limits import binding_name
from portcullis.contract.policy_table import policy_table
from portcullis.contract.test_users import TestUser, test_users
from portcullis.ring import generate_key, worker_ring
from portcullis.sandbox.clock import SystemClock
from portcullis.sandbox.identity import Directory, create_app
from portcullis.sandbox.loopback import bind
from portcullis.sandbox.store import Store
from tests.sandbox.edge.running import NAMESPACE, PROJECT, RunningEdge, module, running_edge, serving

HERE = Path(__file__).parent
CONTRACT = load(HERE / "every_profile.yaml")
SHAPES: list[dict[str, Any]] = yaml.safe_load((HERE / "shapes.yaml").read_text(encoding="utf-8"))
USERS = {(user.issuer, user.name.removeprefix(f"{user.issuer}-")): user for user in test_users(CONTRACT)}
OPAQUE = [name for name, issuer in CONTRACT.issuers.items() if issuer.introspection is not None]
KV = {"name": "KV", "type": "kv_namespace", "namespace_id": NAMESPACE}


class Issuers:
    """The sandbox's identity providers, listening, with what the command line tells them of the contract."""

    def __init__(self, url: str, known: Directory) -> None:
        self.url = url
        self.directory = known

    async def token(self, user: TestUser, *, opaque: bool = False) -> str:
        """Fetch a token as `portcullis token` does."""
        return await asyncio.to_thread(fetch_token, cast("SandboxClient", self), CONTRACT, user, opaque=opaque)

    def status(self) -> Mapping[str, Any]:
        """Tell where the issuers are, as the running sandbox does."""
        known = self.directory.issuers()
        return {"issuers": {issuer.name: f"{self.url}/{issuer.hostname}{issuer.path}" for issuer in known}}

    async def get(self, url: str) -> httpx.Response:
        """Get a URL of an issuer."""
        async with httpx.AsyncClient(trust_env=False) as http:
            return await http.get(f"{self.url}/{url.removeprefix('https://')}")


@pytest.fixture
async def issuers() -> AsyncGenerator[Issuers]:
    store = Store()
    known = Directory(store)
    known.replace(directory(CONTRACT))
    async with serving(create_app(known, store, SystemClock()), bind()) as url:
        yield Issuers(url, known)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["issuer"])
async def test_a_token_looks_like_its_vendors(shape: dict[str, Any], issuers: Issuers) -> None:
    token = await issuers.token(USERS[shape["issuer"], "reader"])
    header = jwt.get_unverified_header(token)
    assert {name: value for name, value in header.items() if name != "kid"} == shape["header"]
    claims = jwt.decode(token, options={"verify_signature": False})
    for name, value in shape["claims"].items():
        assert name in claims
        assert value is None or claims[name] == value
    assert not set(shape["lacks"]) & set(claims)
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["issuer"])
async def test_the_keys_are_where_the_metadata_says(shape: dict[str, Any], issuers: Issuers) -> None:
    issuer = CONTRACT.issuers[shape["issuer"]]
    metadata = (await issuers.get(f"{issuer.issuer.removesuffix('/')}/.well-known/openid-configuration")).json()
    assert metadata["issuer"] == issuer.issuer
    assert metadata["jwks_uri"].endswith(shape["keys"])
    async with httpx.AsyncClient(trust_env=False) as http:
        keys = (await http.get(metadata["jwks_uri"])).json()["keys"]
    # The org server's access tokens are read by nobody else; Entra's keys do not say what they are for.
    assert len(keys) == (0 if issuer.profile == "okta-org" else 1)
    assert all(("alg" in key) == (issuer.profile != "entra") for key in keys)


async def test_an_opaque_token_of_google_is_told_of_in_googles_way(issuers: Issuers) -> None:
    token = await issuers.token(USERS["partners", "reader"], opaque=True)
    assert token.startswith("ya29.")
    async with httpx.AsyncClient(trust_env=False, base_url=f"{issuers.url}/oauth2.googleapis.example") as http:
        told = (await http.post("/tokeninfo", data={"access_token": token})).json()
        unknown = await http.post("/tokeninfo", data={"access_token": "ya29.made-up"})
    assert all(isinstance(value, str) for value in told.values())
    assert (told["aud"], told["azp"]) == (told["azp"], "4711-partners.apps.googleusercontent.example")
    assert told["email_verified"] == "true"
    assert int(told["exp"]) > time.time()
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_token")


async def test_an_issuer_that_no_consumer_has_is_named(issuers: Issuers) -> None:
    others = {name: consumer for name, consumer in CONTRACT.consumers.items() if consumer.issuer != "machines"}
    without = CONTRACT.model_copy(update={"consumers": others})
    user = USERS["machines", "reader"]
    issuers.directory.replace(directory(without))
    with pytest.raises(CommandError, match="no consumer of the contract has the issuer machines"):
        await asyncio.to_thread(fetch_token, cast("SandboxClient", issuers), without, user)


@pytest.mark.workerd
async def test_the_worker_takes_the_tokens_of_every_issuer(issuers: Issuers, tmp_path: Path) -> None:
    async with running_edge(tmp_path / "edge") as running, serving(_apigee(), bind()) as apigee:
        running.origins.update(dict.fromkeys(issuers.directory.hostnames(), issuers.url))
        running.origins["apigee.acme.example"] = apigee
        await _deploy(running, tmp_path)
        got = {
            (issuer, kind): await _status(running, await issuers.token(USERS[issuer, user], opaque=kind == "opaque"))
            for issuer in CONTRACT.issuers
            for kind, user in [
                ("usual", "reader"),
                ("no role", "nobody"),
                *([("opaque", "reader")] * (issuer in OPAQUE)),
            ]
        }
    assert got == {(issuer, kind): 403 if kind == "no role" else 200 for issuer, kind in got}
    assert {issuer for issuer, kind in got if kind == "opaque"} == {"workforce", "staff", "partners"}


async def _status(running: RunningEdge, token: str) -> int:
    headers = {"host": "edge.example", "authorization": f"Bearer {token}"}
    return (await running.client.get("/orders", headers=headers)).status_code


def _apigee() -> Starlette:
    async def answer(request: Request) -> JSONResponse:
        assert "txn-token" in request.headers
        return JSONResponse({"orders": []})

    return Starlette(routes=[Route("/orders", answer)])


async def _deploy(running: RunningEdge, folder: Path) -> None:
    """Deploy the Worker as it is, with the contract's policy table."""
    built = folder / "index.js"
    await asyncio.to_thread(
        subprocess.run, ["node", str(PROJECT / "worker/build.mjs"), "--outfile", str(built)], check=True, timeout=60
    )
    private, public = generate_key("ES256")
    table = policy_table(CONTRACT, "https://api.acme.example", "https://apigee.acme.example/acme-store")
    rfc7662 = [
        name for name, issuer in CONTRACT.issuers.items() if issuer.introspection and issuer.introspection.client_id
    ]
    texts = {
        "APIGEE_ORIGIN": "https://apigee.acme.example",
        "AUDIT_SALT": "a-salt-for-tests",
        "ENVIRONMENT": "test",
        "INTROSPECTION_SECRETS": json.dumps(dict.fromkeys(rfc7662, SANDBOX_INTROSPECTION_SECRET)),
        "RING": worker_ring(1, private, [public]),
    }
    limiter = {"type": "ratelimit", "namespace_id": "1", "simple": {"limit": 1000, "period": 60}}
    await running.deploy(
        built.read_text(encoding="utf-8"),
        compatibility_date="2026-07-01",
        modules=[module("policy.json", "application/json", json.dumps(table))],
        bindings=[
            *({"name": name, "type": "plain_text", "text": text} for name, text in texts.items()),
            *({"name": binding_name(product), **limiter} for product in CONTRACT.products),
            {"name": "VERSION", "type": "version_metadata"},
            KV,
        ],
    )

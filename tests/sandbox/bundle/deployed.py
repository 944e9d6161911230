"""The project's own proxy, deployed in the Apigee runtime, with everything around it under the test's control.

The store is filled as the management API would, tokens are minted with PyJWT as the edge would, the backends are a
function, and the clock stands still.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt

from portcullis.contract import Contract, load
from portcullis.contract.api_products import api_products
from portcullis.contract.bundle import bundle_zip, render_bundle
from portcullis.ring import generate_key
from portcullis.sandbox.apigee.runtime import Runtime, create_app
from portcullis.sandbox.clock import MovableClock
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import Store

SOURCE = Path(__file__).parents[3] / "apigee_bundle"
HOST = "apigee.acme.example"
ISSUER = "https://api.acme.example"
AUDIENCE = "https://apigee.acme.example/store"
NOON = 1_800_000_000.0
"""Where the clock stands: a whole minute, since 1.8 billion is divisible by 60."""

Backend = Callable[[httpx.Request], httpx.Response]


def echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"path": request.url.raw_path.decode()}, headers={"X-Backend": "echo"})


@dataclass
class Deployed:
    contract: Contract
    environment: str = "test"
    clock: MovableClock = field(default_factory=lambda: MovableClock(NOON))
    store: Store = field(default_factory=Store)
    logs: LogSink = field(default_factory=LogSink)
    backend: Backend = echo
    received: list[httpx.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.private, self.public = generate_key("ES256")
        self._fill()
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.network = Network(client)
        hosts = {backend.host for backend in self.contract.backends.values()}
        self.network.add_resolver(lambda host: "http://127.0.0.1:1" if host in hosts else None)
        self.runtime = Runtime(self.store, self.network, self.clock, self.logs)
        transport = httpx.ASGITransport(app=create_app(self.runtime), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        return self.backend(request)

    async def close(self) -> None:
        await self.http.aclose()
        await self.network.close()
        self.store.close()

    def _fill(self) -> None:
        put, name = self.store.put, self.contract.api.name
        place = f"acme/{self.environment}"
        put("apigee.organizations", "acme", {"name": "acme"})
        put("apigee.environments", place, {"name": self.environment})
        put("apigee.envgroups", place, {"name": self.environment, "hostnames": [HOST]})
        put("apigee.envgroup_attachments", f"{place}/one", {"name": "one", "environment": self.environment})
        put("apigee.kvms", f"{place}/portcullis-keys", {"name": "portcullis-keys"})
        self.publish(self.public)
        for backend_name, backend in self.contract.backends.items():
            server = {"name": backend_name, "host": backend.host, "port": backend.port, "isEnabled": True}
            put(
                "apigee.targetservers",
                f"{place}/{backend_name}",
                {**server, "sSLInfo": {"enabled": True, "enforce": True}},
            )
        files = render_bundle(self.contract, SOURCE, ISSUER, AUDIENCE, self.environment)
        put("apigee.apis", f"acme/{name}", {"name": name, "revision": ["1"], "latestRevisionId": "1"})
        self.store.put_blob("apigee.bundles", f"acme/apis/{name}/1", bundle_zip(files))
        deployment = {"environment": self.environment, "apiProxy": name, "revision": "1", "state": "READY"}
        put("apigee.deployments", f"{place}/{name}", {**deployment, "deployStartTime": "0"})
        self._sell()

    def _sell(self) -> None:
        for spec in api_products(self.contract):
            operations = [{"resource": item.resource, "methods": list(item.methods)} for item in spec.operations]
            document = {
                "name": spec.name,
                "displayName": spec.title,
                "approvalType": "auto",
                "environments": [self.environment],
                "quota": spec.quota,
                "quotaInterval": spec.interval,
                "quotaTimeUnit": spec.time_unit,
                "operationGroup": {
                    "operationConfigType": "proxy",
                    "operationConfigs": [{"apiSource": self.contract.api.name, "operations": operations}],
                },
            }
            self.store.put("apigee.products", f"acme/{spec.name}", document)
        for app_name, consumer in self.contract.consumers.items():
            developer = {"email": consumer.developer, "developerId": consumer.developer, "status": "active"}
            self.store.put("apigee.developers", f"acme/{consumer.developer}", developer)
            credential = {
                "consumerKey": consumer.consumer_key,
                "consumerSecret": "not used",
                "status": "approved",
                "issuedAt": "0",
                "expiresAt": "-1",
                "apiProducts": [{"apiproduct": product, "status": "approved"} for product in consumer.products],
            }
            app = {"name": app_name, "appId": app_name, "developerId": consumer.developer, "status": "approved"}
            self.store.put("apigee.apps", f"acme/{consumer.developer}/{app_name}", {**app, "credentials": [credential]})

    def publish(self, public: dict[str, Any], name: str | None = None) -> None:
        entry = f"jwk.{name or public['kid']}"
        document = {"name": entry, "value": json.dumps({"keys": [public]})}
        self.store.put("apigee.kvm_entries", f"acme/{self.environment}/portcullis-keys/{entry}", document)

    def claims(self, operation: str = "list-orders", **changed: Any) -> dict[str, Any]:
        now = int(self.clock.now())
        product = next(name for name, item in self.contract.products.items() if operation in item.operations)
        return {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + self.contract.edge.token_life_seconds,
            "txn": str(uuid.uuid4()),
            "sub": "00u-jane",
            "scope": operation,
            "client_id": "0oa1storefront",
            "roles": ["buyer", "reader", "treasurer"],
            "product": product,
            "req_wl": f"portcullis-edge/{self.environment}",
            "tctx": {
                "operation": operation,
                "contract": self.contract.version_hash,
                "ring_seq": 7,
                "issuer": "workforce",
                "sub_hash": "0123456789abcdef0123456789abcdef",
            },
            **changed,
        }

    def sign(
        self, claims: dict[str, Any], header: dict[str, Any] | None = None, private: dict[str, Any] | None = None
    ) -> str:
        key = jwt.PyJWK(private or self.private)
        headers = {"typ": "txntoken+jwt", "kid": self.private["kid"], **(header or {})}
        return jwt.encode(claims, key.key, algorithm=key.algorithm_name, headers=headers)

    def token(self, operation: str = "list-orders", **changed: Any) -> str:
        return self.sign(self.claims(operation, **changed))

    async def call(
        self,
        request: str = "GET /orders",
        token: str | None = None,
        headers: list[tuple[str, str]] | None = None,
        **more: Any,
    ) -> httpx.Response:
        method, path = request.split(" ", 1)
        sent = list(headers or [])
        if token is not None:
            sent.append(("Txn-Token", token))
        return await self.http.request(method, path, headers=sent, **more)

    def audited(self) -> dict[str, Any]:
        """The only audit line there is."""
        entries = self.logs.entries()
        assert len(entries) == 1, entries
        return entries[0]


def contract_of(folder: Path, edits: list[tuple[str, str]] | None = None) -> Contract:
    """The contract of the unit tests, edited."""
    text = (Path(__file__).parents[2] / "unit" / "contract" / "good.yaml").read_text()
    for old, new in edits or []:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "gateway.yaml").write_text(text)
    return load(folder / "gateway.yaml")

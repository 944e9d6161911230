"""The emulated Cloudflare API on a free port, and an engine's dealings with one resource through the plugin's gRPC."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Generator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import uvicorn
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from engine.providers.cloudflare import CLOUDFLARE
from engine.providers.plugin import Provider
from portcullis.sandbox.cloudflare.api import create_app
from portcullis.sandbox.loopback import bind, url_of
from portcullis.sandbox.store import Store

ACCOUNT = "5a4d0b0c" * 4
ZONE = "20e20e20" * 4
TOKEN = "sandbox-token-of-the-providers-shape-0123456789"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"


@contextmanager
def api_listener(store: Store) -> Generator[str]:
    """Serve the API on that store until the block ends; gives its base URL."""

    async def nothing_to_run() -> None:
        return

    app = create_app(store, nothing_to_run)
    listener = bind()
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield f"{url_of(listener)}/client/v4"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@contextmanager
def plugin() -> Generator[provider_pb2_grpc.ResourceProviderStub]:
    """Serve the plugin in this process, on a free port, until the block ends."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(CLOUDFLARE, {}), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(grace=0).wait(5)


@dataclass
class World:
    """What resources can refer to: `names` has the ids of a KV namespace, a Worker and two versions of it."""

    url: str
    stub: provider_pb2_grpc.ResourceProviderStub
    folder: Path
    names: dict[str, str] = field(default_factory=dict[str, str])

    def configure(self, **settings: str) -> None:
        """Point the plugin at the API."""
        given = {"apiToken": TOKEN, "baseUrl": self.url, **settings}
        self.stub.Configure(provider_pb2.ConfigureRequest(args=_struct(given), acceptSecrets=True))

    def furnish(self) -> None:
        self.names = {"account": ACCOUNT, "zone": ZONE}
        self.names["index"] = str(self.write("index.js", "export default { fetch() {} }"))
        self.names["namespace"] = self.api("POST", f"accounts/{ACCOUNT}/storage/kv/namespaces", {"title": "pairs"})[
            "id"
        ]
        for name in ("worker", "other_worker"):
            worker = self.api("POST", f"accounts/{ACCOUNT}/workers/workers", {"name": name.replace("_", "-")})
            self.names[name] = worker["id"]
        for name in ("version", "other_version"):
            module = {
                "name": "index.js",
                "content_type": "application/javascript+module",
                "content_base64": base64.b64encode(name.encode()).decode(),
            }
            path = f"accounts/{ACCOUNT}/workers/workers/{self.names['worker']}/versions"
            self.names[name] = self.api("POST", path, {"main_module": "index.js", "modules": [module]})["id"]

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def api(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(
            method,
            f"{self.url}/{path}",
            content=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        assert answer.is_success, answer.text
        return answer.json()["result"]

    def filled(self, value: Any) -> Any:
        """Put the names into texts such as `{worker}`."""
        if isinstance(value, str):
            for name, text in self.names.items():
                value = value.replace(f"{{{name}}}", text)
            return value
        if isinstance(value, dict):
            return {name: self.filled(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.filled(part) for part in value]
        return value

    def resource(self, token: str) -> Resource:
        return Resource(self.stub, f"urn:pulumi:local::portcullis::{token}::it")


@dataclass
class Resource:
    """One resource as the engine handles it: check, then create, or diff and then update or replace."""

    stub: provider_pb2_grpc.ResourceProviderStub
    urn: str
    id: str = ""
    inputs: Any = field(default_factory=dict[str, Any])
    state: Any = field(default_factory=dict[str, Any])

    def up(self, wanted: Any) -> str:
        """Bring it to what is wanted; returns what that took: create, same, update or replace."""
        checked = self.check(wanted)
        step = self.step(checked)
        if step in ("create", "replace"):
            self._create(checked)
        elif step == "update":
            self._update(checked)
        self.inputs = checked
        return step

    def check(self, wanted: Any) -> Any:
        request = provider_pb2.CheckRequest(
            urn=self.urn, olds=_struct(self.inputs), news=_struct(wanted), randomSeed=b"s" * 32
        )
        answer = self.stub.Check(request)
        assert not answer.failures, [failure.reason for failure in answer.failures]
        return _plain(answer.inputs)

    def step(self, checked: Any) -> str:
        if not self.id:
            return "create"
        diff = self.stub.Diff(
            provider_pb2.DiffRequest(
                id=self.id,
                urn=self.urn,
                olds=_struct(self.state),
                news=_struct(checked),
                old_inputs=_struct(self.inputs),
            )
        )
        if diff.changes != provider_pb2.DiffResponse.DIFF_SOME:
            return "same"
        return "replace" if diff.replaces else "update"

    def refresh(self) -> str:
        """Read it anew; returns same, changed (its inputs would have to be applied again) or gone."""
        request = provider_pb2.ReadRequest(
            id=self.id, urn=self.urn, inputs=_struct(self.inputs), properties=_struct(self.state)
        )
        answer = self.stub.Read(request)
        if not answer.id:
            return "gone"
        was = self.inputs
        self.state, self.inputs = _plain(answer.properties), _plain(answer.inputs)
        return "same" if revealed(self.inputs) == revealed(was) and self.step(was) == "same" else "changed"

    def imported(self, import_id: str) -> Any:
        """Return the properties that an import by that id finds."""
        answer = self.stub.Read(provider_pb2.ReadRequest(id=import_id, urn=self.urn))
        assert answer.id == self.id
        return _plain(answer.properties)

    def delete(self) -> None:
        self.stub.Delete(provider_pb2.DeleteRequest(id=self.id, urn=self.urn, properties=_struct(self.state)))

    def _create(self, checked: Any) -> None:
        previewed = self.stub.Create(
            provider_pb2.CreateRequest(urn=self.urn, properties=_struct(checked), preview=True)
        )
        assert not previewed.id
        old_id, old_state = self.id, self.state
        made = self.stub.Create(provider_pb2.CreateRequest(urn=self.urn, properties=_struct(checked)))
        if old_id and old_id != made.id:
            self.stub.Delete(provider_pb2.DeleteRequest(id=old_id, urn=self.urn, properties=_struct(old_state)))
        self.id, self.state = made.id, _plain(made.properties)

    def _update(self, checked: Any) -> None:
        old, new = _struct(self.state), _struct(checked)
        self.stub.Update(provider_pb2.UpdateRequest(id=self.id, urn=self.urn, olds=old, news=new, preview=True))
        made = self.stub.Update(provider_pb2.UpdateRequest(id=self.id, urn=self.urn, olds=old, news=new))
        self.state = _plain(made.properties)


def _struct(value: Any) -> struct_pb2.Struct:
    return json_format.ParseDict(value, struct_pb2.Struct())


def _plain(struct: struct_pb2.Struct) -> Any:
    return json_format.MessageToDict(struct)


def revealed(value: Any) -> Any:
    """Return the value with the texts of secrets in place of their marks."""
    if isinstance(value, dict):
        if SECRET_SIGNATURE in value.values():
            return revealed(value["value"])
        return {name: revealed(part) for name, part in value.items() if not name.startswith("__")}
    if isinstance(value, list):
        return [revealed(part) for part in value]
    return value

"""What the Pulumi engine does with a provider plugin, reduced to one resource at a time."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Generator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import uvicorn
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.providers.plugin import Provider
from engine.providers.tables import Cloud

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
TOKEN = "ya29.a-token-that-nobody-may-see"

Properties = dict[str, Any]


def secret(value: Any) -> Properties:
    return {SIGNATURE: SECRET, "value": value}


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def revealed(value: Any) -> Any:
    if is_secret(value):
        return revealed(value["value"])
    if isinstance(value, dict):
        return {name: revealed(part) for name, part in value.items() if not name.startswith("__")}
    if isinstance(value, list):
        return [revealed(part) for part in value]
    return value


def struct(properties: Properties) -> struct_pb2.Struct:
    return json_format.ParseDict(properties, struct_pb2.Struct())


def plain(message: struct_pb2.Struct) -> Properties:
    def whole(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: whole(part) for name, part in value.items()}
        if isinstance(value, list):
            return [whole(part) for part in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return whole(json_format.MessageToDict(message))


@dataclass(frozen=True)
class Resource:
    """A resource as the engine's state has it."""

    type: str
    name: str
    inputs: Properties = field(default_factory=dict)
    id: str = ""
    outputs: Properties = field(default_factory=dict)

    @property
    def urn(self) -> str:
        return f"urn:pulumi:test::project::{self.type}::{self.name}"


@dataclass(frozen=True)
class Diff:
    changes: bool
    paths: dict[str, str]
    replaces: list[str]
    delete_before_replace: bool


class CheckFailedError(Exception):
    """The plugin refused inputs."""


class Driver:
    """Calls a plugin over gRPC as the engine would."""

    def __init__(self, stub: provider_pb2_grpc.ResourceProviderStub) -> None:
        self.stub = stub

    def configure(self, config: Properties) -> None:
        checked = self.stub.CheckConfig(provider_pb2.CheckRequest(news=struct(config)))
        if checked.failures:
            raise CheckFailedError("; ".join(f"{item.property}: {item.reason}" for item in checked.failures))
        self.stub.Configure(provider_pb2.ConfigureRequest(args=checked.inputs, acceptSecrets=True))

    def check(self, resource: Resource, inputs: Properties) -> Properties:
        request = provider_pb2.CheckRequest(
            urn=resource.urn, olds=struct(resource.inputs), news=struct(inputs), randomSeed=b"seed", name=resource.name
        )
        answer = self.stub.Check(request)
        if answer.failures:
            raise CheckFailedError("; ".join(f"{item.property}: {item.reason}" for item in answer.failures))
        return plain(answer.inputs)

    def diff(self, resource: Resource, inputs: Properties, ignore: list[str] | None = None) -> Diff:
        request = provider_pb2.DiffRequest(
            id=resource.id,
            urn=resource.urn,
            olds=struct(resource.outputs),
            news=struct(inputs),
            old_inputs=struct(resource.inputs),
            ignoreChanges=ignore or [],
        )
        answer = self.stub.Diff(request)
        kinds = provider_pb2.PropertyDiff.Kind
        return Diff(
            changes=answer.changes == provider_pb2.DiffResponse.DIFF_SOME,
            paths={path: kinds.Name(item.kind) for path, item in answer.detailedDiff.items()},
            replaces=list(answer.replaces),
            delete_before_replace=answer.deleteBeforeReplace,
        )

    def preview(self, resource: Resource, inputs: Properties) -> Properties:
        """What the plugin says a create or an update would make."""
        if not resource.id:
            request = provider_pb2.CreateRequest(urn=resource.urn, properties=struct(inputs), preview=True)
            return plain(self.stub.Create(request).properties)
        request = provider_pb2.UpdateRequest(
            id=resource.id, urn=resource.urn, olds=struct(resource.outputs), news=struct(inputs), preview=True
        )
        return plain(self.stub.Update(request).properties)

    def create(self, resource: Resource, inputs: Properties) -> Resource:
        answer = self.stub.Create(provider_pb2.CreateRequest(urn=resource.urn, properties=struct(inputs)))
        return replace(resource, inputs=inputs, id=answer.id, outputs=plain(answer.properties))

    def update(self, resource: Resource, inputs: Properties) -> Resource:
        request = provider_pb2.UpdateRequest(
            id=resource.id,
            urn=resource.urn,
            olds=struct(resource.outputs),
            news=struct(inputs),
            old_inputs=struct(resource.inputs),
        )
        return replace(resource, inputs=inputs, outputs=plain(self.stub.Update(request).properties))

    def read(self, resource: Resource) -> Resource | None:
        request = provider_pb2.ReadRequest(
            id=resource.id, urn=resource.urn, properties=struct(resource.outputs), inputs=struct(resource.inputs)
        )
        answer = self.stub.Read(request)
        if not answer.id:
            return None
        return replace(resource, id=answer.id, inputs=plain(answer.inputs), outputs=plain(answer.properties))

    def delete(self, resource: Resource) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(id=resource.id, urn=resource.urn, properties=struct(resource.outputs))
        )


def unfinished(error: Any) -> provider_pb2.ErrorResourceInitFailed:
    """The resource that a failed create says it made all the same."""
    metadata = {str(name): value for name, value in error.trailing_metadata()}
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    found = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(found)
    return found


@contextmanager
def plugin(cloud: Cloud) -> Generator[Driver]:
    """The plugin of a cloud behind a real gRPC channel."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(cloud, environment={}), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Driver(provider_pb2_grpc.ResourceProviderStub(channel))
    server.stop(0).wait()


@dataclass(frozen=True)
class Recorded:
    """A request that reached the API."""

    method: str
    target: str
    body: Any

    @property
    def line(self) -> str:
        return f"{self.method} {self.target}"


class Recorder:
    """Writes down the requests that pass; can answer some itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.requests: list[Recorded] = []
        self.failures: list[tuple[int, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        content = b""
        more = True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        query = scope["query_string"].decode()
        target = scope["path"].removeprefix("/v1/") + (f"?{query}" if query else "")
        self.requests.append(Recorded(scope["method"], target, _body(content)))
        if self.failures:
            status, answer = self.failures.pop(0)
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer})
            return

        async def replay() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        await self._app(scope, replay, send)

    def lines(self, *methods: str) -> list[str]:
        return [item.line for item in self.requests if not methods or item.method in methods]


def _body(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content


@contextmanager
def served(app: ASGIApp) -> Generator[str]:
    """The app on a free port of this machine; yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()

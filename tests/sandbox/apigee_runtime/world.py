"""The runtime behind the management API, as a user has it: bundles are imported and deployed over HTTP.

Backends are functions, the clock stands still, and what a request went through is read from its trace.
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from portcullis.sandbox.apigee import management
from portcullis.sandbox.apigee.runtime import Runtime, create_app, undeployable, validate_bundle
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.runtime import Outcome
from portcullis.sandbox.apigee.runtime.trace import Event
from portcullis.sandbox.clock import MovableClock
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import Store

NOON = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""
HOST = "api.acme.example"
ORG = "organizations/acme"
ENV = f"{ORG}/environments/test"
AUTHORIZED = {"Authorization": "Bearer any"}

Backend = Callable[[httpx.Request], httpx.Response]


def zipped(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def policy(name: str, xml: str | None = None) -> str:
    """Return a policy's XML: the one given, or by its name's prefix one that does nothing or raises a fault."""
    if xml is not None:
        return xml
    kind = "RaiseFault" if name.startswith("RF") else "AssignMessage"
    body = "<FaultResponse><Set><StatusCode>418</StatusCode></Set></FaultResponse>" if kind == "RaiseFault" else ""
    carries_on = " continueOnError='true'" if name.endswith("-carry-on") else ""
    return f"<{kind} name='{name}'{carries_on}>{body}</{kind}>"


def bundle(
    proxies: Mapping[str, str],
    targets: Mapping[str, str] | None = None,
    policies: Mapping[str, str] | None = None,
    resources: Mapping[str, str] | None = None,
) -> bytes:
    """Return a proxy bundle of endpoints' inner XML; steps that name no policy of `policies` get one by their name."""
    given, targets = dict(policies or {}), dict(targets or {})
    texts = [*proxies.values(), *targets.values()]
    named = {name for text in texts for name in re.findall(r"<Name>([^<]+)</Name>", text)}
    files = {f"apiproxy/policies/{name}.xml": policy(name, given.get(name)) for name in sorted(named | set(given))}
    files |= {
        f"apiproxy/proxies/{name}.xml": f"<ProxyEndpoint name='{name}'>{xml}</ProxyEndpoint>"
        for name, xml in proxies.items()
    }
    files |= {
        f"apiproxy/targets/{name}.xml": f"<TargetEndpoint name='{name}'>{xml}</TargetEndpoint>"
        for name, xml in targets.items()
    }
    files |= {f"apiproxy/resources/{path}": text for path, text in (resources or {}).items()}
    return zipped({"apiproxy/sample.xml": "<APIProxy name='sample'/>", **files})


def shared_flow(steps: str, policies: Mapping[str, str] | None = None) -> bytes:
    """Return a shared flow bundle of steps."""
    given = dict(policies or {})
    named = set(re.findall(r"<Name>([^<]+)</Name>", steps)) | set(given)
    files = {f"sharedflowbundle/policies/{name}.xml": policy(name, given.get(name)) for name in sorted(named)}
    files["sharedflowbundle/sharedflows/default.xml"] = f"<SharedFlow name='default'>{steps}</SharedFlow>"
    return zipped({"sharedflowbundle/flow.xml": "<SharedFlowBundle name='flow'/>", **files})


class _Remembering(Runtime):
    """Keeps the outcome of the last request, and its context to look into."""

    last: Outcome
    context: Context

    def _context(self, *arguments: Any, **more: Any) -> Context:
        self.context = super()._context(*arguments, **more)
        return self.context

    async def handle(self, request: Message, hostname: str, client_ip: str, scheme: str) -> Outcome:
        self.last = await super().handle(request, hostname, client_ip, scheme)
        return self.last


class World:
    """One organization with environment `test` on `api.acme.example`."""

    def __init__(self) -> None:
        self.store, self.clock, self.logs = Store(), MovableClock(NOON), LogSink()
        self.backends: dict[str, Backend] = {}
        self.received: list[httpx.Request] = []
        self.network = Network(httpx.AsyncClient(transport=httpx.MockTransport(self._answer)))
        self.network.add_resolver(lambda host: "http://127.0.0.1:1" if host in self.backends else None)
        self.runtime = _Remembering(self.store, self.network, self.clock, self.logs)
        self.app = create_app(self.runtime)
        api = management.create_app(
            self.store,
            validate_bundle,
            self._reload,
            clock=self.clock,
            undeployable=undeployable,
            traces=self.runtime.traces.all,
        )
        self.api = httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="https://apigee.example/v1/")

    async def start(self) -> "World":
        await self.ok("POST", "organizations?parent=projects/acme", {"name": "acme", "disableVpcPeering": True})
        await self.ok("POST", f"{ORG}/environments", {"name": "test"})
        await self.ok("POST", f"{ORG}/envgroups", {"name": "public", "hostnames": [HOST]})
        await self.ok("POST", f"{ORG}/envgroups/public/attachments", {"environment": "test"})
        return self

    async def close(self) -> None:
        await self.api.aclose()
        await self.runtime.close()
        await self.network.close()
        self.store.close()

    async def manage(self, method: str, path: str, body: Any = None) -> httpx.Response:
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        return await self.api.request(method, path, content=content, headers={**AUTHORIZED, "Content-Type": kind})

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.manage(method, path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def deploy(self, data: bytes, name: str = "sample", kind: str = "apis") -> str:
        """Import a bundle and deploy the revision; return its number."""
        made = await self.ok("POST", f"{ORG}/{kind}?name={name}&action=import&validate=true", data)
        await self.ok("POST", f"{ENV}/{kind}/{name}/revisions/{made['revision']}/deployments?override=true")
        return made["revision"]

    async def call(self, method: str = "GET", path: str = "/", host: str = HOST, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, client=("203.0.113.7", 49152))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            client.headers.clear()
            return await client.request(method, path, **request)

    @property
    def events(self) -> list[Event]:
        """What the last request went through."""
        return self.runtime.last.trace.events

    @property
    def steps(self) -> list[str]:
        """The policies that the last request ran, in order."""
        return [event.name for event in self.events if event.kind == "step"]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.received.append(request)
        return self.backends[request.headers["host"].partition(":")[0]](request)

    async def _reload(self) -> None:
        self.runtime.reload()

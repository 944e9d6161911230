"""A proxy made of a row's policies, deployed in the runtime; its backends are tables and its clock stands still."""

import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

import httpx
from lxml import etree

from portcullis.sandbox.apigee.runtime import Runtime, create_app
from portcullis.sandbox.apigee.runtime.bundle import compile_bundle
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.clock import MovableClock
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import Store
from tests.sandbox.apigee_policies.case import Case, Reply, World

NOON = 1_800_000_000.0
"""Where the clock stands, 2027-01-15T08:00:00Z: a whole minute, since 1.8 billion is divisible by 60."""
HOST = "api.acme.example"
PROXY = "sample"

Steps = Iterable[str | dict[str, str]]


def _steps(steps: Steps) -> str:
    found: list[str] = []
    for step in steps:
        name, condition = (step, "") if isinstance(step, str) else next(iter(step.items()))
        node = etree.Element("Step")
        etree.SubElement(node, "Name").text = name
        if condition:
            etree.SubElement(node, "Condition").text = condition
        found.append(etree.tostring(node).decode())
    return "".join(found)


def _preflow(request: Steps, response: Steps) -> str:
    request, response = _steps(request), _steps(response)
    return f"<PreFlow name='PreFlow'><Request>{request}</Request><Response>{response}</Response></PreFlow>"


def _fault_rule(steps: Steps) -> str:
    return f"<DefaultFaultRule>{_steps(steps)}<AlwaysEnforce>true</AlwaysEnforce></DefaultFaultRule>" if steps else ""


def policies_of(text: str) -> dict[str, str]:
    """Return policy name → XML document."""
    root = etree.fromstring(f"<all>{text}</all>")
    return {str(node.get("name")): etree.tostring(node, with_tail=False).decode() for node in root}


def bundle_of(case: Case, target: str | None) -> bytes:
    """Return the zip of the row's proxy, at base path `/`."""
    policies, steps = policies_of(case.policies), dict(case.steps)
    if not case.steps:
        steps["request"] = list(policies)
    route = "<TargetEndpoint>default</TargetEndpoint>" if target else ""
    post_client = _steps(steps.get("post_client", []))
    files = {
        f"apiproxy/{PROXY}.xml": f"<APIProxy name='{PROXY}'/>",
        "apiproxy/proxies/default.xml": "<ProxyEndpoint name='default'>"
        + _fault_rule(steps.get("fault", []))
        + _preflow(steps.get("request", []), steps.get("response", []))
        + (f"<PostClientFlow><Response>{post_client}</Response></PostClientFlow>" if post_client else "")
        + "<HTTPProxyConnection><BasePath>/</BasePath></HTTPProxyConnection>"
        + f"<RouteRule name='default'>{route}</RouteRule>{case.endpoint}</ProxyEndpoint>",
        **{f"apiproxy/policies/{name}.xml": text for name, text in policies.items()},
        **{f"apiproxy/resources/{name}": text for name, text in case.resources.items()},
    }
    if target:
        files["apiproxy/targets/default.xml"] = (
            "<TargetEndpoint name='default'>"
            + _fault_rule(steps.get("target_fault", []))
            + _preflow(steps.get("target_request", []), steps.get("target_response", []))
            + f"<HTTPTargetConnection><URL>https://{target}</URL></HTTPTargetConnection></TargetEndpoint>"
        )
    return _zipped(files)


def _shared_flow_of(name: str, text: str) -> bytes:
    policies = policies_of(text)
    return _zipped(
        {
            f"sharedflowbundle/{name}.xml": f"<SharedFlowBundle name='{name}'/>",
            "sharedflowbundle/sharedflows/default.xml": f"<SharedFlow name='default'>{_steps(policies)}</SharedFlow>",
            **{f"sharedflowbundle/policies/{policy}.xml": xml for policy, xml in policies.items()},
        }
    )


def _zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return buffer.getvalue()


class _Watched(Runtime):
    """Sets the world's variables in each request, and keeps its context to look into."""

    given: dict[str, Any]
    last: Context

    def _context(self, *arguments: Any, **more: Any) -> Context:
        self.last = super()._context(*arguments, **more)
        self.last.variables.fill(self.given)
        return self.last


class Deployed:
    """The row's proxy and everything around it."""

    def __init__(self, case: Case, shared: World) -> None:
        self.store, self.clock, self.logs = Store(), MovableClock(NOON), LogSink()
        self.replies = {host: list(found) for host, found in {**shared.backends, **case.world.backends}.items()}
        self.received: list[dict[str, Any]] = []
        bundle = bundle_of(case, case.world.target or shared.target)
        self.compiled = compile_bundle(bundle)
        self._fill(bundle)
        for name, text in case.shared_flows.items():
            self._share(name, _shared_flow_of(name, text))
        for world in (shared, case.world):
            for collection, documents in world.documents.items():
                for key, document in documents.items():
                    self.store.put(collection, f"acme/{key}", document)
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.network = Network(client)
        self.network.add_resolver(lambda host: "http://127.0.0.1:1" if host in self.replies else None)
        self.runtime = _Watched(self.store, self.network, self.clock, self.logs)
        self.runtime.given = {**shared.variables, **case.world.variables}
        self.app = create_app(self.runtime)

    async def send(self, method: str, path: str, client: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, client=(client, 49152))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as http:
            # The client's own headers would only be in the way of what a row sends.
            http.headers.clear()
            return await http.request(method, path, **request)

    def variable(self, name: str) -> Any:
        return self.runtime.last.variables.get(name)

    async def close(self) -> None:
        await self.network.close()
        self.store.close()

    def _fill(self, bundle: bytes) -> None:
        put = self.store.put
        put("apigee.organizations", "acme", {"name": "acme"})
        put("apigee.environments", "acme/test", {"name": "test"})
        put("apigee.envgroups", "acme/test", {"name": "test", "hostnames": [HOST]})
        put("apigee.envgroup_attachments", "acme/test/one", {"name": "one", "environment": "test"})
        put("apigee.apis", f"acme/{PROXY}", {"name": PROXY, "revision": ["1"], "latestRevisionId": "1"})
        self.store.put_blob("apigee.bundles", f"acme/apis/{PROXY}/1", bundle)
        deployment = {"environment": "test", "apiProxy": PROXY, "revision": "1", "state": "READY"}
        put("apigee.deployments", f"acme/test/{PROXY}", {**deployment, "deployStartTime": "0"})

    def _share(self, name: str, bundle: bytes) -> None:
        assert not compile_bundle(bundle).problems
        self.store.put("apigee.sharedflows", f"acme/{name}", {"name": name, "revision": ["1"], "latestRevisionId": "1"})
        self.store.put_blob("apigee.bundles", f"acme/sharedflows/{name}/1", bundle)
        deployment = {"environment": "test", "apiProxy": name, "revision": "1", "state": "READY"}
        self.store.put("apigee.sharedflow_deployments", f"acme/test/{name}", {**deployment, "deployStartTime": "0"})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        host = request.headers["host"].partition(":")[0]
        replies = self.replies[host]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        received = {
            "method": request.method,
            "url": f"{host}{request.url.raw_path.decode()}",
            "headers": dict(request.headers),
            "body": request.content.decode(errors="replace"),
        }
        self.received.append(received)
        return _response(reply, received)


def _response(reply: Reply, received: dict[str, Any]) -> httpx.Response:
    if reply.down:
        raise httpx.ConnectError("connection refused")
    pairs = [(n, v) for n, values in reply.headers.items() for v in ([values] if isinstance(values, str) else values)]
    body: Any = received if reply.echo else reply.json_body
    if body is not None:
        pairs = [("Content-Type", "application/json"), *pairs]
    return httpx.Response(reply.status, headers=pairs, content=json.dumps(body) if body is not None else reply.body)

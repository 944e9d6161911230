"""One server of the Apigee benchmark, in a process of its own: `python -m bench.apigee_server ROLE [BACKEND_PORT]`.

Roles: `backend` answers every request itself; `runtime` is the interpreter with the benchmark's bundle deployed;
`pass-through` is a bare Starlette app that forwards to the backend with httpx, or answers itself below `/local`.
The port is written to standard output once the server listens.
"""

from __future__ import annotations

import asyncio
import io
import sys
import zipfile
from collections.abc import Callable
from typing import Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from portcullis.sandbox.loopback import bind

HOST: Final = "bench.example"
KEY: Final = "bench-consumer-key"
BODY: Final = b'{"made":"upstream"}'

_LOCAL = """<ProxyEndpoint name="local">
  <PreFlow name="PreFlow"><Request><Step><Name>AM-Answer</Name></Step></Request></PreFlow>
  <HTTPProxyConnection><BasePath>/local</BasePath></HTTPProxyConnection><RouteRule name="none"/>
</ProxyEndpoint>"""
_FORWARD = """<ProxyEndpoint name="forward">
  <HTTPProxyConnection><BasePath>/forward</BasePath></HTTPProxyConnection>
  <RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule>
</ProxyEndpoint>"""
_KEYED = """<ProxyEndpoint name="keyed">
  <PreFlow name="PreFlow"><Request>
    <Step><Name>VA-Key</Name></Step>
    <Step><Name>SA-Spikes</Name><Condition>request.verb != "OPTIONS"</Condition></Step>
  </Request></PreFlow>
  <Flows>
    <Flow name="other">
      <Condition>(proxy.pathsuffix MatchesPath "/other/**") and (request.verb = "GET")</Condition></Flow>
    <Flow name="items">
      <Condition>(proxy.pathsuffix MatchesPath "/items/*") and (request.verb = "GET")</Condition>
      <Request><Step><Name>AM-Stamp</Name></Step></Request></Flow>
  </Flows>
  <HTTPProxyConnection><BasePath>/keyed</BasePath></HTTPProxyConnection>
  <RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule>
</ProxyEndpoint>"""
_POLICIES = {
    "AM-Answer": """<AssignMessage name="AM-Answer"><AssignTo createNew="true" type="response">response</AssignTo><Set>
        <Payload contentType="application/json">{"made":"upstream"}</Payload></Set></AssignMessage>""",
    "VA-Key": """<VerifyAPIKey name="VA-Key"><APIKey ref="request.header.x-api-key"/></VerifyAPIKey>""",
    "SA-Spikes": """<SpikeArrest name="SA-Spikes"><Rate>1000000ps</Rate></SpikeArrest>""",
    "AM-Stamp": """<AssignMessage name="AM-Stamp"><Set><Headers>
        <Header name="X-App">{verifyapikey.VA-Key.developer.app.name}</Header></Headers></Set></AssignMessage>""",
}


def _bundle(backend: int) -> bytes:
    target = f"<HTTPTargetConnection><URL>http://127.0.0.1:{backend}</URL></HTTPTargetConnection>"
    files = {
        "apiproxy/bench.xml": "<APIProxy name='bench'/>",
        "apiproxy/proxies/local.xml": _LOCAL,
        "apiproxy/proxies/forward.xml": _FORWARD,
        "apiproxy/proxies/keyed.xml": _KEYED,
        "apiproxy/targets/default.xml": f"<TargetEndpoint name='default'>{target}</TargetEndpoint>",
        **{f"apiproxy/policies/{name}.xml": text for name, text in _POLICIES.items()},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def _runtime(backend: int) -> ASGIApp:
    from portcullis.sandbox.apigee.runtime import Runtime, create_app
    from portcullis.sandbox.clock import SystemClock
    from portcullis.sandbox.logs import LogSink
    from portcullis.sandbox.network import Network
    from portcullis.sandbox.store import Store

    store = Store()
    put = store.put
    put("apigee.organizations", "acme", {"name": "acme"})
    put("apigee.environments", "acme/bench", {"name": "bench"})
    put("apigee.envgroups", "acme/bench", {"name": "bench", "hostnames": [HOST]})
    put("apigee.envgroup_attachments", "acme/bench/one", {"name": "one", "environment": "bench"})
    store.put_blob("apigee.bundles", "acme/apis/bench/1", _bundle(backend))
    put("apigee.deployments", "acme/bench/bench", {"environment": "bench", "apiProxy": "bench", "revision": "1"})
    put("apigee.products", "acme/all", {"name": "all", "approvalType": "auto"})
    put("apigee.developers", "acme/a@acme.example", {"email": "a@acme.example", "status": "active"})
    credential = {
        "consumerKey": KEY,
        "consumerSecret": "unused",
        "status": "approved",
        "expiresAt": "-1",
        "apiProducts": [{"apiproduct": "all", "status": "approved"}],
    }
    app = {"name": "web", "status": "approved", "credentials": [credential]}
    put("apigee.apps", "acme/a@acme.example/web", app)
    return create_app(Runtime(store, Network(), SystemClock(), LogSink()))


def _backend(_: int) -> ASGIApp:
    async def answer(_: Request) -> Response:
        return Response(BODY, media_type="application/json")

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


def _pass_through(backend: int) -> ASGIApp:
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{backend}", trust_env=False)

    async def local(_: Request) -> Response:
        return Response(BODY, media_type="application/json")

    async def forward(request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers.items() if name not in ("host", "connection")]
        answer = await client.request(request.method, request.url.path, headers=headers, content=await request.body())
        return Response(answer.content, answer.status_code, {"Content-Type": answer.headers["content-type"]})

    methods = ["GET", "POST"]
    return Starlette(
        routes=[Route("/local", local, methods=methods), Route("/{path:path}", forward, methods=methods)],
    )


ROLES: Final[dict[str, Callable[[int], ASGIApp]]] = {
    "backend": _backend,
    "runtime": _runtime,
    "pass-through": _pass_through,
}


class _Server(uvicorn.Server):
    """Tells its port once it listens."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        await super().startup(sockets)  # pyright: ignore[reportArgumentType]
        port = sockets[0].getsockname()[1] if sockets else 0  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()


def main() -> None:
    """Serve until terminated."""
    role, backend = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    config = uvicorn.Config(
        ROLES[role](backend), lifespan="off", log_config=None, access_log=False, http="h11", ws="none"
    )
    asyncio.run(_Server(config).serve(sockets=[bind()]))


if __name__ == "__main__":
    main()

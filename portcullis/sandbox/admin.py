"""What the command line says to a running sandbox: a small HTTP API on loopback, behind a token of its own.

A cloud has no such door. It exists to hand over test users, to break and mend hops, to read logs and to stop.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from portcullis.sandbox.hosts import HostError, Hosts
from portcullis.sandbox.identity import Directory, DirectoryError
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.network import Fault, Network
from portcullis.sandbox.store import JsonObject

MAX_BODY_BYTES = 1024 * 1024
_FAULT_KINDS = ("down", "slow", "status")


@dataclass(frozen=True)
class Controls:
    """What the admin API acts on."""

    token: str
    status: Callable[[], JsonObject]
    directory: Directory
    network: Network
    hosts: Hosts
    logs: LogSink
    traces: Callable[[], list[JsonObject]]
    reset: Callable[[], Awaitable[None]]
    trigger_cron: Callable[[str], Awaitable[None]]
    stop: asyncio.Event


def create_app(controls: Controls) -> Starlette:
    """Return the app; every call needs `Authorization: Bearer <token>`."""
    admin = _Admin(controls)
    return Starlette(
        routes=[
            Route("/status", admin.status, methods=["GET"]),
            Route("/directory", admin.replace_directory, methods=["PUT"]),
            Route("/issuers/{name}/rotate", admin.rotate_issuer, methods=["POST"]),
            Route("/audit", admin.audit, methods=["GET"]),
            Route("/traces", admin.traces, methods=["GET"]),
            Route("/faults", admin.faults, methods=["GET"]),
            Route("/faults/{hostname}", admin.set_fault, methods=["PUT", "DELETE"]),
            Route("/hosts", admin.hosts, methods=["GET"]),
            Route("/hosts/{hostname}", admin.lead_host, methods=["PUT", "DELETE"]),
            Route("/cron", admin.cron, methods=["POST"]),
            Route("/reset", admin.reset, methods=["POST"]),
            Route("/shutdown", admin.shutdown, methods=["POST"]),
        ],
        middleware=[Middleware(_RequireToken, token=controls.token)],
        exception_handlers={_BadRequestError: _bad_request},
    )


class _BadRequestError(ValueError):
    pass


class _RequireToken:
    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", []))
        if hmac.compare_digest(headers.get(b"authorization", b""), self._wanted):
            await self._app(scope, receive, send)
            return
        await JSONResponse({"error": "the sandbox's admin token is missing or wrong"}, 401)(scope, receive, send)


class _Admin:
    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    async def status(self, _: Request) -> Response:
        return JSONResponse(self._controls.status())

    async def replace_directory(self, request: Request) -> Response:
        try:
            self._controls.directory.replace(await _json(request))
        except DirectoryError as problem:
            raise _BadRequestError(str(problem)) from None
        return JSONResponse({})

    async def rotate_issuer(self, request: Request) -> Response:
        issuer = self._controls.directory.issuer(request.path_params["name"])
        if issuer is None:
            return JSONResponse({"error": "no issuer has this name"}, 404)
        body = await _json(request)
        kid = self._controls.directory.rotate_keys(issuer, keep_previous=bool(body.get("keep_previous", True)))
        return JSONResponse({"kid": kid})

    async def audit(self, request: Request) -> Response:
        return JSONResponse({"entries": self._controls.logs.entries(request.query_params.get("trace"))})

    async def traces(self, _: Request) -> Response:
        return JSONResponse({"traces": self._controls.traces()})

    async def faults(self, _: Request) -> Response:
        return JSONResponse({host: asdict(fault) for host, fault in self._controls.network.faults().items()})

    async def set_fault(self, request: Request) -> Response:
        fault = _fault(await _json(request)) if request.method == "PUT" else None
        self._controls.network.set_fault(request.path_params["hostname"], fault)
        return JSONResponse({})

    async def hosts(self, _: Request) -> Response:
        return JSONResponse(self._controls.hosts.all())

    async def lead_host(self, request: Request) -> Response:
        hosts, hostname = self._controls.hosts, request.path_params["hostname"]
        if request.method == "DELETE":
            hosts.forget(hostname)
            return JSONResponse({})
        try:
            hosts.lead(hostname, str((await _json(request)).get("url", "")))
        except HostError as problem:
            raise _BadRequestError(str(problem)) from None
        return JSONResponse({})

    async def cron(self, request: Request) -> Response:
        await self._controls.trigger_cron(str((await _json(request)).get("cron", "")))
        return JSONResponse({})

    async def reset(self, _: Request) -> Response:
        await self._controls.reset()
        return JSONResponse({})

    async def shutdown(self, _: Request) -> Response:
        self._controls.stop.set()
        return JSONResponse({})


async def _json(request: Request) -> JsonObject:
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise _BadRequestError(f"the body is over {MAX_BODY_BYTES} bytes")
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        raise _BadRequestError("the body is not JSON") from None
    if not isinstance(document, dict):
        raise _BadRequestError("the body is not a JSON object")
    return document  # pyright: ignore[reportUnknownVariableType]


def _fault(document: JsonObject) -> Fault:
    kind = document.get("kind")
    if kind not in _FAULT_KINDS:
        raise _BadRequestError(f"`kind` must be one of {', '.join(_FAULT_KINDS)}")
    return Fault(kind, float(document.get("seconds", 0)), int(document.get("status", 0)))


async def _bad_request(_: Request, problem: Exception) -> Response:
    return JSONResponse({"error": str(problem)}, 400)

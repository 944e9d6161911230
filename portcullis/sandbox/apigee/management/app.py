"""HTTP: authentication, bodies within limits, routing, errors."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from portcullis.sandbox.apigee.management import (
    apps,
    debugmasks,
    debugsessions,
    deployments,
    developers,
    environments,
    flowhooks,
    keystores,
    keyvaluemaps,
    organizations,
    products,
    proxies,
    references,
    resourcefiles,
    targetservers,
)
from portcullis.sandbox.apigee.management.errors import ManagementError, invalid
from portcullis.sandbox.apigee.management.service import Answer, Call, Endpoint, Raw, Service, public
from portcullis.sandbox.clock import Clock, SystemClock
from portcullis.sandbox.rollout import Rollout
from portcullis.sandbox.store import JsonObject, Store

MAX_JSON_BYTES = 2 * 1024 * 1024
MAX_BUNDLE_BYTES = 15 * 1024 * 1024
"""Apigee's limit of a proxy bundle."""

_MAX_PARTS = 10

_UPLOADS = ("application/octet-stream", "multipart/form-data")

_ENDPOINTS = (
    *organizations.ENDPOINTS,
    *environments.ENDPOINTS,
    *keyvaluemaps.ENDPOINTS,
    *targetservers.ENDPOINTS,
    *keystores.ENDPOINTS,
    *references.ENDPOINTS,
    *resourcefiles.ENDPOINTS,
    *flowhooks.ENDPOINTS,
    *debugmasks.ENDPOINTS,
    *debugsessions.ENDPOINTS,
    *proxies.ENDPOINTS,
    *deployments.ENDPOINTS,
    *products.ENDPOINTS,
    *developers.ENDPOINTS,
    *apps.ENDPOINTS,
)

_CUSTOM_METHOD = re.compile(r":[a-z]+[A-Z][A-Za-z]*$")

_NO_CREDENTIALS = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


def create_app(
    store: Store,
    validate_bundle: Callable[[bytes], list[str]],
    on_change: Callable[[], Awaitable[None]],
    lro_delay_seconds: float = 0,
    clock: Clock | None = None,
    undeployable: Callable[[bytes, Mapping[str, bytes]], list[str]] | None = None,
    traces: Callable[[], list[JsonObject]] | None = None,
    rollout: Callable[[], Rollout] = Rollout,
) -> Starlette:
    """Build the API.

    Args:
        store: where everything is kept.
        validate_bundle: names what is wrong with a bundle; asked on import.
        on_change: awaited after every request that may have changed something.
        lro_delay_seconds: how long a long-running operation is seen as not done; meanwhile no other can begin.
        clock: tells the time of timestamps and operations; the machine's own by default.
        undeployable: names what keeps a bundle from running, given the resource files of the environment by type/name;
            asked before a deployment, `validate_bundle` by default.
        traces: what the runtime has traced, for debug sessions; nothing by default.
        rollout: how deployments of proxies go, asked with every look at one; all are ready at once by default.
    """
    service = Service(store, validate_bundle, clock or SystemClock(), lro_delay_seconds, undeployable, traces, rollout)
    routes = [(Route(f"/v1/{item.path}", _unused, methods=[item.method]), item) for item in _ENDPOINTS]

    async def answer(request: Request) -> Response:
        try:
            _authenticate(request)
            endpoint, names = _find(routes, request)
            call = await _read(request, names)
            response = _respond(endpoint.handler(service, call))
        except ManagementError as problem:
            return JSONResponse(problem.body, problem.code)
        except ClientDisconnect:
            return Response(status_code=400)
        if request.method != "GET":
            await on_change()
        return response

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", answer, methods=methods)])


async def _unused(_request: Request) -> Response:
    """Stand in for a route's endpoint: routes are only used to match paths."""
    return Response(status_code=501)


def _authenticate(request: Request) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ManagementError("UNAUTHENTICATED", _NO_CREDENTIALS)


def _find(routes: list[tuple[Route, Endpoint]], request: Request) -> tuple[Endpoint, dict[str, str]]:
    method = _CUSTOM_METHOD.search(request.url.path)
    for route, endpoint in routes:
        match, scope = route.matches(request.scope)
        # `environments/prod:getIamPolicy` is no environment of that name.
        if (
            match is Match.FULL
            and request.method == endpoint.method
            and (not method or endpoint.path.endswith(method[0]))
        ):
            return endpoint, dict(scope["path_params"])
    raise ManagementError(
        "UNIMPLEMENTED", f"the sandbox's Apigee API does not emulate {request.method} {request.url.path}"
    )


async def _read(request: Request, names: dict[str, str]) -> Call:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    upload = media_type in _UPLOADS
    content = await _content(request, MAX_BUNDLE_BYTES if upload else MAX_JSON_BYTES)
    form: dict[str, bytes] = {}
    if media_type == "multipart/form-data":
        content, form = await _uploaded(request, content)
    return Call(
        path=request.url.path.removeprefix("/v1/").strip("/"),
        names=names,
        query=dict(request.query_params),
        body={} if upload else _json(content),
        content=content,
        content_type=media_type,
        form=form,
    )


async def _content(request: Request, limit: int) -> bytes:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > limit:
            raise invalid(f"Request payload size exceeds the limit: {limit} bytes.")
    return bytes(content)


async def _uploaded(request: Request, content: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Return the first file of a form, and every part of it by name."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    try:
        form = await Request(request.scope, receive).form(max_files=_MAX_PARTS, max_fields=_MAX_PARTS)
    except Exception as problem:
        raise invalid(f"the form cannot be read: {problem}") from None
    parts = {name: value.encode() if isinstance(value, str) else await value.read() for name, value in form.items()}
    first = next((name for name, value in form.items() if not isinstance(value, str)), None)
    if first is None:
        raise invalid("the form has no file")
    return parts[first], parts


def _json(content: bytes) -> JsonObject:
    if not content.strip():
        return {}
    try:
        body = json.loads(content)
    except ValueError:
        raise invalid("Invalid JSON payload received. Unexpected token.") from None
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. The body must be an object.")
    return cast("JsonObject", body)


def _respond(answer: Answer) -> Response:
    if isinstance(answer, Raw):
        if not answer.media_type:
            return Response(status_code=204)
        return Response(answer.content, media_type=answer.media_type)
    return JSONResponse(public(answer) if isinstance(answer, dict) else answer)

"""The echo backend: answers with what reached it, so that a caller sees what a backend would."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

MAX_BODY_BYTES = 10 * 1024 * 1024
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app() -> Starlette:
    """Return the app; it answers 200 with `{"backend", "method", "path", "query", "headers", "body"}` to any path.

    `headers` are pairs in the order they came, so that a repeated header shows. A body over 10 MiB is refused with
    413; one that is not UTF-8 is echoed with replacement characters.
    """
    return Starlette(routes=[Route("/{path:path}", _echo, methods=METHODS)])


async def _echo(request: Request) -> JSONResponse:
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        return JSONResponse({"error": f"the body is over {MAX_BODY_BYTES} bytes"}, 413)
    return JSONResponse(
        {
            "backend": request.headers.get("host", ""),
            "method": request.method,
            "path": request.scope["raw_path"].decode("ascii", "replace"),
            "query": request.scope["query_string"].decode("ascii", "replace"),
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers.raw],
            "body": body.decode("utf-8", "replace"),
        }
    )

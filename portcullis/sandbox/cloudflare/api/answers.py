"""What the API answers: the v4 envelope, its errors, and the few answers that are no envelope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response

from portcullis.sandbox.store import JsonObject

# Cloudflare's own numbers; clients tell causes apart by them.
AUTHENTICATION = 10000
NO_SUCH_WORKER = 10007
NO_SUCH_KEY = 10009
NO_SUCH_NAMESPACE = 10013
TITLE_TAKEN = 10014
NO_SUCH_ROUTE_SCRIPT = 10019
DUPLICATE_ROUTE = 10020
INVALID = 10021
INVALID_ROUTE = 10022
TOO_LARGE = 10027
BAD_NAMESPACE_BINDING = 10042
BAD_INHERIT = 10057
NO_SUCH_CLASS = 10061
CLASS_TAKEN = 10074
WRONG_MIGRATION_TAG = 10079
NO_NEW_KV_CLASSES = 10099
CRON_LIMIT = 10072
NO_SUCH_SERVICE = 10090
BAD_CRON = 10100
NOT_LATEST = 10214
NAME_TAKEN = 10040
BAD_BODY = 10026
NOT_EMULATED = 10501
INTERNAL = 10013
BAD_IDENTIFIER = 7003


class ApiError(Exception):
    """A refusal: an HTTP status, Cloudflare's code, and a message that says what to do."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def invalid(message: str, code: int = INVALID) -> ApiError:
    """Return the error of an input that does not hold (400)."""
    return ApiError(400, code, message)


def not_emulated(what: str) -> ApiError:
    """Return the error of something that Cloudflare has and the sandbox has not (501)."""
    return ApiError(501, NOT_EMULATED, f"the sandbox does not emulate {what}")


@dataclass(frozen=True)
class Paged:
    """A list with the position it is at, for `result_info`."""

    result: list[Any]
    info: JsonObject = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Raw:
    """An answer that is no envelope, such as a KV value."""

    content: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def to_response(result: Any) -> Response:
    """Return the HTTP answer of a handler's result."""
    if isinstance(result, Raw):
        return Response(result.content, headers={**result.headers, "Content-Type": result.content_type})
    if isinstance(result, Paged):
        count = len(result.result)
        info = {"count": count, "page": 1, "per_page": max(count, 20), "total_count": count, "total_pages": 1}
        return JSONResponse(_envelope(result.result) | {"result_info": info | result.info})
    return JSONResponse(_envelope(result))


def error_response(error: ApiError) -> JSONResponse:
    """Return the HTTP answer of a refusal.

    The official SDK tries 409, 429 and 5xx again for minutes unless told not to; nothing here passes by itself.
    """
    body = {
        "success": False,
        "errors": [{"code": error.code, "message": str(error)}],
        "messages": [],
        "result": None,
    }
    return JSONResponse(body, error.status, headers={"x-should-retry": "false"})


def _envelope(result: Any) -> JsonObject:
    return {"success": True, "errors": [], "messages": [], "result": result}

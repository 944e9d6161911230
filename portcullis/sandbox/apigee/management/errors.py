"""Errors as Google's APIs answer them: `{"error": {"code", "message", "status", "details"}}` (AIP-193)."""

from __future__ import annotations

from portcullis.sandbox.store import JsonObject

_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "UNIMPLEMENTED": 501,
}


class ManagementError(Exception):
    """A refusal: its status (a name of google.rpc.Code), its message and its details."""

    def __init__(self, status: str, message: str, details: list[JsonObject] | None = None) -> None:
        super().__init__(message)
        self.code = _CODES[status]
        self.status = status
        self.message = message
        self.details = details or []

    @property
    def body(self) -> JsonObject:
        """The answer's body."""
        error: JsonObject = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str) -> ManagementError:
    """400: the request is wrong in itself."""
    return ManagementError("INVALID_ARGUMENT", message)


def bad_field(path: str, description: str) -> ManagementError:
    """400: one member of the body is wrong; `path` in the API's snake_case."""
    detail = {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": path, "description": description}],
    }
    return ManagementError("INVALID_ARGUMENT", description, [detail])


def precondition(message: str, violations: list[JsonObject] | None = None) -> ManagementError:
    """400: the request is right, but not in this state; violations are {type, subject, description}."""
    details = [{"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": violations}]
    return ManagementError("FAILED_PRECONDITION", message, details if violations else None)


def not_found(message: str) -> ManagementError:
    """404."""
    return ManagementError("NOT_FOUND", message)


def already_exists(message: str, violation_type: str = "") -> ManagementError:
    """409."""
    detail = {
        "@type": "type.googleapis.com/google.rpc.PreconditionFailure",
        "violations": [{"type": violation_type, "description": message}],
    }
    return ManagementError("ALREADY_EXISTS", message, [detail] if violation_type else None)

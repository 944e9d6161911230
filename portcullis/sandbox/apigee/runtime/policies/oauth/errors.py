"""How an OAuthV2 policy says no: at a token endpoint in OAuth's words, elsewhere in the default fault body."""

from __future__ import annotations

import json

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault, reason_phrase
from portcullis.sandbox.apigee.runtime.message import Message

STATUS = {"invalid_client": 401}
"""Of the errors of RFC 6749 §5.2; every other is 400."""


class RequestError(Exception):
    """A token request is refused.

    `error` is the error code of RFC 6749 §5.2, `code` the name that Apigee has for it outside of the RFC mode, and
    `cause` the text.
    """

    def __init__(self, error: str, cause: str, code: str = "") -> None:
        super().__init__(cause)
        self.error = error
        self.cause = cause
        self.code = code or error


def token_fault(error: RequestError, *, answers: bool, rfc: bool) -> Fault:
    """Return the fault of a refused token request; where the policy answers itself it carries OAuth's own body."""
    status = STATUS.get(error.error if rfc else error.code, 400)
    fault = Fault(f"steps.oauth.v2.{error.error if rfc else error.code}", error.cause, status)
    if answers or rfc:
        fault.message = _answer(error, status, rfc=rfc)
    return fault


def refused(context: Context, policy: str, error: RequestError, *, answers: bool, rfc: bool) -> Fault:
    """Return the fault of a refused request, with the variables that tell of it set."""
    fault = token_fault(error, answers=answers, rfc=rfc)
    prefix = f"oauthV2.{policy}"
    context.variables.fill({f"{prefix}.fault.name": fault.name, f"{prefix}.fault.cause": error.cause})
    return fault


def _answer(error: RequestError, status: int, *, rfc: bool) -> Message:
    if rfc:
        body = {"error": error.error, "error_description": error.cause}
    else:
        body = {"ErrorCode": error.code, "Error": error.cause}
    answer = Message("response", status=status, reason=reason_phrase(status), content=json.dumps(body).encode())
    answer.headers.set("Content-Type", "application/json")
    if rfc:
        answer.headers.set("Cache-Control", "no-store")
        answer.headers.set("Pragma", "no-cache")
    return answer


def access_fault(code: str, text: str, status: int = 401) -> Fault:
    """Return the fault of an access token that does not open this call, with the challenge that Apigee sends."""
    error = "insufficient_scope" if status == 403 else "invalid_token"
    challenge = f'Bearer realm="null",error="{error}",error_description="{code}: {text}"'
    return Fault(code, text, status, headers=(("WWW-Authenticate", challenge),))

"""Whether a deployed revision of a proxy serves yet: what Apigee says of it, asked until it is sure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import httpx

MAX_WAIT_SECONDS: Final = 900.0
"""The longest wait. Apigee takes seconds for most revisions and minutes where an instance starts."""
POLL_SECONDS: Final = (1.0, 2.0, 3.0, 5.0, 10.0)
"""The pauses between looks; the last goes on."""
MAX_ANSWER_BYTES: Final = 1024 * 1024
MAX_REASON: Final = 600
_REQUEST_TIMEOUT: Final = 30.0
# What a new look cannot mend: the credentials or the names are wrong.
_FINAL: Final = frozenset({400, 401, 403})


class RevisionNotReadyError(RuntimeError):
    """The revision does not serve; the text says which, why and what to do, and holds no credentials."""


@dataclass(frozen=True)
class Revision:
    """A revision of a proxy in an environment."""

    organization: str
    environment: str
    proxy: str
    number: int

    @property
    def path(self) -> str:
        """The path of its deployment in the Apigee API."""
        return (
            f"organizations/{self.organization}/environments/{self.environment}"
            f"/apis/{self.proxy}/revisions/{self.number}/deployments"
        )

    def __str__(self) -> str:
        return f"revision {self.number} of the proxy {self.proxy} in the environment {self.environment}"


@dataclass(frozen=True)
class Waiting:
    """How to wait: a clock in seconds, a pause, and the longest time in all."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    limit_seconds: float = MAX_WAIT_SECONDS


def wait_until_ready(revision: Revision, look: Callable[[Revision], dict[str, Any] | None], waiting: Waiting) -> None:
    """Look until the deployment's `state` is READY.

    `look` returns the deployment (GoogleCloudApigeeV1Deployment), or None where Apigee cannot say yet. Raises
    `RevisionNotReadyError` when the state is ERROR, and when the time is up.
    """
    began, pauses, last = waiting.now(), iter(POLL_SECONDS), "it did not answer"
    while True:
        deployment = look(revision)
        state = "unknown" if deployment is None else str(deployment.get("state", "unknown"))
        if state == "READY":
            return
        if deployment is not None:
            last = f"its state is {state}"
        if state == "ERROR":
            raise RevisionNotReadyError(
                f"Apigee could not bring up {revision}: {_reason(deployment or {})}. The edge was not switched. "
                "Mend the cause and update again; the revision that served before can be deployed in its stead"
            )
        pause = next(pauses, POLL_SECONDS[-1])
        if waiting.now() + pause - began > waiting.limit_seconds:
            raise RevisionNotReadyError(
                f"{revision} is not ready after {waiting.limit_seconds:.0f} s: {last}. The edge was not switched. "
                "Look at the deployment in the Apigee console, and update again when it is ready"
            )
        waiting.sleep(pause)


def look_at(client: httpx.Client, endpoint: str, revision: Revision, token: str) -> dict[str, Any] | None:
    """Ask the Apigee API for the deployment (organizations.environments.apis.revisions.getDeployments).

    `endpoint` ends with `/v1/`. Returns None where another look may help: no connection, 404 (the deployment is not
    known everywhere yet), 429 or 5xx. Raises `RevisionNotReadyError` where it cannot.
    """
    try:
        with client.stream(
            "GET", endpoint + revision.path, headers={"Authorization": f"Bearer {token}"}, timeout=_REQUEST_TIMEOUT
        ) as answer:
            status, body = answer.status_code, _limited(answer)
    except httpx.HTTPError:
        return None
    if status in _FINAL:
        raise RevisionNotReadyError(
            f"Apigee does not say whether {revision} is ready ({status}{_message(body)}): the credentials need the "
            "permission apigee.deployments.get"
        )
    return _object(body) if status == HTTPStatus.OK else None


def _limited(answer: httpx.Response) -> bytes:
    body = b""
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            return b""
    return body


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document: Any = httpx.Response(200, content=body).json()
    except ValueError:
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _message(body: bytes) -> str:
    error: Any = (_object(body) or {}).get("error")
    text = str(cast("dict[str, Any]", error).get("message", "")) if isinstance(error, dict) else ""
    return f": {_plain(text)}" if text else ""


def _reason(deployment: dict[str, Any]) -> str:
    """Put the deployment's errors (google.rpc.Status) into words."""
    errors: Any = deployment.get("errors")
    listed = cast("list[Any]", errors) if isinstance(errors, list) else []
    known = [cast("dict[str, Any]", error) for error in listed if isinstance(error, dict)]
    texts = [str(error["message"]) for error in known if error.get("message")]
    return _plain("; ".join(texts)) if texts else "it gives no reason"


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)[:MAX_REASON].rstrip(". ")

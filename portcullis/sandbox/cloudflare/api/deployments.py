"""Deployments: which versions of a Worker serve, and how much each (`/workers/scripts/{name}/deployments`).

Documents: `cf.deployments` key = "{worker_id}/{deployment_id}"; the last put serves. Old ones stay readable.
"""

from __future__ import annotations

import uuid
from typing import Any

from portcullis.sandbox.cloudflare.api.answers import NO_SUCH_WORKER, ApiError, invalid
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, expect_list, expect_object, member
from portcullis.sandbox.cloudflare.api.workers import DEPLOYMENTS, VERSIONS, find_worker
from portcullis.sandbox.store import JsonObject

LISTED = 10
"""How many deployments a list shows, as Cloudflare does."""

AUTHOR = "operator@sandbox.example"

_MAX_VERSIONS = 2


def deploy(
    call: Call, worker: JsonObject, versions: list[JsonObject], triggered_by: str, message: str | None = None
) -> JsonObject:
    """Store a deployment of checked versions and return its document."""
    annotations = {"workers/triggered_by": triggered_by}
    if message is not None:
        annotations["workers/message"] = message[:1000]
    deployment: JsonObject = {
        "id": str(uuid.uuid4()),
        "strategy": "percentage",
        "versions": versions,
        "annotations": annotations,
        "author_email": AUTHOR,
        "source": "api",
        "created_on": call.time,
    }
    call.data.put(DEPLOYMENTS, f"{worker['id']}/{deployment['id']}", deployment)
    return deployment


def _create(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    body = call.object()
    strategy = member(body, "strategy", str)
    if strategy != "percentage":
        raise invalid(f"strategy must be 'percentage', not {strategy!r}")
    versions = _versions(call, worker, expect_list(body.get("versions"), "versions"))
    annotations = expect_object(body.get("annotations") or {}, "annotations")
    message = annotations.get("workers/message")
    return deploy(call, worker, versions, "deployment", None if message is None else str(message))


def _versions(call: Call, worker: JsonObject, sent: list[Any]) -> list[JsonObject]:
    if not 0 < len(sent) <= _MAX_VERSIONS:
        raise invalid(f"a deployment has 1 to {_MAX_VERSIONS} versions, not {len(sent)}")
    versions = [_version(call, worker, expect_object(item, "a version")) for item in sent]
    if len({version["version_id"] for version in versions}) < len(versions):
        raise invalid("a deployment must not name the same version twice")
    total = sum(version["percentage"] for version in versions)
    if abs(total - 100) > 1e-6:
        raise invalid(f"the versions' percentages must sum to 100, not {total:g}")
    return versions


def _version(call: Call, worker: JsonObject, item: JsonObject) -> JsonObject:
    version_id = member(item, "version_id", str)
    percentage = item.get("percentage")
    if isinstance(percentage, bool) or not isinstance(percentage, (int, float)) or not 0 < percentage <= 100:
        raise invalid(f"the percentage of version {version_id} must be a number above 0, at most 100")
    if call.data.get(VERSIONS, f"{worker['id']}/{version_id}") is None:
        raise ApiError(400, NO_SUCH_WORKER, f"workers.api.error.version_not_found: {version_id} of {worker['name']}")
    return {"version_id": version_id, "percentage": percentage}


def _read(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    deployment = call.data.get(DEPLOYMENTS, f"{worker['id']}/{call.params['deployment']}")
    if deployment is None:
        raise ApiError(404, NO_SUCH_WORKER, f"workers.api.error.deployment_not_found: {call.params['deployment']}")
    return deployment


def _list(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    newest_first = [item for _, item in reversed(call.data.items(DEPLOYMENTS, f"{worker['id']}/"))]
    return {"deployments": newest_first[:LISTED]}


_ALL = "accounts/{account}/workers/scripts/{name}/deployments"
ENDPOINTS = (
    Endpoint("POST", _ALL, _create, edge=True),
    Endpoint("GET", _ALL, _list),
    Endpoint("GET", _ALL + "/{deployment}", _read),
)

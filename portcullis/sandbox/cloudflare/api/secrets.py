"""The secrets of a script, edited one by one (`/workers/scripts/{name}/secrets`), as wrangler does.

Each edit makes a new version from the latest and deploys it; it is refused (10214) where the latest version is not
the one that serves, as that edit would deploy it.
"""

from __future__ import annotations

from portcullis.sandbox.cloudflare.api.answers import NO_SUCH_WORKER, NOT_LATEST, ApiError, Paged, invalid
from portcullis.sandbox.cloudflare.api.bindings import secret_binding
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, member
from portcullis.sandbox.cloudflare.api.deployments import deploy
from portcullis.sandbox.cloudflare.api.versions import Code, add_version, latest_version
from portcullis.sandbox.cloudflare.api.workers import find_worker, newest_deployment
from portcullis.sandbox.store import JsonObject


def _list(call: Call) -> Paged:
    version = latest_version(call, find_worker(call, call.params["name"]))
    return Paged([_view(binding["name"]) for binding in _secrets(version)])


def _put(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    body = call.object()
    kind = member(body, "type", str, "secret_text")
    if kind != "secret_text":
        raise invalid(f"type must be 'secret_text', not {kind!r}")
    binding = secret_binding(member(body, "name", str), member(body, "text", str))
    _edit(call, worker, binding["name"], [binding])
    return _view(binding["name"])


def _delete(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    name = call.params["secret"]
    if all(binding["name"] != name for binding in _secrets(latest_version(call, worker))):
        raise ApiError(404, NO_SUCH_WORKER, f"the Worker has no secret {name}")
    _edit(call, worker, name, [])
    return {}


def _edit(call: Call, worker: JsonObject, name: str, replacement: list[JsonObject]) -> None:
    version = latest_version(call, worker)
    if version is None:
        raise invalid(f"Worker {worker['name']} has no version yet: upload its code first")
    deployment = newest_deployment(call.data, worker["id"])
    if deployment is None or [item["version_id"] for item in deployment["versions"]] != [version["id"]]:
        raise ApiError(
            400,
            NOT_LATEST,
            f"Secret edit failed. You attempted to modify a secret, but the latest version of your Worker "
            f"{worker['name']} isn't currently deployed: deploy it first, or make a version with the secret",
        )
    kept = [binding for binding in version["bindings"] if binding["name"] != name]
    sent = version["settings"] | {"annotations": {}}
    code = Code(version["main_module"], version["modules"], kept + replacement)
    added = add_version(call, worker, sent, code, "secret")
    deploy(call, worker, [{"version_id": added["id"], "percentage": 100}], "secret")


def _secrets(version: JsonObject | None) -> list[JsonObject]:
    return [binding for binding in version["bindings"] if binding["type"] == "secret_text"] if version else []


def _view(name: str) -> JsonObject:
    return {"name": name, "type": "secret_text"}


_ALL = "accounts/{account}/workers/scripts/{name}/secrets"
ENDPOINTS = (
    Endpoint("GET", _ALL, _list),
    Endpoint("PUT", _ALL, _put, edge=True),
    Endpoint("DELETE", _ALL + "/{secret}", _delete, edge=True),
)

"""Workers: what a Worker is apart from its code (`/accounts/{account}/workers/workers`).

Documents: `cf.workers` key = worker id; see `new_worker` for the members.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from portcullis.sandbox.cloudflare.api.answers import NAME_TAKEN, NO_SUCH_WORKER, ApiError, Paged, invalid
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, expect_list, expect_object, member
from portcullis.sandbox.cloudflare.api.changes import Changes
from portcullis.sandbox.cloudflare.api.objects import CLASSES
from portcullis.sandbox.store import JsonObject

WORKERS = "cf.workers"
VERSIONS = "cf.versions"
DEPLOYMENTS = "cf.deployments"
SCHEDULES = "cf.schedules"
ROUTES = "cf.routes"
DOMAINS = "cf.domains"

MAX_TAGS = 20

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_SETTINGS = ("logpush", "tags", "observability", "subdomain", "tail_consumers")


def find_worker(call: Call, key: str, code: int = NO_SUCH_WORKER) -> JsonObject:
    """Return the Worker of the call's account with that id or name; raises `ApiError` (404) where there is none."""
    for worker_id, worker in call.data.items(WORKERS):
        if worker["account"] == call.account and key in (worker_id, worker["name"]):
            return worker
    raise ApiError(404, code, f"This Worker does not exist on your account: {key}")


def worker_named(data: Changes, account: str, name: str) -> JsonObject | None:
    """Return the account's Worker of that name, or `None`."""
    found = (worker for _, worker in data.items(WORKERS) if (worker["account"], worker["name"]) == (account, name))
    return next(found, None)


def new_worker(call: Call, name: str) -> JsonObject:
    """Return the document of a Worker that has only defaults yet, not stored."""
    return {
        "id": uuid.uuid4().hex,
        "account": call.account,
        "name": check_name(name),
        "logpush": False,
        "tags": [],
        "observability": {
            "enabled": False,
            "head_sampling_rate": 1,
            "logs": {"enabled": False, "head_sampling_rate": 1, "invocation_logs": True},
        },
        "subdomain": {"enabled": False, "previews_enabled": False},
        "tail_consumers": [],
        "created_on": call.time,
        "updated_on": call.time,
    }


def check_name(name: str) -> str:
    """Return `name` if a Worker can have it; raises `ApiError`."""
    if not _NAME.fullmatch(name):
        raise invalid(f"the name {name!r} is not allowed: 1 to 63 lowercase letters, digits, _ and -, not - at an end")
    return name


def newest_deployment(data: Changes, worker_id: str) -> JsonObject | None:
    """Return the deployment that serves, or `None` before the first."""
    deployments = data.items(DEPLOYMENTS, f"{worker_id}/")
    return deployments[-1][1] if deployments else None


def remove_worker(data: Changes, worker: JsonObject) -> None:
    """Delete a Worker with everything that is nothing without it."""
    worker_id = worker["id"]
    for collection, member_name in ((ROUTES, "script"), (DOMAINS, "service")):
        for key, document in reversed(data.items(collection)):
            if document["account"] == worker["account"] and document[member_name] == worker["name"]:
                data.delete(collection, key)
    data.delete(SCHEDULES, worker_id)
    data.delete(CLASSES, worker_id)
    data.delete_all(DEPLOYMENTS, f"{worker_id}/")
    data.delete_all(VERSIONS, f"{worker_id}/")
    data.delete(WORKERS, worker_id)


def _create(call: Call) -> JsonObject:
    body = call.object()
    worker = new_worker(call, member(body, "name", str))
    _refuse_taken_name(call, worker)
    worker.update(_settings(body))
    call.data.put(WORKERS, worker["id"], worker)
    return _view(call, worker)


def _read(call: Call) -> JsonObject:
    return _view(call, find_worker(call, call.params["worker"]))


def _list(call: Call) -> Paged:
    return Paged([_view(call, w) for _, w in call.data.items(WORKERS) if w["account"] == call.account])


def _replace(call: Call) -> JsonObject:
    """Update by PUT: settings that are not sent go back to their defaults."""
    old = find_worker(call, call.params["worker"])
    body = call.object()
    worker = new_worker(call, member(body, "name", str)) | {"id": old["id"], "created_on": old["created_on"]}
    return _save(call, old, worker | _settings(body))


def _patch(call: Call) -> JsonObject:
    old = find_worker(call, call.params["worker"])
    body = call.object()
    name = check_name(member(body, "name", str, old["name"]))
    return _save(call, old, old | _settings(body) | {"name": name, "updated_on": call.time})


def _save(call: Call, old: JsonObject, worker: JsonObject) -> JsonObject:
    _refuse_taken_name(call, worker)
    call.data.put(WORKERS, worker["id"], worker)
    if worker["name"] != old["name"]:
        _rename_references(call.data, old, worker["name"])
    return _view(call, worker)


def _rename_references(data: Changes, old: JsonObject, name: str) -> None:
    for collection, member_name in ((ROUTES, "script"), (DOMAINS, "service")):
        for key, document in data.items(collection):
            if document["account"] == old["account"] and document[member_name] == old["name"]:
                data.put(collection, key, document | {member_name: name})


def _delete(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["worker"])
    remove_worker(call.data, worker)
    return {"id": worker["id"]}


def _refuse_taken_name(call: Call, worker: JsonObject) -> None:
    other = worker_named(call.data, call.account, worker["name"])
    if other is not None and other["id"] != worker["id"]:
        raise ApiError(409, NAME_TAKEN, f"a Worker named {worker['name']!r} exists already on this account")


def _settings(body: JsonObject) -> JsonObject:
    """Read the settings that are sent. An object is kept as it was sent: clients compare what they read back."""
    sent = {name: body[name] for name in _SETTINGS if body.get(name) is not None}
    member(sent, "logpush", bool, default=False)
    tags: list[Any] = expect_list(sent.get("tags", []), "tags")
    if len(tags) > MAX_TAGS or not all(isinstance(tag, str) and 0 < len(tag) <= 1024 for tag in tags):
        raise invalid(f"tags must be at most {MAX_TAGS} texts of 1 to 1024 characters")
    for name in ("observability", "subdomain"):
        settings = expect_object(sent.get(name, {}), name)
        member(settings, "enabled", bool, default=False)
    for consumer in expect_list(sent.get("tail_consumers", []), "tail_consumers"):
        member(expect_object(consumer, "a tail consumer"), "name", str)
    return sent


def _view(call: Call, worker: JsonObject) -> JsonObject:
    deployment = newest_deployment(call.data, worker["id"])
    view = {name: value for name, value in worker.items() if name != "account"}
    return view | {
        "deployed_on": deployment["created_on"] if deployment else None,
        "references": {
            "dispatch_namespace_outbounds": [],
            "domains": _domain_references(call.data, worker),
            "durable_objects": [],
            "queues": [],
            "workers": [],
        },
    }


def _domain_references(data: Changes, worker: JsonObject) -> list[JsonObject]:
    return [
        {
            "id": domain["id"],
            "certificate_id": domain["cert_id"],
            "hostname": domain["hostname"],
            "zone_id": domain["zone_id"],
            "zone_name": domain["zone_name"],
        }
        for _, domain in data.items(DOMAINS)
        if (domain["account"], domain["service"]) == (worker["account"], worker["name"])
    ]


_ONE = "accounts/{account}/workers/workers/{worker}"
ENDPOINTS = (
    Endpoint("POST", "accounts/{account}/workers/workers", _create),
    Endpoint("GET", "accounts/{account}/workers/workers", _list),
    Endpoint("GET", _ONE, _read),
    Endpoint("PUT", _ONE, _replace, edge=True),
    Endpoint("PATCH", _ONE, _patch, edge=True),
    Endpoint("DELETE", _ONE, _delete, edge=True),
)

"""Scripts: the older face of Workers, where one upload is a Worker, its version and its deployment.

`workers_script` of the official provider and `wrangler deploy` speak it (`/accounts/{account}/workers/scripts/...`).
What it makes are the same documents as `workers`, `versions` and `deployments` make.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from typing import Any

from portcullis.sandbox.cloudflare.api.answers import (
    BAD_BODY,
    BAD_CRON,
    CRON_LIMIT,
    NO_SUCH_SERVICE,
    Paged,
    Raw,
    invalid,
)
from portcullis.sandbox.cloudflare.api.bindings import kept_bindings, public, read_bindings
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, Part, expect_list, expect_object, member
from portcullis.sandbox.cloudflare.api.deployments import AUTHOR, deploy
from portcullis.sandbox.cloudflare.api.versions import (
    UPLOAD_BYTES,
    Code,
    add_version,
    check_content_type,
    check_modules,
    find_version,
    latest_version,
)
from portcullis.sandbox.cloudflare.api.workers import (
    SCHEDULES,
    VERSIONS,
    WORKERS,
    check_name,
    find_worker,
    new_worker,
    newest_deployment,
    remove_worker,
    worker_named,
)
from portcullis.sandbox.store import JsonObject

MAX_CRONS_OF_ACCOUNT = 250
"""https://developers.cloudflare.com/workers/platform/limits: cron triggers of a paid account."""

_HANDLERS = re.compile(r"\b(?:async\s+)?(fetch|scheduled|queue|email|tail|trace)\s*(?=[(:,}])")
_CRON_FIELD = r"[0-9A-Za-z*/,#?-]+"
_CRON = re.compile(rf"{_CRON_FIELD}(?: {_CRON_FIELD}){{4}}")
_SCRIPT_SETTINGS = ("logpush", "observability", "tags", "tail_consumers")


def _put(call: Call) -> JsonObject:
    """Upload: the Worker is made where there is none, the version is made, and all requests go to it."""
    worker = worker_named(call.data, call.account, check_name(call.params["name"])) or new_worker(
        call, call.params["name"]
    )
    metadata, code = _upload(call, worker)
    settings = {name: metadata[name] for name in ("logpush", "observability") if metadata.get(name) is not None}
    worker = worker | settings | {"updated_on": call.time}
    if metadata.get("tail_consumers") is not None:
        consumers = expect_list(metadata["tail_consumers"], "tail_consumers")
        worker["tail_consumers"] = [
            {"name": member(expect_object(c, "a tail consumer"), "service", str)} for c in consumers
        ]
    call.data.put(WORKERS, worker["id"], worker)
    version = add_version(call, worker, metadata, code, "upload")
    deploy(call, worker, [{"version_id": version["id"], "percentage": 100}], "upload")
    return _script(call, worker)


def _upload(call: Call, worker: JsonObject) -> tuple[JsonObject, Code]:
    parts = call.parts()
    metadata = _metadata(parts)
    if metadata.get("body_part"):
        raise invalid("the sandbox runs ES modules only: set main_module, and export default { fetch() { … } }")
    main_module = member(metadata, "main_module", str)
    modules = [_module(part) for part in parts if part.name != "metadata"]
    check_modules(modules, main_module)
    previous = latest_version(call, worker)
    bindings = read_bindings(call, metadata.get("bindings") or [], previous)
    kinds = expect_list(metadata.get("keep_bindings") or [], "keep_bindings")
    return metadata, Code(main_module, modules, bindings + kept_bindings(previous, kinds, bindings))


def _metadata(parts: list[Part]) -> JsonObject:
    part = next((part for part in parts if part.name == "metadata"), None)
    if part is None:
        raise invalid("the form has no part named metadata", BAD_BODY)
    try:
        return expect_object(json.loads(part.content), "metadata")
    except (ValueError, RecursionError):
        raise invalid("metadata is not JSON", BAD_BODY) from None


def _module(part: Part) -> JsonObject:
    name = part.filename or part.name
    content_type = check_content_type(name, part.content_type)
    return {"name": name, "content_type": content_type, "content_base64": base64.b64encode(part.content).decode()}


def _list(call: Call) -> Paged:
    workers = [worker for _, worker in call.data.items(WORKERS) if worker["account"] == call.account]
    return Paged([_script(call, worker) for worker in workers])


def _delete(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    remove_worker(call.data, worker)
    return {"id": worker["name"]}


def _service(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"], NO_SUCH_SERVICE)
    environment: JsonObject = {
        "environment": "production",
        "created_on": worker["created_on"],
        "modified_on": worker["updated_on"],
        "script": _script(call, worker),
    }
    return {
        "id": worker["name"],
        "created_on": worker["created_on"],
        "modified_on": worker["updated_on"],
        "default_environment": environment,
        "environments": [environment],
    }


def _script(call: Call, worker: JsonObject) -> JsonObject:
    version = latest_version(call, worker)
    deployment = newest_deployment(call.data, worker["id"])
    view: JsonObject = {
        "id": worker["name"],
        "tag": worker["id"],
        "tags": worker["tags"],
        "created_on": worker["created_on"],
        "modified_on": deployment["created_on"] if deployment else worker["updated_on"],
        "logpush": worker["logpush"],
        "has_assets": False,
        "has_modules": version is not None,
        "handlers": [],
        "named_handlers": [],
        "last_deployed_from": "api",
    }
    if version is None:
        return view
    return view | {
        "etag": _etag(version),
        "handlers": _handlers(version),
        "compatibility_date": version["compatibility_date"],
        "compatibility_flags": version["compatibility_flags"],
        "usage_model": version["settings"].get("usage_model", "standard"),
    }


def _etag(version: JsonObject) -> str:
    return hashlib.sha256(json.dumps(version["modules"], sort_keys=True).encode()).hexdigest()


def _handlers(version: JsonObject) -> list[str]:
    """Return the event handlers that the main module's text names; Cloudflare runs it to find out."""
    main = next(module for module in version["modules"] if module["name"] == version["main_module"])
    text = base64.b64decode(main["content_base64"]).decode("utf-8", "replace")
    return sorted(set(_HANDLERS.findall(text)))


def _settings(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    version = latest_version(call, worker)
    settings: JsonObject = version["settings"] if version else {}
    return {
        **_script_settings_of(worker),
        "bindings": [public(binding) for binding in version["bindings"]] if version else [],
        "compatibility_date": version["compatibility_date"] if version else "",
        "compatibility_flags": version["compatibility_flags"] if version else [],
        "usage_model": settings.get("usage_model", "standard"),
        "placement": settings.get("placement", {}),
        **({"limits": settings["limits"]} if "limits" in settings else {}),
        **({"annotations": version["annotations"]} if version else {}),
    }


def _script_settings(call: Call) -> JsonObject:
    return _script_settings_of(find_worker(call, call.params["name"]))


def _patch_script_settings(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    sent = {name: value for name, value in call.object().items() if name in _SCRIPT_SETTINGS and value is not None}
    if "tail_consumers" in sent:
        consumers = expect_list(sent["tail_consumers"], "tail_consumers")
        sent["tail_consumers"] = [
            {"name": member(expect_object(c, "a tail consumer"), "service", str)} for c in consumers
        ]
    worker = worker | sent | {"updated_on": call.time}
    call.data.put(WORKERS, worker["id"], worker)
    return _script_settings_of(worker)


def _script_settings_of(worker: JsonObject) -> JsonObject:
    return {
        "logpush": worker["logpush"],
        "observability": worker["observability"],
        "tags": worker["tags"],
        "tail_consumers": [{"service": consumer["name"]} for consumer in worker["tail_consumers"]],
    }


def _content(call: Call) -> Raw:
    """Answer the latest version's modules as a form, the main one first: some clients read no further."""
    worker = find_worker(call, call.params["name"])
    version = latest_version(call, worker)
    if version is None:
        raise invalid(f"Worker {worker['name']} has no version yet")
    main: str = version["main_module"]
    boundary = secrets.token_hex(16)
    parts = b"".join(
        _part(boundary, module) for module in sorted(version["modules"], key=lambda module: module["name"] != main)
    )
    content = parts + f"--{boundary}--\r\n".encode()
    return Raw(content, f"multipart/form-data; boundary={boundary}", {"cf-entrypoint": main, "etag": _etag(version)})


def _part(boundary: str, module: JsonObject) -> bytes:
    name = module["name"].replace('"', "%22")
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: {module['content_type']}\r\n\r\n"
    )
    return head.encode() + base64.b64decode(module["content_base64"]) + b"\r\n"


def _upload_version(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    metadata, code = _upload(call, worker)
    return _version_view(call, worker, add_version(call, worker, metadata, code, "version_upload"))


def _versions(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    versions = call.data.items(VERSIONS, f"{worker['id']}/")
    return {"items": [_version_view(call, worker, version) for _, version in reversed(versions)]}


def _version(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    return _version_view(call, worker, find_version(call, worker, call.params["version"]))


def _version_view(call: Call, worker: JsonObject, version: JsonObject) -> JsonObject:
    script = _script(call, worker)
    return {
        "id": version["id"],
        "number": version["number"],
        "annotations": version["annotations"],
        "metadata": {
            "author_email": AUTHOR,
            "source": version["source"],
            "created_on": version["created_on"],
            "modified_on": version["created_on"],
            "hasPreview": False,
        },
        "resources": {
            "bindings": [public(binding) for binding in version["bindings"]],
            "script": {
                "etag": _etag(version),
                "handlers": _handlers(version),
                "last_deployed_from": script["last_deployed_from"],
            },
            "script_runtime": {
                "compatibility_date": version["compatibility_date"],
                "compatibility_flags": version["compatibility_flags"],
                "usage_model": version["settings"].get("usage_model", "standard"),
            },
        },
    }


def _subdomain(call: Call) -> JsonObject:
    return find_worker(call, call.params["name"])["subdomain"]


def _put_subdomain(call: Call) -> JsonObject:
    body = call.object()
    enabled = member(body, "enabled", bool)
    return _save_subdomain(call, enabled, member(body, "previews_enabled", bool, default=enabled))


def _delete_subdomain(call: Call) -> JsonObject:
    return _save_subdomain(call, enabled=False, previews_enabled=False)


def _save_subdomain(call: Call, enabled: bool, previews_enabled: bool) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    subdomain = {"enabled": enabled, "previews_enabled": previews_enabled}
    call.data.put(WORKERS, worker["id"], worker | {"subdomain": subdomain, "updated_on": call.time})
    return subdomain


def _schedules(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["name"])
    return call.data.get(SCHEDULES, worker["id"]) or {"schedules": []}


def _put_schedules(call: Call) -> JsonObject:
    """Replace all cron triggers of a Worker; one that stays keeps the time it was made."""
    worker = find_worker(call, call.params["name"])
    body: Any = call.json()
    sent = expect_list(body, "the body")
    old = {item["cron"]: item for item in _schedules(call)["schedules"]}
    crons = [_cron(member(expect_object(item, "a schedule"), "cron", str)) for item in sent]
    others = sum(len(item["schedules"]) for key, item in call.data.items(SCHEDULES) if key != worker["id"])
    if len(crons) + others > MAX_CRONS_OF_ACCOUNT:
        raise invalid(f"an account has at most {MAX_CRONS_OF_ACCOUNT} cron triggers", CRON_LIMIT)
    new = [old.get(cron) or {"cron": cron, "created_on": call.time, "modified_on": call.time} for cron in crons]
    if new:
        call.data.put(SCHEDULES, worker["id"], {"schedules": new})
    else:
        call.data.delete(SCHEDULES, worker["id"])
    return {"schedules": new}


def _cron(cron: str) -> str:
    if not _CRON.fullmatch(cron):
        raise invalid(f"invalid cron string: {cron!r}; write five fields such as */10 * * * *", BAD_CRON)
    return cron


_ALL = "accounts/{account}/workers/scripts"
_ONE = _ALL + "/{name}"
ENDPOINTS = (
    Endpoint("GET", "accounts/{account}/workers/services/{name}", _service),
    Endpoint("GET", _ALL, _list),
    Endpoint("PUT", _ONE, _put, edge=True, limit=UPLOAD_BYTES),
    Endpoint("GET", _ONE, _content),
    Endpoint("DELETE", _ONE, _delete, edge=True),
    Endpoint("GET", _ONE + "/settings", _settings),
    Endpoint("GET", _ONE + "/script-settings", _script_settings),
    Endpoint("PATCH", _ONE + "/script-settings", _patch_script_settings),
    Endpoint("GET", _ONE + "/content/v2", _content),
    Endpoint("GET", _ONE + "/versions", _versions),
    Endpoint("POST", _ONE + "/versions", _upload_version, limit=UPLOAD_BYTES),
    Endpoint("GET", _ONE + "/versions/{version}", _version),
    Endpoint("GET", _ONE + "/subdomain", _subdomain),
    Endpoint("POST", _ONE + "/subdomain", _put_subdomain),
    Endpoint("DELETE", _ONE + "/subdomain", _delete_subdomain),
    Endpoint("GET", _ONE + "/schedules", _schedules),
    Endpoint("PUT", _ONE + "/schedules", _put_schedules, edge=True),
)

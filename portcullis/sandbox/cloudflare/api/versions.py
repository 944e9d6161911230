"""Worker versions: code with its bindings, never changed once made (`/workers/workers/{worker}/versions`).

Documents: `cf.versions` key = "{worker_id}/{version_id}"; secret texts are in them, and in no answer. Deleting a
version is not offered: Cloudflare keeps them for rollbacks.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from typing import Any

from portcullis.sandbox.cloudflare.api.answers import (
    NO_SUCH_WORKER,
    TOO_LARGE,
    ApiError,
    Paged,
    invalid,
    not_emulated,
)
from portcullis.sandbox.cloudflare.api.bindings import public, read_bindings
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, expect_list, expect_object, member, name_member
from portcullis.sandbox.cloudflare.api.deployments import deploy
from portcullis.sandbox.cloudflare.api.objects import check_class, migrate
from portcullis.sandbox.cloudflare.api.workers import VERSIONS, find_worker, worker_named
from portcullis.sandbox.store import JsonObject

MAX_CODE_BYTES = 64 * 1024 * 1024
MAX_MODULES = 250
UPLOAD_BYTES = MAX_CODE_BYTES * 4 // 3 + 1024 * 1024
"""The largest body: the code in base64, and the rest."""

ES_MODULE = "application/javascript+module"
PYTHON_MODULE = "text/x-python"
CONTENT_TYPES = frozenset(
    {
        ES_MODULE,
        "application/javascript",
        "application/json",
        "application/octet-stream",
        "application/source-map",
        "application/wasm",
        "text/javascript",
        "text/plain",
        PYTHON_MODULE,
        "text/x-python-requirement",
    }
)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# Members of an upload that would change what runs, and that the edge runtime cannot honour.
_NOT_EMULATED = ("assets", "containers", "exports")
_NOT_SETTINGS = frozenset({"modules", "bindings", "annotations", "migrations", *_NOT_EMULATED})


def latest_version(call: Call, worker: JsonObject) -> JsonObject | None:
    """Return the Worker's newest version, or `None` before the first."""
    versions = call.data.items(VERSIONS, f"{worker['id']}/")
    return versions[-1][1] if versions else None


def find_version(call: Call, worker: JsonObject, version_id: str) -> JsonObject:
    """Return the version of that id, or the newest for "latest"; raises `ApiError` (404)."""
    if version_id == "latest":
        version = latest_version(call, worker)
    else:
        version = call.data.get(VERSIONS, f"{worker['id']}/{version_id}")
    if version is None:
        raise ApiError(404, NO_SUCH_WORKER, f"workers.api.error.version_not_found: {version_id}")
    return version


@dataclass(frozen=True)
class Code:
    """What a version runs, as checked.

    Attributes:
        main_module: the name of the module that is called.
        modules: {name, content_type, content_base64} each.
        bindings: in the order sent, with the texts of secrets.
    """

    main_module: str
    modules: list[JsonObject]
    bindings: list[JsonObject]


def add_version(call: Call, worker: JsonObject, sent: JsonObject, code: Code, triggered_by: str) -> JsonObject:
    """Store a version and return its document.

    Args:
        call: the call it is made in.
        worker: whose version it is.
        sent: the upload as it was sent; its other settings are read back as they were.
        code: its modules and bindings.
        triggered_by: what is told as the reason in its annotations.

    Raises:
        ApiError: the compatibility settings are malformed, or it asks for what the sandbox does not emulate.
    """
    for name in _NOT_EMULATED:
        if sent.get(name):
            raise not_emulated(f"{name} of a Worker version")
    previous = latest_version(call, worker)
    migration_tag = migrate(call, worker, sent.get("migrations"))
    for binding in code.bindings:
        if binding["type"] == "durable_object_namespace":
            script = binding.get("script_name")
            check_class(call, worker_named(call.data, call.account, script) if script else worker, binding)
    version: JsonObject = {
        "id": str(uuid.uuid4()),
        "number": previous["number"] + 1 if previous else 1,
        "main_module": code.main_module,
        "compatibility_date": _compatibility_date(sent),
        "compatibility_flags": _flags(sent),
        "bindings": code.bindings,
        "modules": code.modules,
        "settings": _settings(sent),
        "annotations": _annotations(sent) | {"workers/triggered_by": triggered_by},
        "migrations": sent.get("migrations"),
        "migration_tag": migration_tag,
        "created_on": call.time,
        "source": "api",
    }
    call.data.put(VERSIONS, f"{worker['id']}/{version['id']}", version)
    return version


def _settings(sent: JsonObject) -> JsonObject:
    settings = {name: value for name, value in sent.items() if name not in _NOT_SETTINGS and value is not None}
    # Clients compare what they read back: no bindings and an empty list of them are not the same.
    return settings | ({"bindings": []} if sent.get("bindings") == [] else {})


def check_modules(modules: list[JsonObject], main_module: str) -> None:
    """Check a version's modules: number, names, types, size, and that the main one is code; raises `ApiError`."""
    if len(modules) > MAX_MODULES:
        raise invalid(f"a version has at most {MAX_MODULES} modules, not {len(modules)}")
    names = [module["name"] for module in modules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise invalid(f"modules must have different names; twice: {', '.join(twice)}")
    size = sum(len(module["content_base64"]) * 3 // 4 for module in modules)
    if size > MAX_CODE_BYTES:
        raise ApiError(413, TOO_LARGE, f"the modules have {size} bytes; {MAX_CODE_BYTES} is the most")
    main = next((module for module in modules if module["name"] == main_module), None)
    if main is None:
        raise invalid(f"the main module {main_module!r} is not among the modules: {', '.join(sorted(names)) or 'none'}")
    if main["content_type"] not in (ES_MODULE, PYTHON_MODULE):
        raise invalid(f"the main module {main_module!r} must be of type {ES_MODULE}, not {main['content_type']}")


def check_content_type(name: str, content_type: str) -> str:
    """Return the module's type if Cloudflare knows it; raises `ApiError`."""
    if content_type not in CONTENT_TYPES:
        known = ", ".join(sorted(CONTENT_TYPES))
        raise invalid(f"module {name!r} has type {content_type!r}, which is none of {known}")
    return content_type


def _create(call: Call) -> JsonObject:
    worker = find_worker(call, call.params["worker"])
    body = call.object()
    main_module = name_member(body, "main_module", 255)
    modules = [_read_module(item) for item in expect_list(body.get("modules"), "modules")]
    check_modules(modules, main_module)
    bindings = read_bindings(call, body.get("bindings") or [], latest_version(call, worker))
    version = add_version(call, worker, body, Code(main_module, modules, bindings), "create_version_api")
    if call.query.get("deploy") == "true":
        deploy(call, worker, [{"version_id": version["id"], "percentage": 100}], "create_version_api")
    return _view(version, with_modules=False)


def _read(call: Call) -> JsonObject:
    version = find_version(call, find_worker(call, call.params["worker"]), call.params["version"])
    return _view(version, with_modules=call.query.get("include") == "modules")


def _list(call: Call) -> Paged:
    worker = find_worker(call, call.params["worker"])
    versions = call.data.items(VERSIONS, f"{worker['id']}/")
    return Paged([_view(version, with_modules=False) for _, version in reversed(versions)])


def _read_module(item: Any) -> JsonObject:
    module = expect_object(item, "a module")
    name = name_member(module, "name", 255)
    content_type = check_content_type(name, member(module, "content_type", str))
    content = member(module, "content_base64", str)
    try:
        base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"module {name!r} has content_base64 that is not base64") from None
    return {"name": name, "content_type": content_type, "content_base64": content}


def _compatibility_date(sent: JsonObject) -> str:
    date = sent.get("compatibility_date") or ""
    if not isinstance(date, str) or (date and not _DATE.fullmatch(date)):
        raise invalid(f"compatibility_date {date!r} is not a date like 2026-07-01")
    return date


def _flags(sent: JsonObject) -> list[str]:
    flags = expect_list(sent.get("compatibility_flags") or [], "compatibility_flags")
    if not all(isinstance(flag, str) for flag in flags):
        raise invalid("compatibility_flags must be texts")
    return flags


def _annotations(sent: JsonObject) -> JsonObject:
    annotations = expect_object(sent.get("annotations") or {}, "annotations")
    return {name: str(value)[:1000] for name, value in annotations.items() if value is not None}


def _view(version: JsonObject, *, with_modules: bool) -> JsonObject:
    view: JsonObject = version["settings"] | {
        "id": version["id"],
        "number": version["number"],
        "annotations": version["annotations"],
        "created_on": version["created_on"],
        "source": version["source"],
        "urls": [],
    }
    if version.get("migrations"):
        # Clients compare what they read back: without it a refresh would find that it was taken away.
        view["migrations"] = version["migrations"]
    if version.get("migration_tag"):
        view["migration_tag"] = version["migration_tag"]
    if version["bindings"]:
        view["bindings"] = [public(binding) for binding in version["bindings"]]
    if with_modules:
        view["modules"] = version["modules"]
    return view


_ALL = "accounts/{account}/workers/workers/{worker}/versions"
ENDPOINTS = (
    # With ?deploy=true it is deployed as well.
    Endpoint("POST", _ALL, _create, edge=True, limit=UPLOAD_BYTES),
    Endpoint("GET", _ALL, _list),
    Endpoint("GET", _ALL + "/{version}", _read),
)

"""A Worker version as one workerd process: its configuration file, the files that embeds, its environment."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from portcullis.sandbox.cloudflare.edge.bindings import (
    Bindings,
    ObjectClass,
    module_source,
    object_service,
    read_bindings,
)
from portcullis.sandbox.cloudflare.edge.capnp import Embed, Enumerant, Value, document
from portcullis.sandbox.cloudflare.edge.errors import EdgeRejected
from portcullis.sandbox.store import JsonObject

WORKER_SOCKET = "worker"
CONTROL_SOCKET = "control"
CF_HEADER = "cf-portcullis-cf"
"""Carries `request.cf` from the front to workerd; a client's copy is removed with every other `CF-` header."""
SCHEME_HEADER = "portcullis-scheme"
"""Tells the outbound listener the scheme of the URL that a Worker fetches; workerd sets it."""

OBJECTS = "objects"
"""The folder, in the working directory of the process, that Durable Objects are kept in."""

_OLDEST_DATE = "2021-11-02"
"""What Cloudflare takes for an upload without a compatibility date."""

_OWN_DATE = "2026-01-01"

_MODULE_KINDS = {
    "application/javascript+module": "esModule",
    "text/javascript+module": "esModule",
    "application/javascript": "commonJsModule",
    "text/javascript": "commonJsModule",
    "application/json": "json",
    "text/plain": "text",
    "text/html": "text",
    "text/sql": "text",
    "application/wasm": "wasm",
    "application/octet-stream": "data",
}
_BINARY_KINDS = ("wasm", "data")
_IGNORED_TYPES = ("application/source-map",)


@dataclass(frozen=True)
class RunnableVersion:
    """What is written and set to start workerd; `environment` holds the secrets and is in no file."""

    name: str
    config: str
    files: Mapping[str, bytes] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)


def runnable(
    name: str, version: JsonObject, scripts: Mapping[str, JsonObject], kv_url: str, outbound_url: str
) -> RunnableVersion:
    """Translate a version document.

    Args:
        name: of the Worker, for the log.
        version: a document of `cf.versions`.
        scripts: the deployed version of each Worker, by the Worker's name, for the Durable Object classes of others.
        kv_url: base URL of the sandbox's KV service.
        outbound_url: base URL of the listener that answers for the internet.

    Raises:
        EdgeRejected: a binding or a module is of a type that the sandbox lacks, or is not what its type says.
    """
    bindings = read_bindings(version, urlsplit(kv_url).netloc)
    files: dict[str, bytes] = {}
    modules = _modules(version, files)
    worker: dict[str, Value] = {
        "modules": modules,
        "compatibilityDate": version.get("compatibility_date") or _OLDEST_DATE,
        "compatibilityFlags": list(version.get("compatibility_flags") or []),
        "bindings": bindings.bindings,
        "globalOutbound": "internet",
        "cacheApiOutbound": "cache",
    }
    _hold_objects(worker, [wanted.name for wanted in bindings.objects if wanted.script is None], name)
    outbound = {"address": urlsplit(outbound_url).netloc, "http": {"forwardedProtoHeader": SCHEME_HEADER}}
    services: dict[str, Value] = {
        "worker": {"worker": worker},
        "control": {"worker": _own_worker("control", files, [{"name": "WORKER", "service": "worker"}])},
        "cache": {"worker": _own_worker("no_cache", files, [])},
        "internet": {"external": outbound},
        **bindings.services,
        **_object_services(bindings.objects, scripts, files),
    }
    config: dict[str, Value] = {
        "services": [{"name": service, **_members(value)} for service, value in services.items()],
        "sockets": _sockets(),
        "extensions": _extensions(bindings, files),
        "logging": {"structuredLogging": True},
    }
    _check_text(config, version)
    return RunnableVersion(name, document(config), files, bindings.environment)


def _hold_objects(worker: dict[str, Value], classes: list[str], script: str) -> None:
    """Let a Worker hold Durable Objects of these classes, on the disk of its own process."""
    if not classes:
        return
    worker["durableObjectNamespaces"] = [
        {"className": name, "uniqueKey": f"{script}.{name}", "enableSql": True} for name in classes
    ]
    worker["durableObjectStorage"] = {"localDisk": OBJECTS}


def _object_services(
    objects: list[ObjectClass], scripts: Mapping[str, JsonObject], files: dict[str, bytes]
) -> dict[str, Value]:
    """Return the services that hold Durable Objects: other Workers' code, in the process that is bound to it."""
    services: dict[str, Value] = {}
    for script in dict.fromkeys(wanted.script for wanted in objects if wanted.script is not None):
        version = scripts.get(script)
        if version is None:
            raise EdgeRejected(
                f"the Worker `{script}` has Durable Object classes that are bound to, and is not deployed"
            )
        if version["bindings"]:
            raise EdgeRejected(
                f"the Worker `{script}` has Durable Object classes and bindings, which the sandbox lacks"
            )
        worker: dict[str, Value] = {
            "modules": _modules(version, files),
            "compatibilityDate": version.get("compatibility_date") or _OLDEST_DATE,
            "compatibilityFlags": list(version.get("compatibility_flags") or []),
            "globalOutbound": "internet",
        }
        _hold_objects(worker, [wanted.name for wanted in objects if wanted.script == script], script)
        services[object_service(script)] = {"worker": worker}
    return services | ({OBJECTS: {"disk": {"path": OBJECTS, "writable": True}}} if objects else {})


def _modules(version: JsonObject, files: dict[str, bytes]) -> list[Value]:
    """Return the modules, the main one first, and put their contents into `files`."""
    main = _module_name(version["main_module"])
    modules: dict[str, Value] = {}
    for module in version["modules"]:
        name, content_type = _module_name(module["name"]), module["content_type"].partition(";")[0].strip().lower()
        if content_type in _IGNORED_TYPES:
            continue
        kind = _MODULE_KINDS.get(content_type)
        if kind is None:
            raise EdgeRejected(f"module `{name}` has type `{content_type}`; use one of {', '.join(_MODULE_KINDS)}")
        path = f"module{len(files)}"
        files[path] = _content(name, module["content_base64"], binary=kind in _BINARY_KINDS)
        modules[name] = {"name": name, kind: Embed(path)}
    if main not in modules:
        raise EdgeRejected(f"main module `{main}` is not among the modules: {', '.join(modules) or 'there are none'}")
    return [modules.pop(main), *modules.values()]


def _module_name(name: str) -> str:
    # workerd resolves `import "./policy.json"` in `index.js` to `policy.json`.
    return name.removeprefix("./")


def _content(name: str, content_base64: str, *, binary: bool) -> bytes:
    try:
        content = base64.b64decode(content_base64, validate=True)
        if not binary:
            content.decode("utf-8")
    except binascii.Error:
        raise EdgeRejected(f"module `{name}` is not base64") from None
    except UnicodeDecodeError:
        raise EdgeRejected(f"module `{name}` is not UTF-8 text") from None
    return content


def _own_worker(module: str, files: dict[str, bytes], bindings: list[Value]) -> Value:
    path = f"{module}.js"
    files[path] = module_source(module).encode()
    return {
        "modules": [{"name": path, "esModule": Embed(path)}],
        "compatibilityDate": _OWN_DATE,
        "compatibilityFlags": ["service_binding_extra_handlers"],
        "bindings": bindings,
    }


def _sockets() -> list[Value]:
    return [
        {
            "name": WORKER_SOCKET,
            "address": "127.0.0.1:0",
            # The request line carries the whole URL, so that scheme, host and path are the front's to the byte.
            "http": {"style": Enumerant("proxy"), "cfBlobHeader": CF_HEADER},
            "service": "worker",
        },
        {"name": CONTROL_SOCKET, "address": "127.0.0.1:0", "http": {}, "service": "control"},
    ]


def _extensions(bindings: Bindings, files: dict[str, bytes]) -> list[Value]:
    modules: list[Value] = []
    for number, (name, source) in enumerate(bindings.extensions.items()):
        path = f"extension{number}"
        files[path] = source.encode()
        modules.append({"name": name, "esModule": Embed(path), "internal": True})
    return [{"modules": modules}] if modules else []


def _members(value: Value) -> dict[str, Value]:
    if not isinstance(value, Mapping):
        raise TypeError("a service is a struct")
    return dict(value)


def _check_text(config: Mapping[str, Value], version: JsonObject) -> None:
    """Refuse half a surrogate pair, which JSON can carry and no file can."""
    try:
        document(config).encode()
        for binding in version["bindings"]:
            str(binding.get("text", "")).encode()
    except UnicodeEncodeError:
        raise EdgeRejected("a binding or a module's name has text that is not Unicode") from None

"""The bindings of a Worker version as workerd is told of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from portcullis.sandbox.cloudflare.edge.capnp import Value
from portcullis.sandbox.cloudflare.edge.errors import EdgeRejected
from portcullis.sandbox.store import JsonObject

NAMESPACE_HEADER = "portcullis-kv-namespace"
"""Tells the sandbox's KV service which namespace a request is for; workerd sets it, so no Worker can."""

RATELIMIT_HEADER = "portcullis-ratelimit"
"""Tells the same listener that a request is a rate limiter's."""

_RATELIMIT_PERIODS = (10, 60)


@dataclass(frozen=True)
class ObjectClass:
    """A Durable Object class that a version is bound to; `script` is the Worker that has it, None for its own."""

    script: str | None
    name: str


@dataclass
class Bindings:
    """What the bindings of one version add to the configuration of its workerd."""

    bindings: list[Value] = field(default_factory=list[Value])
    services: dict[str, Value] = field(default_factory=dict[str, Value])
    extensions: dict[str, str] = field(default_factory=dict[str, str])
    environment: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    objects: list[ObjectClass] = field(default_factory=list["ObjectClass"])


def read_bindings(version: JsonObject, kv_address: str) -> Bindings:
    """Translate the bindings of a version; `kv_address` is the host and port of the sandbox's KV service.

    The text of a secret becomes a variable of the process's environment, and so is in no file. Raises
    `EdgeRejected`, which names the binding, for a type that the sandbox does not have.
    """
    found = Bindings()
    for binding in version["bindings"]:
        kind = binding["type"]
        translate = _TRANSLATORS.get(kind)
        if translate is None:
            known = ", ".join(sorted(_TRANSLATORS))
            raise EdgeRejected(f"binding `{binding['name']}` has type `{kind}`, which the sandbox lacks; use {known}")
        try:
            translate(found, binding, version, kv_address)
        except KeyError as missing:
            raise EdgeRejected(f"binding `{binding['name']}` of type `{kind}` has no {missing}") from None
    return found


def _plain_text(found: Bindings, binding: JsonObject, _version: JsonObject, _address: str) -> None:
    found.bindings.append({"name": binding["name"], "text": binding["text"]})


def _secret_text(found: Bindings, binding: JsonObject, _version: JsonObject, _address: str) -> None:
    text: str = binding["text"]
    if "\0" in text:
        raise EdgeRejected(f"binding `{binding['name']}` has a NUL character in its secret")
    variable = f"SECRET_{len(found.environment)}"
    found.environment[variable] = text
    found.bindings.append({"name": binding["name"], "fromEnvironment": variable})


def _json(found: Bindings, binding: JsonObject, _version: JsonObject, _address: str) -> None:
    value: Any = binding["json"]
    # The provider sends the JSON as text, wrangler as a value.
    text = value if isinstance(value, str) else json.dumps(value)
    found.bindings.append({"name": binding["name"], "json": text})


def _version_metadata(found: Bindings, binding: JsonObject, version: JsonObject, _address: str) -> None:
    annotations: JsonObject = version.get("annotations") or {}
    metadata = {
        "id": version["id"],
        "tag": annotations.get("workers/tag", ""),
        "timestamp": version.get("created_on", ""),
    }
    found.bindings.append({"name": binding["name"], "json": json.dumps(metadata)})


def _kv_namespace(found: Bindings, binding: JsonObject, _version: JsonObject, address: str) -> None:
    service = f"kv:{binding['namespace_id']}"
    found.services[service] = _kv_service(address, NAMESPACE_HEADER, binding["namespace_id"])
    found.bindings.append({"name": binding["name"], "kvNamespace": service})


def _ratelimit(found: Bindings, binding: JsonObject, _version: JsonObject, address: str) -> None:
    simple = binding["simple"]
    limit, period = simple["limit"], simple["period"]
    if period not in _RATELIMIT_PERIODS:
        raise EdgeRejected(f"binding `{binding['name']}` has period {period}; a rate limit's period is 10 or 60 s")
    if not isinstance(limit, int) or limit < 1:
        raise EdgeRejected(f"binding `{binding['name']}` has limit {limit}; it must be a number from 1")
    found.services["ratelimit"] = _kv_service(address, RATELIMIT_HEADER, "1")
    settings = {"namespace": str(binding["namespace_id"]), "limit": limit, "period": period}
    _wrapped(found, binding["name"], "ratelimit", settings, service="ratelimit")


def _ai(found: Bindings, binding: JsonObject, _version: JsonObject, _address: str) -> None:
    _wrapped(found, binding["name"], "ai", {})


def _analytics_engine(found: Bindings, binding: JsonObject, _version: JsonObject, _address: str) -> None:
    _wrapped(found, binding["name"], "analytics_engine", {"dataset": binding["dataset"]})


def _durable_object_namespace(found: Bindings, binding: JsonObject, _version: JsonObject, _address: str) -> None:
    wanted = ObjectClass(binding.get("script_name"), binding["class_name"])
    if wanted not in found.objects:
        found.objects.append(wanted)
    service = {} if wanted.script is None else {"serviceName": object_service(wanted.script)}
    found.bindings.append({"name": binding["name"], "durableObjectNamespace": {"className": wanted.name, **service}})


def object_service(script: str) -> str:
    """Return the name of the service that runs another Worker's Durable Object classes."""
    return f"objects:{script}"


def _wrapped(found: Bindings, name: str, module: str, settings: JsonObject, service: str | None = None) -> None:
    inner: list[Value] = [{"name": "settings", "json": json.dumps(settings)}]
    if service is not None:
        inner.append({"name": "service", "service": service})
    found.extensions[f"portcullis-internal:{module}"] = module_source(module)
    found.bindings.append(
        {"name": name, "wrapped": {"moduleName": f"portcullis-internal:{module}", "innerBindings": inner}}
    )


def _kv_service(address: str, header: str, value: str) -> Value:
    return {"external": {"address": address, "http": {"injectRequestHeaders": [{"name": header, "value": value}]}}}


def module_source(name: str) -> str:
    """Return the source of one of the sandbox's own JavaScript modules."""
    return (resources.files(__package__ or __name__) / "modules" / f"{name}.js").read_text(encoding="utf-8")


_Translator = Callable[[Bindings, JsonObject, JsonObject, str], None]

_TRANSLATORS: Mapping[str, _Translator] = {
    "ai": _ai,
    "analytics_engine": _analytics_engine,
    "durable_object_namespace": _durable_object_namespace,
    "json": _json,
    "kv_namespace": _kv_namespace,
    "plain_text": _plain_text,
    "ratelimit": _ratelimit,
    "secret_text": _secret_text,
    "version_metadata": _version_metadata,
}

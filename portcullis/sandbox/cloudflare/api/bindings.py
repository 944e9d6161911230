"""The bindings of a Worker version: which ones there are, what each needs, what may be read back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from portcullis.sandbox.cloudflare.api.answers import BAD_INHERIT, BAD_NAMESPACE_BINDING, invalid
from portcullis.sandbox.cloudflare.api.calls import Call, expect_list, expect_object, member, name_member
from portcullis.sandbox.store import JsonObject

MAX_BINDINGS = 128
MAX_TEXT_BYTES = 5 * 1024

_RATE_LIMIT_PERIODS = (10, 60)

KV_NAMESPACES = "cf.kv_namespaces"

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,254}")


def read_bindings(call: Call, value: Any, previous: JsonObject | None) -> list[JsonObject]:
    """Return the bindings of an upload in the order sent, inherited ones resolved.

    Args:
        call: the upload.
        value: what was sent as `bindings`.
        previous: the version that `inherit` bindings come from, `None` where there is none.

    Raises:
        ApiError: a binding is not what Cloudflare accepts, or of a type that the sandbox does not emulate.
    """
    bindings = [expect_object(item, "a binding") for item in expect_list(value, "bindings")]
    if len(bindings) > MAX_BINDINGS:
        raise invalid(f"a version has at most {MAX_BINDINGS} bindings, not {len(bindings)}")
    read = [_read_binding(call, binding, previous) for binding in bindings]
    names = [binding["name"] for binding in read]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise invalid(f"bindings must have different names; twice: {', '.join(twice)}")
    return read


def kept_bindings(previous: JsonObject | None, kinds: list[Any], sent: list[JsonObject]) -> list[JsonObject]:
    """Return the previous version's bindings of the given types that an upload does not replace (`keep_bindings`)."""
    names = {binding["name"] for binding in sent}
    old: list[JsonObject] = previous["bindings"] if previous else []
    return [binding for binding in old if binding["type"] in kinds and binding["name"] not in names]


def public(binding: JsonObject) -> JsonObject:
    """Return the binding as it is read back: a secret's text is write-only."""
    if binding["type"] == "secret_text":
        return {name: value for name, value in binding.items() if name != "text"}
    return binding


def secret_binding(name: str, text: str) -> JsonObject:
    """Return a checked `secret_text` binding; raises `ApiError`."""
    binding: JsonObject = {"name": name, "type": "secret_text", "text": text}
    _check_name(name)
    _check_text(binding)
    return binding


def _read_binding(call: Call, binding: JsonObject, previous: JsonObject | None) -> JsonObject:
    name, kind = member(binding, "name", str), member(binding, "type", str)
    _check_name(name)
    if kind == "inherit":
        return _inherited(binding, previous)
    check = _CHECKS.get(kind)
    if check is None:
        known = ", ".join(sorted([*_CHECKS, "inherit"]))
        raise invalid(f"binding {name} is of type {kind!r}, which the sandbox does not emulate; it has {known}")
    check(call, binding)
    return {key: value for key, value in binding.items() if value is not None}


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(f"binding name {name!r} is not allowed: it must be a JavaScript identifier")


def _check_text(binding: JsonObject) -> None:
    size = len(member(binding, "text", str).encode())
    if size > MAX_TEXT_BYTES:
        raise invalid(f"binding {binding['name']} has {size} bytes of text; {MAX_TEXT_BYTES} is the most")


def _check_json(binding: JsonObject) -> None:
    value = binding.get("json")
    if value is None:
        raise invalid(f"binding {binding['name']} has no json")
    # The provider sends the JSON as text, wrangler as a value.
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        json.loads(text)
    except ValueError:
        raise invalid(f"binding {binding['name']} has json that is not JSON") from None
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise invalid(f"binding {binding['name']} has over {MAX_TEXT_BYTES} bytes of JSON")


def _check_namespace(call: Call, binding: JsonObject) -> None:
    namespace = call.data.get(KV_NAMESPACES, member(binding, "namespace_id", str))
    if namespace is None or namespace["account"] != call.account:
        raise invalid(f"KV namespace {binding['namespace_id']!r} is not valid", BAD_NAMESPACE_BINDING)


def _inherited(binding: JsonObject, previous: JsonObject | None) -> JsonObject:
    source = member(binding, "old_name", str, binding["name"])
    candidates: list[JsonObject] = previous["bindings"] if previous else []
    for old in candidates:
        if old["name"] == source:
            return old | {"name": binding["name"]}
    raise invalid(f"binding {binding['name']} inherits {source!r}, which no earlier version has", BAD_INHERIT)


def _check_dataset(binding: JsonObject) -> None:
    name_member(binding, "dataset", 255)


def _check_rate_limit(binding: JsonObject) -> None:
    member(binding, "namespace_id", str)
    simple = expect_object(binding.get("simple"), f"simple of binding {binding['name']}")
    limit, period = simple.get("limit"), simple.get("period")
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or limit < 1:
        raise invalid(f"binding {binding['name']} has limit {limit!r}; it must be a number from 1")
    if period not in _RATE_LIMIT_PERIODS:
        raise invalid(f"binding {binding['name']} has period {period!r}; a rate limit's period is 10 or 60 seconds")


def _check_object_class(binding: JsonObject) -> None:
    """Only the form: whether the class exists is known once the upload's own migration is applied."""
    member(binding, "class_name", str)
    if binding.get("script_name") is not None:
        member(binding, "script_name", str)


_CHECKS: Mapping[str, Callable[[Call, JsonObject], None]] = {
    "plain_text": lambda _, binding: _check_text(binding),
    "secret_text": lambda _, binding: _check_text(binding),
    "json": lambda _, binding: _check_json(binding),
    "kv_namespace": _check_namespace,
    "durable_object_namespace": lambda _, binding: _check_object_class(binding),
    "ai": lambda _, _binding: None,
    "analytics_engine": lambda _, binding: _check_dataset(binding),
    "ratelimit": lambda _, binding: _check_rate_limit(binding),
    "version_metadata": lambda _, _binding: None,
}

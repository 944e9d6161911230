"""What must never be deployed, as pure functions over a resource's inputs.

A rule is told the inputs of one resource as the engine knows them: property names as in the provider's schema
(camelCase), secrets in clear, and UNKNOWN where a value will be known only while the update runs (the engine then
asks again, before the resource is made). It answers with one sentence for each thing that is wrong; the sentences
never repeat a value, which may be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

Inputs = Mapping[str, Any]

API_PRODUCT = "gcp:apigee/apiProduct:ApiProduct"
KEY_VALUE_ENTRIES = (
    "gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries",
    # The same entry at the other scopes that Apigee has.
    "gcp:apigee/organizationKeyvaluemapsEntries:OrganizationKeyvaluemapsEntries",
    "gcp:apigee/apiKeyvaluemapsEntries:ApiKeyvaluemapsEntries",
)
WORKER_VERSION = "cloudflare:index/workerVersion:WorkerVersion"
WORKER_SCRIPTS = ("cloudflare:index/workersScript:WorkersScript", "cloudflare:index/workerScript:WorkerScript")
WORKERS_KV = "cloudflare:index/workersKv:WorkersKv"
WORKERS_ROUTE = "cloudflare:index/workersRoute:WorkersRoute"

MAXIMUM_TEXT_CHARACTERS = 1024 * 1024
"""Longer texts are refused rather than looked through; both clouds cap these values far below."""

# RFC 7518 §6.2.2 (EC), §6.3.2 (RSA), §6.4.1 (oct); RFC 8037 §2 (OKP); RFC 9964 (AKP).
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_PEM_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
# Binding types whose value anyone who may read the Worker can read.
_READABLE_BINDINGS: Final = {"plain_text": "text", "json": "json"}
_NESTING = 20


class Unknown:
    """The type of UNKNOWN."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()
"""Stands for a value that is not known yet: nothing can be said against it."""


@dataclass(frozen=True)
class Rule:
    """A named rule. `check` takes a resource's inputs and returns what is wrong with them, a sentence each."""

    name: str
    description: str
    resource_types: tuple[str, ...]
    check: Callable[[Inputs], list[str]]


def problems(resource_type: str, inputs: Inputs) -> list[tuple[Rule, str]]:
    """Everything that RULES have against one resource."""
    applicable = (rule for rule in RULES if resource_type in rule.resource_types)
    return [(rule, sentence) for rule in applicable for sentence in rule.check(inputs)]


def _product_without_quota(inputs: Inputs) -> list[str]:
    missing = [name for name in ("quota", "quotaInterval", "quotaTimeUnit") if _is_missing(inputs.get(name))]
    if missing:
        return [f"the API product limits nothing: {', '.join(missing)} is missing. Give the product a quota."]
    wrong = [name for name in ("quota", "quotaInterval") if not _is_positive_number(inputs[name])]
    return [f"the API product's {name} is not a positive whole number." for name in wrong]


def _entry_with_private_key(inputs: Inputs) -> list[str]:
    sentence = _private_key_in(inputs.get("value"))
    return [f"the key value map entry {sentence}. Verifiers need public keys only."] if sentence else []


def _kv_value_with_private_key(inputs: Inputs) -> list[str]:
    sentence = _private_key_in(inputs.get("value"))
    return [f"the KV value {sentence}. Give it to the Worker in a secret_text binding."] if sentence else []


def _worker_without_compatibility_date(inputs: Inputs) -> list[str]:
    if _is_missing(inputs.get("compatibilityDate")):
        return ["the Worker has no compatibilityDate: it would run with the oldest behaviour of the platform."]
    return []


def _worker_with_readable_private_key(inputs: Inputs) -> list[str]:
    found: list[str] = []
    for binding in _objects(inputs.get("bindings")):
        kind = binding.get("type")
        member = _READABLE_BINDINGS.get(kind) if isinstance(kind, str) else None
        sentence = _private_key_in(binding.get(member)) if member else ""
        if sentence:
            name = binding.get("name")
            found.append(f"the {kind} binding {name!r} {sentence}. Use a secret_text binding.")
    return found


def _route_for_everything(inputs: Inputs) -> list[str]:
    pattern = inputs.get("pattern")
    if not isinstance(pattern, str):
        return []
    host, _, path = re.sub(r"^https?://", "", pattern).partition("/")
    # A pattern's host is everything or something; `*.*` is as much everything as `*`.
    if host and not host.strip("*.") and not path.strip("*"):
        return ["the route's pattern matches every request of the zone. Name the gateway's hostname in it."]
    return []


RULES: tuple[Rule, ...] = (
    Rule(
        "api-product-has-quota",
        "Every Apigee API product limits how much it may be used.",
        (API_PRODUCT,),
        _product_without_quota,
    ),
    Rule(
        "key-value-map-entry-has-no-private-key",
        "An Apigee key value map holds no private or symmetric key.",
        KEY_VALUE_ENTRIES,
        _entry_with_private_key,
    ),
    Rule(
        "kv-value-has-no-private-key",
        "A Cloudflare KV value holds no private or symmetric key.",
        (WORKERS_KV,),
        _kv_value_with_private_key,
    ),
    Rule(
        "worker-has-compatibility-date",
        "A Worker says which behaviour of the platform it was tested with.",
        (WORKER_VERSION, *WORKER_SCRIPTS),
        _worker_without_compatibility_date,
    ),
    Rule(
        "worker-has-no-readable-private-key",
        "A Worker's private keys are in secret bindings only.",
        (WORKER_VERSION, *WORKER_SCRIPTS),
        _worker_with_readable_private_key,
    ),
    Rule(
        "route-is-not-for-everything",
        "A Worker route names a hostname or a path.",
        (WORKERS_ROUTE,),
        _route_for_everything,
    ),
)
"""Every rule there is."""


def _private_key_in(value: object) -> str:
    """How a text (or the object it is the JSON of) holds a private key: the end of a sentence; empty if it does not."""
    if isinstance(value, str) and len(value) > MAXIMUM_TEXT_CHARACTERS:
        return "is too large to be looked through for private keys"
    try:
        for part in _parts(value, _NESTING):
            if isinstance(part, str) and _PEM_PRIVATE_KEY.search(part):
                return "holds a private key in PEM form"
            if isinstance(part, Mapping):
                private = _PRIVATE_MEMBERS.intersection(cast("Mapping[str, object]", part))
                if "kty" in part and private:
                    return f"holds a JSON Web Key with the private member {', '.join(sorted(private))}"
    except RecursionError:
        return "is nested too deeply to be looked through for private keys"
    return ""


def _parts(value: object, depth: int) -> Iterator[object]:
    """`value`, and everything inside it; a text that is JSON is looked into as well."""
    if depth == 0:
        raise RecursionError
    yield value
    inside: Sequence[object] = ()
    if isinstance(value, Mapping):
        inside = list(cast("Mapping[str, object]", value).values())
    elif isinstance(value, list | tuple):
        inside = cast("Sequence[object]", value)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):
        try:
            inside = [json.loads(value)]
        except json.JSONDecodeError:
            inside = ()
    for part in inside:
        yield from _parts(part, depth - 1)


def _objects(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list | tuple):
        return []
    found = cast("Sequence[object]", value)
    return [cast("Mapping[str, Any]", item) for item in found if isinstance(item, Mapping)]


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_positive_number(value: object) -> bool:
    return isinstance(value, Unknown) or (re.fullmatch(r"0*[1-9][0-9]*", str(value)) is not None)

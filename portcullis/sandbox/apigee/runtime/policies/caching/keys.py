"""Where an entry is: the cache, and the key made of a prefix and fragments."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node
from portcullis.sandbox.apigee.runtime.policies.base import Setting, setting, template
from portcullis.sandbox.apigee.runtime.templates import Template

KEY = """
CacheKey/Prefix
CacheKey/KeyFragment @ref @type
CacheResource
Scope
"""
LOOKUP_IGNORED = "CacheLookupTimeoutInSeconds"

SHARED = "_shared"
"""The cache of policies that name none."""

_SCOPES = frozenset({"Global", "Application", "Proxy", "Target", "Exclusive"})
_JOIN = "__"


@dataclass(frozen=True)
class Place:
    """A key in a cache, for one request."""

    cache: str
    name: str
    key: str


@dataclass(frozen=True)
class Key:
    """A `<CacheKey>` with the `<CacheResource>` and the `<Scope>` beside it.

    A prefix of its own stands in for the scope's; a fragment whose variable is unset is empty.
    """

    resource: Template
    scope: str
    prefix: Template | None
    fragments: tuple[Setting, ...]

    def place(self, context: Context) -> Place:
        """Return where the entry of this request is."""
        here = context.place
        resource = self.resource.fill(context.lookup) or SHARED
        prefix = self.prefix.fill(context.lookup) if self.prefix else self._scope_prefix(context)
        parts = [prefix, *(fragment.text(context) or "" for fragment in self.fragments)]
        return Place(f"{here.organization}/{here.environment}/{resource}", resource, _JOIN.join(parts))

    def _scope_prefix(self, context: Context) -> str:
        here = context.place
        parts = [here.organization, here.environment]
        if self.scope != "Global":
            parts.append(here.bundle)
        if self.scope in {"Proxy", "Target", "Exclusive"}:
            parts.append(here.revision)
            endpoint = "target.name" if self.scope == "Target" else "proxy.name"
            parts.append(context.variables.text(endpoint) or "")
        return _JOIN.join(parts)


def read_key(node: Node) -> Key:
    """Read the elements of `KEY`; raises `BundleError`."""
    holder = node.find("CacheKey")
    fragments = tuple(setting(one) for one in holder.children("KeyFragment")) if holder else ()
    prefix = node.words("CacheKey/Prefix")
    scope = node.words("Scope", "Exclusive")
    if scope not in _SCOPES:
        raise node.error(f"<Scope> {scope!r} is none of {', '.join(sorted(_SCOPES))}")
    if not prefix and not fragments:
        raise node.error("<CacheKey> needs a <Prefix> or a <KeyFragment>")
    return Key(
        resource=template(node, node.words("CacheResource")),
        scope=scope,
        prefix=template(node, prefix) if prefix else None,
        fragments=fragments,
    )


def check_timeout(node: Node) -> None:
    """Raise the deployment error of a negative look-up timeout; there is no waiting for a cache here."""
    text = node.words("CacheLookupTimeoutInSeconds", "12")
    if text.startswith("-") or not text.isdecimal():
        raise node.error(f"InvalidTimeout: CacheLookupTimeoutInSeconds {text} value should be greater than zero.")

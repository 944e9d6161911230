"""PopulateCache, LookupCache and InvalidateCache: single values by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.caching.expiry import EXPIRY, Expiry, read_expiry
from portcullis.sandbox.apigee.runtime.policies.caching.keys import KEY, LOOKUP_IGNORED, Key, check_timeout, read_key
from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError

_OF_THE_FLOW = frozenset({"request", "response", "message", "error"})
"""Messages that belong to a connection; those that a policy has made can be cached, as public guides do."""


@dataclass(frozen=True)
class PopulateCache(Policy):
    """Puts the value of a variable in; an unset one, and one that is too large, is left out."""

    type_name = "PopulateCache"
    fault_prefix = "populatecache"
    elements = elements(f"{KEY}\n{EXPIRY}\nSource\nDisplayName")

    key: Key
    expiry: Expiry
    source: str

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        variable = node.words("Source")
        if not variable:
            raise node.error("<Source> is missing: the name of the variable to put into the cache")
        return cls(base.name, base.enabled, base.continue_on_error, read_key(node), read_expiry(node), variable)

    async def execute(self, context: Context) -> None:
        """Put the value in; raises the fault of the flow's own messages, which cannot be cached."""
        value = context.variables.get(self.source)
        if isinstance(value, Message) and self.source in _OF_THE_FLOW:
            text = f"Entry {self.source} can not be cached. Only serializable entries are cached."
            raise Fault("policies.populatecache.EntryCannotBeCached", text, 500)
        if value is None:
            return
        place = self.key.place(context)
        context.services.caches.put(place.cache, place.key, value, self.expiry.life(context))


@dataclass(frozen=True)
class LookupCache(Policy):
    """Assigns the value that is in the cache to a variable; where there is none the variable stays what it is."""

    type_name = "LookupCache"
    fault_prefix = "lookupcache"
    elements = elements(f"{KEY}\nAssignTo\nDisplayName", ignored=f"{LOOKUP_IGNORED}\nExpirySettings")

    key: Key
    assign_to: str

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        variable = node.words("AssignTo")
        if not variable:
            raise node.error("<AssignTo> is missing: the name of the variable for what is in the cache")
        check_timeout(node)
        return cls(base.name, base.enabled, base.continue_on_error, read_key(node), variable)

    async def execute(self, context: Context) -> None:
        """Look the value up."""
        place = self.key.place(context)
        value = context.services.caches.get(place.cache, place.key)
        prefix = f"lookupcache.{self.name}"
        context.variables.fill(
            {
                f"{prefix}.cachehit": value is not None,
                f"{prefix}.cachename": place.name,
                f"{prefix}.cachekey": place.key,
                f"{prefix}.assignto": self.assign_to,
            }
        )
        if value is None:
            return
        try:
            context.variables.set(self.assign_to, value)
        except ReadOnlyVariableError:
            text = f"Failed to set variable {self.assign_to}"
            raise Fault("policies.lookupcache.SetVariableFailed", text, 500) from None


@dataclass(frozen=True)
class InvalidateCache(Policy):
    """Takes the entry of a key out, or every entry whose key begins with it."""

    type_name = "InvalidateCache"
    fault_prefix = "invalidatecache"
    elements = elements(f"{KEY}\nPurgeChildEntries\nDisplayName", ignored="CacheContext")

    key: Key
    children: bool

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        children = node.flag("PurgeChildEntries", default=False)
        return cls(base.name, base.enabled, base.continue_on_error, read_key(node), children)

    async def execute(self, context: Context) -> None:
        """Take entries out; one that is not there is no error."""
        place = self.key.place(context)
        if self.children:
            context.services.caches.remove_prefix(place.cache, place.key)
        else:
            context.services.caches.remove(place.cache, place.key)

"""ResponseCache: answers from what was answered before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Self

from portcullis.sandbox.apigee.runtime.conditions import Condition, ConditionError, parse_condition
from portcullis.sandbox.apigee.runtime.context import Answered, Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.caching.expiry import EXPIRY, Expiry, read_expiry
from portcullis.sandbox.apigee.runtime.policies.caching.keys import (
    KEY,
    LOOKUP_IGNORED,
    Key,
    Place,
    check_timeout,
    read_key,
)

_DIRECTIVE = re.compile(r"([a-z-]+)(?:\s*=\s*\"?(\d+))?")


@dataclass(frozen=True)
class ResponseCache(Policy):
    """In the request flow an answer that is kept ends the way there; in the response flow the answer is kept.

    The way back of a kept answer begins after the policy's own place in the response flow. A client that has the
    answer already, by its ETag or its date, is told so.
    """

    type_name = "ResponseCache"
    fault_prefix = "responsecache"
    elements = elements(
        f"{KEY}\n{EXPIRY}\nExcludeErrorResponse\nSkipCacheLookup\nSkipCachePopulation\nUseAcceptHeader\n"
        "UseResponseCacheHeaders\nDisplayName",
        ignored=LOOKUP_IGNORED,
    )

    key: Key
    expiry: Expiry
    excludes_errors: bool
    skip_lookup: Condition | None
    skip_population: Condition | None
    by_accept: bool
    by_headers: bool

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        check_timeout(node)
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            key=read_key(node),
            expiry=read_expiry(node),
            excludes_errors=node.flag("ExcludeErrorResponse", default=False),
            skip_lookup=_skip(node, "SkipCacheLookup", "InvalidSkipCacheLookUpCondition"),
            skip_population=_skip(node, "SkipCachePopulation", "InvalidSkipCachePopulationCondition"),
            by_accept=node.flag("UseAcceptHeader", default=False),
            by_headers=node.flag("UseResponseCacheHeaders", default=False),
        )

    async def execute(self, context: Context) -> None:
        """Look up on the way there, keep on the way back."""
        if context.phase == "request":
            self._look_up(context)
        elif context.phase == "response":
            self._keep(context)

    def _place(self, context: Context) -> Place:
        place = self.key.place(context)
        if not self.by_accept:
            return place
        names = ("accept", "accept-encoding", "accept-language", "accept-charset")
        values = (context.variables.text(f"request.header.{name}.values.string") or "" for name in names)
        return Place(place.cache, place.name, "__".join([place.key, *values]))

    def _look_up(self, context: Context) -> None:
        skips = self.skip_lookup is not None and self.skip_lookup(context.lookup)
        place = self._place(context)
        # The response flow has another request to make a key of, once a policy has changed it.
        context.session[self._noted] = place
        kept = None if skips else context.services.caches.get(place.cache, place.key)
        prefix = f"responsecache.{self.name}"
        context.variables.fill(
            {
                f"{prefix}.cachehit": kept is not None,
                f"{prefix}.cachename": place.name,
                f"{prefix}.cachekey": place.key,
                "responsecache.executed": int(not skips),
            }
        )
        if isinstance(kept, Message):
            context.variables.messages["response"] = _not_modified(context, kept) or kept
            raise Answered(self.name)

    def _keep(self, context: Context) -> None:
        answer = context.variables.messages.get("response")
        if answer is None or (self.skip_population is not None and self.skip_population(context.lookup)):
            return
        if self.excludes_errors and not 200 <= answer.status <= 205:
            return
        life = self.expiry.life(context)
        if self.by_headers:
            life = min(life, _life_by_headers(answer, life))
        if life <= 0:
            return
        noted = context.session.get(self._noted)
        place = noted if isinstance(noted, Place) else self._place(context)
        context.services.caches.put(place.cache, place.key, answer, life)

    @property
    def _noted(self) -> str:
        return f"ResponseCache {self.name}"


def _skip(node: Node, element: str, error: str) -> Condition | None:
    text = node.words(element)
    if not text:
        return None
    try:
        return parse_condition(text)
    except ConditionError as problem:
        raise node.error(
            f"InvalidMessagePatternForErrorCode: Invalid message pattern found for error code steps.cache.{error}. "
            f"{problem} (condition: {text})"
        ) from None


def _life_by_headers(answer: Message, life: float) -> float:
    """Return the seconds that the answer's own headers give it: s-maxage before max-age before Expires (RFC 9111)."""
    found: dict[str, str] = dict(_DIRECTIVE.findall(answer.header("cache-control").lower()))
    if found.keys() & {"no-store", "no-cache", "private"}:
        return 0.0
    for directive in ("s-maxage", "max-age"):
        if found.get(directive):
            return float(found[directive])
    try:
        expires = parsedate_to_datetime(answer.header("expires"))
        dated = parsedate_to_datetime(answer.header("date"))
    except (TypeError, ValueError):
        return life
    return (expires - dated).total_seconds()


def _not_modified(context: Context, kept: Message) -> Message | None:
    """Return a 304 where the client has this very answer (RFC 9110 §13), else `None`."""
    tag, known = kept.header("etag"), context.variables.text("request.header.if-none-match.values.string")
    since, changed = context.variables.text("request.header.if-modified-since"), kept.header("last-modified")
    if known is not None:
        same = bool(tag) and (known.strip() == "*" or tag in {part.strip() for part in known.split(",")})
    else:
        same = bool(since) and since == changed
    if not same:
        return None
    answer = kept.copy()
    answer.status, answer.reason, answer.content = 304, "Not Modified", b""
    return answer

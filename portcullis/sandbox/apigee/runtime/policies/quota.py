"""Quota: how many calls in a calendar unit, counted in the store so that a restart forgets none."""

from __future__ import annotations

from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
TYPES = frozenset({"", "calendar", "flexi", "rollingwindow"})
COUNTERS = "runtime.quota_counters"

MAX_IDENTIFIER = 1024


@dataclass(frozen=True)
class Limit:
    """So many calls per so many units."""

    allowed: int
    interval: int
    unit: str


@dataclass(frozen=True)
class Window:
    """From when to when calls are counted together, in seconds since the epoch."""

    start: float
    end: float


@dataclass(frozen=True)
class Setting:
    """A written value, or the variable that holds one."""

    text: str
    ref: str

    def read(self, context: Context) -> str:
        """Return the variable's value, or what is written where it is unset."""
        return (context.variables.text(self.ref) if self.ref else None) or self.text


@dataclass(frozen=True)
class Quota(Policy):
    """Counts by policy and identifier; each execution counts, a refused one too."""

    type_name = "Quota"
    fault_prefix = "ratelimit"
    elements = elements(
        "\n".join(
            [
                "@type",
                "DisplayName",
                "Allow @count @countRef",
                "Interval @ref",
                "TimeUnit @ref",
                "StartTime",
                "Identifier @ref",
                "MessageWeight @ref",
                "UseQuotaConfigInAPIProduct @stepName",
                "UseQuotaConfigInAPIProduct/DefaultConfig/Allow @count @countRef",
                "UseQuotaConfigInAPIProduct/DefaultConfig/Interval @ref",
                "UseQuotaConfigInAPIProduct/DefaultConfig/TimeUnit @ref",
                "SharedName",
                "CountOnly",
                "EnforceOnly",
            ]
        ),
        # One process counts exactly, whatever these say.
        ignored="Distributed\nSynchronous\nAsynchronousConfiguration\nProperties",
    )

    kind: str
    allow: Setting
    interval: Setting
    unit: Setting
    start: float | None
    identifier: Setting
    weight: Setting
    product_step: str
    shared_name: str
    count_only: bool
    enforce_only: bool

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        kind = node.attribute("type").lower()
        if kind not in TYPES:
            raise node.error(f"type {kind!r} of a Quota is not known; write calendar, flexi or rollingwindow")
        product = node.find("UseQuotaConfigInAPIProduct")
        limits = product.find("DefaultConfig") if product is not None else node
        start = node.words("StartTime")
        if kind == "calendar" and not start:
            raise node.error("a Quota of type calendar needs a <StartTime>")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            kind=kind,
            allow=_allow(limits),
            interval=_setting(limits, "Interval"),
            unit=_setting(limits, "TimeUnit"),
            start=_start(node, start) if start else None,
            identifier=_setting(node, "Identifier"),
            weight=_setting(node, "MessageWeight"),
            product_step=product.attribute("stepName") if product is not None else "",
            shared_name=node.words("SharedName"),
            count_only=node.flag("CountOnly", default=False),
            enforce_only=node.flag("EnforceOnly", default=False),
        )

    async def execute(self, context: Context) -> None:
        """Count this call; raises `QuotaViolation` where it is one too many."""
        limit = self._limit(context)
        if limit is None:
            return
        weight = self._weight(context)
        identifier = self.identifier.read(context)[:MAX_IDENTIFIER] or "_default"
        key = self._key(context, identifier)
        used, window = self._used(context, key, limit)
        counted = used if self.enforce_only else used + weight
        exceeded = counted > limit.allowed
        if not exceeded or self.count_only:
            self._count(context, key, window, weight)
            used = counted
        self._publish(context, limit, used, window, identifier, exceeded=exceeded)
        if exceeded and not self.count_only:
            text = f"Rate limit quota violation. Quota limit  exceeded. Identifier : {identifier}"
            raise Fault("policies.ratelimit.QuotaViolation", text, 429)

    def _limit(self, context: Context) -> Limit | None:
        """Return the limit of the product that the named step found, else the policy's own; `None` where none is."""
        prefix = f"verifyapikey.{self.product_step}.apiproduct.developer.quota"
        allowed = context.variables.text(f"{prefix}.limit") if self.product_step else None
        if allowed:
            interval = context.variables.text(f"{prefix}.interval") or "1"
            unit = context.variables.text(f"{prefix}.timeunit") or "minute"
        else:
            allowed, interval, unit = (s.read(context) for s in (self.allow, self.interval, self.unit))
        if self.product_step and not allowed:
            return None
        if not interval.isdecimal():
            raise _unresolved("FailedToResolveQuotaIntervalReference", f"quota interval reference {self.interval.ref}")
        if unit.lower() not in {*UNITS, "month"}:
            raise _unresolved("FailedToResolveQuotaIntervalTimeUnitReference", f"time unit reference {self.unit.ref}")
        return Limit(int(allowed) if allowed.isdecimal() else 0, max(1, int(interval)), unit.lower())

    def _weight(self, context: Context) -> int:
        text = self.weight.read(context) or "1"
        if not text.isdecimal():
            raise Fault("policies.ratelimit.InvalidMessageWeight", "Invalid message weight value", 500)
        return int(text)

    def _key(self, context: Context, identifier: str) -> str:
        place = context.place
        return f"{place.organization}/{place.environment}/{place.bundle}/{self.shared_name or self.name}/{identifier}"

    def _used(self, context: Context, key: str, limit: Limit) -> tuple[int, Window]:
        document = context.services.store.get(COUNTERS, key) or {}
        calls = [(float(at), int(weight)) for at, weight in document.get("calls", [])]
        first = float(document.get("start", context.now))
        window = self._window(context.now, limit, first if document else context.now)
        inside = [weight for at, weight in calls if window.start <= at < window.end]
        return sum(inside), window

    def _count(self, context: Context, key: str, window: Window, weight: int) -> None:
        document = context.services.store.get(COUNTERS, key) or {}
        calls: dict[float, int] = {}
        for at, counted in document.get("calls", []):
            if window.start <= at < window.end:
                calls[at] = calls.get(at, 0) + counted
        # Only a rolling window needs to know when each call came.
        at = round(context.now, 1) if self.kind == "rollingwindow" else window.start
        calls[at] = calls.get(at, 0) + weight
        context.services.store.put(COUNTERS, key, {"start": window.start, "calls": list(calls.items())})

    def _window(self, now: float, limit: Limit, first: float) -> Window:
        if self.kind == "rollingwindow":
            return Window(now - _seconds(limit), now + 1)
        if self.kind == "flexi":
            length = _seconds(limit)
            begins = first if first <= now < first + length else now
            return Window(begins, begins + length)
        if limit.unit == "month":
            return _months(now, limit.interval)
        length = _seconds(limit)
        anchor = self.start if self.start is not None else 0.0
        begins = anchor + (now - anchor) // length * length
        return Window(begins, begins + length)

    def _publish(
        self, context: Context, limit: Limit, used: int, window: Window, identifier: str, *, exceeded: bool
    ) -> None:
        prefix = f"ratelimit.{self.name}"
        over = max(0, used - limit.allowed) if self.count_only else int(exceeded)
        context.variables.fill(
            {
                f"{prefix}.allowed.count": limit.allowed,
                f"{prefix}.used.count": min(used, limit.allowed),
                f"{prefix}.available.count": max(0, limit.allowed - used),
                f"{prefix}.exceed.count": over,
                f"{prefix}.total.exceed.count": over,
                f"{prefix}.expiry.time": int(window.end * 1000),
                f"{prefix}.identifier": identifier,
                f"{prefix}.failed": exceeded and not self.count_only,
            }
        )


def _unresolved(name: str, what: str) -> Fault:
    return Fault(f"policies.ratelimit.{name}", f"Failed to resolve {what}", 500)


def _seconds(limit: Limit) -> int:
    return limit.interval * UNITS.get(limit.unit, 30 * 86400)


def _months(now: float, interval: int) -> Window:
    moment = datetime.fromtimestamp(now, UTC)
    index = (moment.year * 12 + moment.month - 1) // interval * interval
    return Window(_month_start(index), _month_start(index + interval))


def _month_start(index: int) -> float:
    return float(timegm((index // 12, index % 12 + 1, 1, 0, 0, 0)))


def _setting(node: Node | None, path: str) -> Setting:
    found = node.find(path) if node is not None else None
    return Setting(found.text if found else "", found.attribute("ref") if found else "")


def _allow(node: Node | None) -> Setting:
    found = node.find("Allow") if node is not None else None
    return Setting(found.attribute("count") if found else "", found.attribute("countRef") if found else "")


def _start(node: Node, text: str) -> float:
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise node.error(f"<StartTime> {text!r} is not of the form 2026-01-31 00:00:00") from None
    return moment.timestamp()

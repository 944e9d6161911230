"""Quota: how many calls in a unit of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies import quota_counters as counters
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Setting, Source, common, setting
from portcullis.sandbox.apigee.runtime.policies.quota_windows import (
    MONTH,
    STEP,
    TYPES,
    UNITS,
    Limit,
    Window,
    window_of,
)
from portcullis.sandbox.apigee.runtime.values import Value

MAX_IDENTIFIER = 1024
DEFAULT_COUNT = 2000
"""What is allowed where an `<Allow>` names no count (reference)."""

_UNSET = Setting()

_LIMITS = """
{0}Allow @count @countRef
{0}Allow/Class @ref
{0}Allow/Class/Allow @class @count
{0}Interval @ref @type
{0}TimeUnit @ref @type
"""


@dataclass(frozen=True)
class Allowed:
    """How much is allowed: by a variable, as written, or by the class that a variable names."""

    ref: str = ""
    count: str = ""
    class_ref: str = ""
    classes: tuple[tuple[str, str], ...] = ()

    def read(self, context: Context) -> tuple[str, str]:
        """Return the count, empty where there is none, and the class it is of."""
        name = (context.variables.text(self.class_ref) if self.class_ref else None) or ""
        of_class = dict(self.classes).get(name)
        if of_class is not None:
            return of_class, name
        return (context.variables.text(self.ref) if self.ref else None) or self.count, ""


@dataclass(frozen=True)
class Config:
    """The limits as written; each may name a variable."""

    allow: Allowed = Allowed()
    interval: Setting = _UNSET
    unit: Setting = _UNSET


@dataclass(frozen=True)
class Quota(Policy):
    """Counts by policy and identifier; each execution counts, one that is refused does not.

    CountOnly counts and never refuses, EnforceOnly refuses where nothing is left and does not count; policies of a
    proxy that share a name share the counter.
    """

    type_name = "Quota"
    fault_prefix = "ratelimit"
    elements = elements(
        "\n".join(
            [
                "@type",
                _LIMITS.format(""),
                "StartTime",
                "Identifier @ref",
                "MessageWeight @ref",
                "Distributed",
                "Synchronous",
                "UseQuotaConfigInAPIProduct @stepName",
                _LIMITS.format("UseQuotaConfigInAPIProduct/DefaultConfig/"),
                "SharedName",
                "CountOnly",
                "EnforceOnly",
            ]
        ),
        # One process counts exactly, and to the second, whatever these say.
        ignored="AsynchronousConfiguration\nPreciseAtSecondsLevel",
    )

    kind: str
    config: Config
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
        kind = node.attribute("type", "default").lower()
        if kind not in TYPES:
            raise node.error(f"InvalidQuotaType: No enum constant com.apigee.quota.types.QuotaType.{kind}.")
        product = node.find("UseQuotaConfigInAPIProduct")
        limits = product.find("DefaultConfig") if product is not None else node
        _check_counting(node)
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            kind=kind,
            config=_config(limits, base.name, distributed=node.flag("Distributed", default=False)),
            start=_start(node, kind),
            identifier=setting(node.find("Identifier")),
            weight=setting(node.find("MessageWeight")),
            product_step=product.attribute("stepName") if product is not None else "",
            shared_name=node.words("SharedName"),
            count_only=node.flag("CountOnly", default=False),
            enforce_only=node.flag("EnforceOnly", default=False),
        )

    async def execute(self, context: Context) -> None:
        """Count this call; raises `QuotaViolation` where it is one too many."""
        found = self._limit(context)
        if found is None:
            return
        limit, class_name = found
        weight = self._weight(context)
        identifier = (self.identifier.text(context) or "")[:MAX_IDENTIFIER] or "_default"
        store, now = context.services.store, context.now
        key = counters.counter_key(context.place, self.shared_name or self.name, identifier)
        window = window_of(self.kind, limit, now, counters.begun(store, key), self.start)
        used = counters.used(store, key, window)
        wanted = max(weight, 1) if self.enforce_only else weight
        exceeded = used + wanted > limit.allowed
        if not self.enforce_only and (self.count_only or not exceeded):
            # Only a rolling window needs to know when each call came.
            at = floor(now / STEP) * STEP if self.kind == "rollingwindow" else window.start
            counters.count(store, key, window, at, weight)
            used += weight
        failed = exceeded and not self.count_only
        self._publish(context, limit, used, window, exceeded=exceeded, failed=failed)
        self._publish_names(context, identifier, class_name)
        if failed:
            text = f"Rate limit quota violation. Quota limit  exceeded. Identifier : {identifier}"
            raise Fault("policies.ratelimit.QuotaViolation", text, 429)

    def _limit(self, context: Context) -> tuple[Limit, str] | None:
        """Return the limit and its class: the product's that the named step found, else the policy's own.

        Where the product has none and the policy names none, nothing is limited.
        """
        config = self.config
        allowed, class_name = config.allow.read(context)
        interval, unit = config.interval.text(context) or "", config.unit.text(context) or ""
        if self.product_step:
            product = _of_product(context, self.product_step)
            if product is None and not allowed:
                return None
            allowed, interval, unit = product or (allowed, interval, unit)
        if not interval.isdecimal():
            raise _unresolved("FailedToResolveQuotaIntervalReference", "interval", config.interval)
        if unit.lower() not in {*UNITS, MONTH}:
            raise _unresolved("FailedToResolveQuotaIntervalTimeUnitReference", "time unit", config.unit)
        count = int(allowed) if allowed.isdecimal() else 0 if allowed else DEFAULT_COUNT
        return Limit(count, max(1, int(interval)), unit.lower()), class_name

    def _weight(self, context: Context) -> int:
        text = self.weight.text(context)
        if text is None:
            return 1
        if not text.isdecimal():
            raise Fault("policies.ratelimit.InvalidMessageWeight", f"Invalid message weight value {text}", 500)
        return int(text)

    def _publish(
        self, context: Context, limit: Limit, used: int, window: Window, *, exceeded: bool, failed: bool
    ) -> None:
        prefix = f"ratelimit.{self.name}"
        over = max(0, used - limit.allowed) if self.count_only else int(exceeded)
        values: dict[str, Value] = {
            "allowed.count": limit.allowed,
            "used.count": min(used, limit.allowed),
            "available.count": max(0, limit.allowed - used),
            "exceed.count": over,
            "total.exceed.count": over,
            # A rolling window has no end.
            "expiry.time": None if self.kind == "rollingwindow" else int(window.end * 1000),
            "failed": failed,
        }
        context.variables.fill({f"{prefix}.{name}": value for name, value in values.items()})

    def _publish_names(self, context: Context, identifier: str, class_name: str) -> None:
        prefix = f"ratelimit.{self.name}"
        context.variables.fill({f"{prefix}.identifier": identifier})
        if class_name:
            counts = ("allowed.count", "used.count", "available.count", "exceed.count", "total.exceed.count")
            read = context.variables.get
            context.variables.fill({f"{prefix}.class.{name}": read(f"{prefix}.{name}") for name in counts})
            context.variables.fill({f"{prefix}.class": class_name})


def _of_product(context: Context, step: str) -> tuple[str, str, str] | None:
    """Return limit, interval and unit of the product that the step found; `None` where it has no quota."""
    for prefix in (f"verifyapikey.{step}.apiproduct", "apiproduct"):
        quota = f"{prefix}.developer.quota"
        limit, interval, unit = (
            context.variables.text(f"{quota}.{part}") for part in ("limit", "interval", "timeunit")
        )
        if limit:
            return limit, interval or "1", unit or "minute"
    return None


def _unresolved(name: str, what: str, reference: Setting) -> Fault:
    # The message of the runtime really ends in {1} (error playbook).
    text = f"Failed to resolve quota {what} reference {reference.ref} in quota policy {{1}}"
    return Fault(f"policies.ratelimit.{name}", text, 500)


def _config(node: Node | None, policy: str, *, distributed: bool) -> Config:
    if node is None:
        return Config()
    interval, unit = node.find("Interval"), node.find("TimeUnit")
    if interval is not None and interval.text and not interval.text.isdecimal():
        raise interval.error(f"InvalidQuotaInterval: Invalid quota interval {interval.text} in quota policy {policy}")
    if unit is not None and unit.text and unit.text.lower() not in {*UNITS, MONTH}:
        raise unit.error(f"InvalidQuotaTimeUnit: Invalid quota interval time unit {unit.text} in quota policy {policy}")
    if distributed and unit is not None and unit.text.lower() == "second":
        raise unit.error("InvalidTimeUnitForDistributedQuota: Invalid timeunit second for distributed quota.")
    return Config(_allowed(node.find("Allow")), setting(interval), setting(unit))


def _allowed(node: Node | None) -> Allowed:
    if node is None:
        return Allowed()
    classes = node.find("Class")
    return Allowed(
        node.attribute("countRef"),
        node.attribute("count"),
        classes.attribute("ref") if classes else "",
        tuple((one.attribute("class"), one.attribute("count")) for one in classes.children("Allow")) if classes else (),
    )


def _check_counting(node: Node) -> None:
    """Refuse what Apigee refuses of settings that have no effect here."""
    configuration = node.find("AsynchronousConfiguration")
    if configuration is None:
        return
    if node.flag("Synchronous", default=False):
        name = "InvalidAsynchronizeConfigurationForSynchronousQuota"
        raise node.error(f"{name}: AsynchronousConfiguration is not valid for synchronous quota.")
    if configuration.words("SyncIntervalInSeconds").startswith("-"):
        name = "InvalidSynchronizeIntervalForAsyncConfiguration"
        raise node.error(f"{name}: SyncIntervalInSeconds should be a value greater than zero.")


def _start(node: Node, kind: str) -> float | None:
    text = node.words("StartTime")
    if not text:
        return None
    if kind != "calendar":
        raise node.error(
            f"StartTimeNotSupported: Starttime is not supported for quotatype {kind}. "
            "Starttime is supported only for calendar based type."
        )
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise node.error(
            f"InvalidStartTime: Invalid Starttime:{text}; Start Time should be of the format yyyy-MM-dd HH:mm:ss."
        ) from None

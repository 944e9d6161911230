"""SpikeArrest: smooths bursts by a token bucket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Setting, Source, common, setting
from portcullis.sandbox.apigee.runtime.spikes import Rate

_RATE = re.compile(r"(\d{1,9})(ps|pm)")
_SECONDS = {"ps": 1, "pm": 60}


@dataclass(frozen=True)
class SpikeArrest(Policy):
    """Takes tokens of the bucket of policy and identifier."""

    type_name = "SpikeArrest"
    fault_prefix = "ratelimit"
    elements = elements(
        "DisplayName\nRate @ref\nIdentifier @ref\nMessageWeight @ref\n@type",
        # There is one message processor here.
        ignored="UseEffectiveCount",
    )

    rate: Setting
    identifier: Setting
    weight: Setting

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        rate = node.need("Rate")
        if (rate.text or not rate.attribute("ref")) and not _RATE.fullmatch(rate.text):
            raise node.error(
                f"InvalidAllowedRate: Invalid spike arrest rate {rate.text}. A rate is a whole number and ps or pm, "
                "such as 30ps or 100pm"
            )
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            rate=setting(rate),
            identifier=setting(node.find("Identifier")),
            weight=setting(node.find("MessageWeight")),
        )

    async def execute(self, context: Context) -> None:
        """Take tokens; raises `SpikeArrestViolation` where there are too few."""
        rate, weight = self._rate(context), self.weight.text(context) or "1"
        if not weight.isdecimal():
            raise Fault("policies.ratelimit.InvalidMessageWeight", f"Invalid message weight value {weight}", 500)
        place = context.place
        identifier = self.identifier.text(context) or ""
        key = f"{place.organization}/{place.environment}/{place.bundle}/{self.name}/{identifier}"
        allowed = context.services.spikes.take(key, rate, int(weight), context.now)
        # No calls are counted: the two tell whether there was room for this one.
        prefix = f"ratelimit.{self.name}"
        context.variables.fill({f"{prefix}.available.count": int(allowed), f"{prefix}.exceed.count": int(not allowed)})
        if allowed:
            return
        raise Fault("policies.ratelimit.SpikeArrestViolation", f"Spike arrest violation. Allowed rate : {rate}", 429)

    def _rate(self, context: Context) -> Rate:
        found = _RATE.fullmatch(self.rate.text(context) or "")
        if found is None or int(found[1]) == 0:
            raise Fault(
                "policies.ratelimit.FailedToResolveSpikeArrestRate",
                f"Failed to resolve Spike Arrest Rate reference {self.rate.ref} in SpikeArrest policy {self.name}",
                500,
            )
        return Rate(int(found[1]), _SECONDS[found[2]])

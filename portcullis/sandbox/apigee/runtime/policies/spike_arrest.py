"""SpikeArrest: smooths bursts by a token bucket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.quota import Setting
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
        ignored="UseEffectiveCount\nProperties",
    )

    rate: Setting
    identifier: Setting
    weight: Setting

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        rate = node.need("Rate")
        if not rate.attribute("ref") and not _RATE.fullmatch(rate.text):
            raise node.error(f"InvalidAllowedRate: <Rate> {rate.text!r} is not of the form 30ps or 100pm")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            rate=_setting(rate),
            identifier=_setting(node.find("Identifier")),
            weight=_setting(node.find("MessageWeight")),
        )

    async def execute(self, context: Context) -> None:
        """Take tokens; raises `SpikeArrestViolation` where there are too few."""
        rate = self._rate(context)
        text = self.weight.read(context) or "1"
        if not text.isdecimal():
            raise Fault("policies.ratelimit.InvalidMessageWeight", "Invalid message weight value", 500)
        place = context.place
        key = f"{place.organization}/{place.environment}/{place.bundle}/{self.name}/{self.identifier.read(context)}"
        if context.services.spikes.take(key, rate, int(text), context.now):
            return
        raise Fault("policies.ratelimit.SpikeArrestViolation", f"Spike arrest violation. Allowed rate : {rate}", 429)

    def _rate(self, context: Context) -> Rate:
        found = _RATE.fullmatch(self.rate.read(context))
        if found is None or int(found[1]) == 0:
            raise Fault(
                "policies.ratelimit.FailedToResolveSpikeArrestRate",
                f"Failed to resolve Spike Arrest Rate reference {self.rate.ref} in SpikeArrest policy {self.name}",
                500,
            )
        return Rate(int(found[1]), _SECONDS[found[2]])


def _setting(node: Node | None) -> Setting:
    return Setting(node.text if node else "", node.attribute("ref") if node else "")

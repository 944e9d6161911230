"""ResetQuota: gives back some of what a Quota policy has counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies import quota_counters as counters
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Setting, Source, common, setting
from portcullis.sandbox.apigee.runtime.policies.quota import MAX_IDENTIFIER, Quota

_CODE = "policies.resetquota"


@dataclass(frozen=True)
class Credit:
    """How much to give back to whom: the identifier by a variable, or by its name."""

    name: str
    ref: str
    amount: Setting

    def identifier(self, context: Context) -> str:
        """Return the identifier of the counter."""
        value = context.variables.text(self.ref) if self.ref else None
        return (value or self.name)[:MAX_IDENTIFIER]


@dataclass(frozen=True)
class ResetQuota(Policy):
    """Takes an amount off the counters of a Quota policy of the same proxy, down to nothing at most."""

    type_name = "ResetQuota"
    fault_prefix = "resetquota"
    elements = elements(
        "DisplayName\nQuota @name @ref\nQuota/Identifier @name @ref\nQuota/Identifier/Allow @ref",
        ignored="Quota/Identifier/Class",
    )

    quota: str
    quota_ref: str
    credits: tuple[Credit, ...]

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`, in the words of Apigee's deployment errors."""
        base = common(node)
        quota = node.need("Quota")
        if not quota.attribute("name") and not quota.attribute("ref"):
            raise node.error("<Quota> of ResetQuota needs the name of a Quota policy, or the ref of a variable with it")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            quota=quota.attribute("name"),
            quota_ref=quota.attribute("ref"),
            credits=tuple(_credit(one, base.name) for one in quota.children("Identifier")),
        )

    async def execute(self, context: Context) -> None:
        """Give back; raises the fault of a Quota policy that is not there."""
        name = (context.variables.text(self.quota_ref) if self.quota_ref else None) or self.quota
        if not name:
            raise Fault(f"{_CODE}.FailedToResolveRLPolicy", "Failed to resolve rate limit policy", 500)
        quota = context.place.policies.get(name)
        if not isinstance(quota, Quota):
            raise Fault(f"{_CODE}.InvalidRLPolicy", f"Invalid rate limit policy {name}", 500)
        for credit in self.credits:
            key = counters.counter_key(context.place, quota.shared_name or quota.name, credit.identifier(context))
            counters.give_back(context.services.store, key, self._amount(context, credit))

    def _amount(self, context: Context, credit: Credit) -> int:
        text = credit.amount.text(context) or ""
        if text.isdecimal():
            return int(text)
        place = context.place
        where = f"API Proxy:{place.bundle};Revision:{place.revision};Environment:{place.environment}"
        what = (
            f"Failed to resolve allow count reference {credit.amount.ref} for identifier {credit.name} "
            f"in ResetQuotaStepDefinition:{self.name};{where};Organization:{place.organization}"
        )
        raise Fault(f"{_CODE}.FailedToResolveAllowCountRef", what, 500)


def _credit(node: Node, policy: str) -> Credit:
    name, allow = node.attribute("name", "_default"), node.need("Allow")
    if allow.text and not allow.text.isdecimal():
        raise node.error(f"InvalidCount: Invalid count value {allow.text} for identifier {name} in {policy}.")
    return Credit(name, node.attribute("ref"), setting(allow))

"""AccessControl: lets callers in, or keeps them out, by their IP address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal, Self, cast

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common, template
from portcullis.sandbox.apigee.runtime.templates import Template

Action = Literal["ALLOW", "DENY"]
Address = IPv4Address | IPv6Address

_BASED_ON = frozenset({"X_FORWARDED_FOR_ALL_IP", "X_FORWARDED_FOR_FIRST_IP", "X_FORWARDED_FOR_LAST_IP"})


@dataclass(frozen=True)
class Range:
    """An address and how many of its bits count; an empty mask stands for all of them."""

    address: Template
    mask: Template

    def holds(self, context: Context, addresses: Sequence[Address]) -> Address | None:
        """Return the first of the addresses that is in the range; a range that cannot be read holds none."""
        text, mask = (part.fill(context.lookup).strip() for part in (self.address, self.mask))
        try:
            network = ip_network(f"{text}/{mask}" if mask else text, strict=False)
        except ValueError:
            return None
        return next((one for one in addresses if one.version == network.version and one in network), None)


@dataclass(frozen=True)
class Rule:
    """What to do with a caller from one of the ranges."""

    action: Action
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class AccessControl(Policy):
    """Applies the first rule that holds one of the caller's addresses.

    These are the ones in X-Forwarded-For, where the header is there, else the address of the connection; or the one
    in the variable that the policy names.
    """

    type_name = "AccessControl"
    fault_prefix = "acl"
    elements = elements(
        "DisplayName\nClientIPVariable\nIPRules @noRuleMatchAction\nIPRules/MatchRule @action\n"
        "IPRules/MatchRule/SourceAddress @mask\nValidateBasedOn",
        # Apigee X does not read True-Client-IP either.
        ignored="IgnoreTrueClientIPHeader",
    )

    rules: tuple[Rule, ...]
    otherwise: Action
    based_on: str
    variable: str

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        based_on = node.words("ValidateBasedOn", "X_FORWARDED_FOR_ALL_IP")
        if based_on not in _BASED_ON:
            raise node.error(f"<ValidateBasedOn> {based_on!r} is none of {', '.join(sorted(_BASED_ON))}")
        holder = node.find("IPRules")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            rules=tuple(_rule(one) for one in holder.children("MatchRule")) if holder else (),
            otherwise=_action(holder, "noRuleMatchAction") if holder else "ALLOW",
            based_on=based_on,
            variable=node.words("ClientIPVariable"),
        )

    async def execute(self, context: Context) -> None:
        """Apply the rules; raises `IPDeniedAccess` where the caller is kept out."""
        addresses = self._addresses(context)
        for rule in self.rules:
            for held in (one.holds(context, addresses) for one in rule.ranges):
                if held is not None:
                    self._apply(context, rule.action, str(held))
                    return
        self._apply(context, self.otherwise, str(addresses[0]) if addresses else "")

    def _apply(self, context: Context, action: Action, address: str) -> None:
        if action == "DENY":
            context.variables.fill({"acl.failed": True})
            raise Fault("accesscontrol.IPDeniedAccess", f"Access Denied for client ip : {address}", 403)

    def _addresses(self, context: Context) -> list[Address]:
        if self.variable:
            held = context.variables.text(self.variable) or ""
            found = _parsed([held])
            if not found:
                text = f"Invalid IP address in variable {self.variable}"
                raise Fault("accesscontrol.InvalidIPAddressInVariable", text, 500)
            return found
        listed = (context.variables.text("request.header.x-forwarded-for.values.string") or "").split(",")
        texts = [text.strip() for text in listed if text.strip()]
        if not texts:
            return _parsed([context.variables.text("client.ip") or ""])
        if self.based_on == "X_FORWARDED_FOR_FIRST_IP":
            texts = texts[:1]
        elif self.based_on == "X_FORWARDED_FOR_LAST_IP":
            texts = texts[-1:]
        return _parsed(texts)


def _parsed(texts: Sequence[str]) -> list[Address]:
    """Return what is an address; anything else in the header is as if it were not there (reference)."""
    found: list[Address] = []
    for text in texts:
        try:
            found.append(ip_address(text.strip()))
        except ValueError:
            continue
    return found


def _rule(node: Node) -> Rule:
    ranges = tuple(
        Range(template(one, one.text), template(one, one.attribute("mask"))) for one in node.children("SourceAddress")
    )
    return Rule(_action(node, "action"), ranges)


def _action(node: Node, attribute: str) -> Action:
    text = node.attribute(attribute, "ALLOW").upper()
    if text not in {"ALLOW", "DENY"}:
        raise node.error(f"{attribute} of <{node.tag}> must be ALLOW or DENY, not {text!r}")
    return cast("Action", text)

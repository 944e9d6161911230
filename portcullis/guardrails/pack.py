"""The rules as policies of Pulumi: `pulumi preview --policy-pack portcullis/guardrails/policy_pack`.

A violated rule stops the preview or the update (enforcement level `mandatory`) before anything is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pulumi_policy import EnforcementLevel, ReportViolation, ResourceValidationArgs, ResourceValidationPolicy
from pulumi_policy.proxy import UnknownValueError

from portcullis.guardrails.rules import RULES, UNKNOWN, Inputs, Rule

NAME = "portcullis"


def policies() -> list[ResourceValidationPolicy]:
    """One policy for each rule."""
    return [_policy(rule) for rule in RULES]


def _policy(rule: Rule) -> ResourceValidationPolicy:
    def validate(arguments: ResourceValidationArgs, report: ReportViolation) -> None:
        if arguments.resource_type not in rule.resource_types:
            return
        for sentence in rule.check(known(arguments.props)):
            report(sentence, None)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
    )


def known(properties: Mapping[str, Any]) -> Inputs:
    """The SDK's view of a resource's inputs as plain values, UNKNOWN where a value is not known yet.

    The SDK raises when an unknown value is touched, and then gives the whole policy up for this resource; one unknown
    binding of a Worker must not hide the others.
    """
    return {key: _value(properties, key) for key in properties}


def _value(holder: Any, key: Any) -> Any:
    try:
        value = holder[key]
    except UnknownValueError:
        return UNKNOWN
    if isinstance(value, Mapping):
        return known(cast("Mapping[str, Any]", value))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_value(value, index) for index in range(len(cast("Sequence[Any]", value)))]
    return value

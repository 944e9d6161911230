import asyncio
import inspect
from typing import Any

from pulumi_policy import EnforcementLevel, ResourceValidationArgs
from pulumi_policy.policy import PolicyCustomTimeouts, PolicyResourceOptions
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from portcullis.guardrails.pack import policies
from portcullis.guardrails.rules import RULES, WORKER_VERSION, WORKERS_ROUTE

OPTIONS = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [], None)


def violations(resource_type: str, inputs: dict[str, Any]) -> dict[str, list[str]]:
    """What each policy reports, told of the resource as the engine does it."""
    found: dict[str, list[str]] = {}
    for policy in policies():

        def report(message: str, urn: str | None = None, name: str = policy.name) -> None:
            found.setdefault(name, []).append(message)

        arguments = ResourceValidationArgs(
            resource_type, unknown_checking_proxy(inputs), "urn:pulumi:s::p::t::n", "n", OPTIONS, None
        )
        result = policy.validate(arguments, report)
        if inspect.isawaitable(result):
            asyncio.run(_finish(result))
    return found


async def _finish(result: Any) -> None:
    await result


def test_every_rule_is_a_policy_that_stops_an_update() -> None:
    assert {policy.name for policy in policies()} == {rule.name for rule in RULES}
    assert all(policy.enforcement_level is EnforcementLevel.MANDATORY for policy in policies())


def test_a_violation_is_reported_by_the_rule_that_it_breaks() -> None:
    assert list(violations(WORKERS_ROUTE, {"pattern": "*/*"})) == ["route-is-not-for-everything"]
    assert violations(WORKERS_ROUTE, {"pattern": "api.acme.example/*"}) == {}


def test_a_value_unknown_during_preview_does_not_hide_the_others() -> None:
    bindings = [
        {"name": "ORIGIN", "type": "plain_text", "text": UNKNOWN_STRING_VALUE},
        {"name": "RING", "type": "plain_text", "text": '{"kty":"EC","d":"ZA"}'},
    ]
    inputs = {"compatibilityDate": UNKNOWN_STRING_VALUE, "bindings": bindings}
    assert list(violations(WORKER_VERSION, inputs)) == ["worker-has-no-readable-private-key"]


def test_a_worker_without_bindings_can_be_looked_at() -> None:
    assert violations(WORKER_VERSION, {"compatibilityDate": "2026-07-01"}) == {}

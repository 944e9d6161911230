"""Walks every fault that the bundle can meet through the fault rules of the endpoint it happens in."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portcullis.sandbox.apigee.runtime.conditions import parse_condition
from tests.unit.bundle.rendered import EVERYTHING, bundle, endpoints, parsed

TABLE: dict[str, Any] = YAML(typ="safe").load(Path(__file__).with_name("faults.yaml"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return bundle(tmp_path_factory.mktemp("contract"), EVERYTHING)


def steps_of(rule: Any) -> list[str]:
    return [name.text for name in rule.iterfind("Step/Name")]


def chosen(endpoint: Any, variables: dict[str, Any]) -> list[str]:
    """The steps that run: proxy endpoints ask their rules from the last to the first, target endpoints downwards."""
    rules = endpoint.findall("FaultRules/FaultRule")
    if endpoint.tag == "ProxyEndpoint":
        rules.reverse()
    for rule in rules:
        condition = rule.findtext("Condition")
        if condition is None or parse_condition(condition)(variables.get):
            return steps_of(rule)
    return steps_of(endpoint.find("DefaultFaultRule"))


def told(files: dict[str, bytes], steps: list[str]) -> str:
    """The reason that the first of the steps gives which names one."""
    policies = parsed(files, "policies")
    return next(
        assigned.findtext("Value")
        for step in steps
        if step != "AM-Begin"
        for assigned in policies[step].iterfind("AssignVariable")
        if assigned.findtext("Name") == "portcullis.reason"
    )


def attached(endpoint: Any) -> list[str]:
    """The policies in the flows of an endpoint, each once; those of fault rules apart."""
    names = [
        name.text
        for flow in endpoint
        if flow.tag in {"PreFlow", "PostFlow", "Flows"}
        for name in flow.iterfind(".//Step/Name")
    ]
    return list(dict.fromkeys(names))


def test_every_type_of_policy_in_the_bundle_is_in_the_table_of_faults(files: dict[str, bytes]) -> None:
    assert {policy.tag for policy in parsed(files, "policies").values()} == set(TABLE["policies"])


def test_every_fault_of_every_attached_policy_becomes_the_problem_of_the_table(files: dict[str, bytes]) -> None:
    policies = parsed(files, "policies")
    walked = 0
    for endpoint in endpoints(files).values():
        for name in attached(endpoint):
            known = TABLE["policies"][policies[name].tag]
            for code, problem in known.get("faults", {}).items():
                steps = chosen(endpoint, {**known.get("sets", {}), "fault.name": code.rpartition(".")[2]})
                assert (name, code, told(files, steps)) == (name, code, problem)
                walked += 1
    assert walked > 80


def test_every_refusal_is_told_by_a_rule_of_its_own(files: dict[str, bytes]) -> None:
    policies = parsed(files, "policies")
    for endpoint in endpoints(files).values():
        for name in attached(endpoint):
            if policies[name].tag != "RaiseFault":
                continue
            refusal = policies[name].findtext("FaultResponse/AssignVariable/Value")
            steps = chosen(endpoint, {"fault.name": "RaiseFault", "portcullis.refusal": refusal})
            assert told(files, steps) == refusal


@pytest.mark.parametrize(
    ("endpoint", "fault", "problem"),
    [(endpoint, fault, problem) for endpoint, rows in TABLE["endpoints"].items() for fault, problem in rows.items()],
)
def test_a_fault_of_an_endpoint_itself_becomes_the_problem_of_the_table(
    files: dict[str, bytes], endpoint: str, fault: str, problem: str
) -> None:
    name = fault.rpartition(".")[2]
    assert told(files, chosen(endpoints(files)[endpoint], {"fault.name": name})) == problem


def test_every_rule_ends_with_the_answer_and_so_does_the_default_of_every_endpoint(files: dict[str, bytes]) -> None:
    for endpoint in endpoints(files).values():
        assert endpoint.find("DefaultFaultRule") is not None
        for rule in [*endpoint.iterfind("FaultRules/FaultRule"), endpoint.find("DefaultFaultRule")]:
            last = rule.findall("Step")[-1]
            assert last.findtext("Name") == "AM-Problem"
            assert last.find("Condition") is None


def test_no_fault_rule_raises_a_fault(files: dict[str, bytes]) -> None:
    policies = parsed(files, "policies")
    for endpoint in endpoints(files).values():
        for rule in [*endpoint.iterfind("FaultRules/FaultRule"), endpoint.find("DefaultFaultRule")]:
            assert {policies[step].tag for step in steps_of(rule)} == {"AssignMessage"}


def test_no_problem_is_a_500_and_each_names_its_decision(files: dict[str, bytes]) -> None:
    problems = {
        name: {item.findtext("Name"): item.findtext("Value") for item in policy.iterfind("AssignVariable")}
        for name, policy in parsed(files, "policies").items()
        if policy.find("AssignVariable[Name='portcullis.problem.title']") is not None
    }
    assert len(problems) > 12
    statuses = {facts["portcullis.reason"]: int(facts["portcullis.status"] or 0) for facts in problems.values()}
    # Headers that are too large are told as such, with a status of their own.
    assert statuses | {"request-too-large": 413} == TABLE["statuses"]
    for name, facts in problems.items():
        status = int(facts["portcullis.status"])
        assert (name, facts["portcullis.decision"]) == (name, "deny" if status < 500 else "error")
        assert status != 500

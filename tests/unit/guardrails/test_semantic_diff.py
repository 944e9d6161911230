from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portcullis.contract import load
from portcullis.contract.policy_table import policy_table
from portcullis.guardrails.semantic_diff import Change, semantic_diff

CASES: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("changes.yaml"))
EXAMPLE = Path(__file__).parents[3] / "gateway.yaml"


def table(operations: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "operations": [
            {"method": key.split()[0], "path": key.split()[1], "roles": roles} for key, roles in operations.items()
        ]
    }


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_exactly_the_decisions_that_differ_are_listed(case: dict[str, Any]) -> None:
    changes = semantic_diff(table(case["before"]), table(case["after"]))
    assert [str(change) for change in changes] == case["changes"]


def test_only_deny_to_allow_is_said_to_open() -> None:
    changes = semantic_diff(table({"GET /a": ["reader"]}), table({"GET /a": ["buyer"]}))
    assert [(change.role, change.opens) for change in changes] == [("buyer", True), ("reader", False)]


def test_something_else_than_a_policy_table_is_refused() -> None:
    with pytest.raises(ValueError, match="not a policy table"):
        semantic_diff({}, table({}))


def test_a_changed_contract_is_understood(tmp_path: Path) -> None:
    changed = tmp_path / "gateway.yaml"
    text = EXAMPLE.read_text()
    assert text.count("path: /payments, roles: [treasurer]") == 1
    changed.write_text(
        text.replace("path: /payments, roles: [treasurer]", "path: /payments, roles: [treasurer, buyer]")
    )
    before, after = (
        policy_table(load(path), "https://api.acme.example", "https://apigee.acme.example/store")
        for path in (EXAMPLE, changed)
    )
    assert semantic_diff(before, after) == [Change("/payments", "POST", "buyer", allowed=True)]

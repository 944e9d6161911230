import json
from pathlib import Path
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from portcullis.guardrails.rules import MAXIMUM_TEXT_CHARACTERS, UNKNOWN, problems

CASES: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("refused.yaml"))
ENTRY = "gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries"


def with_unknowns(value: Any) -> Any:
    if value == {"unknown": True}:
        return UNKNOWN
    if isinstance(value, dict):
        return {key: with_unknowns(member) for key, member in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [with_unknowns(member) for member in cast("list[Any]", value)]
    return value


def refused_by(resource_type: str, inputs: dict[str, Any]) -> list[str]:
    return [rule.name for rule, _ in problems(resource_type, inputs)]


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_a_resource_is_refused_by_exactly_these_rules(case: dict[str, Any]) -> None:
    assert refused_by(case["type"], with_unknowns(case["inputs"])) == case["refused_by"]


def test_what_is_said_never_repeats_the_key() -> None:
    key = json.dumps({"kty": "EC", "d": "not-to-be-repeated"})
    assert "not-to-be-repeated" not in str(problems(ENTRY, {"name": "jwk.abc", "value": key}))


def test_a_value_too_large_to_look_through_is_refused() -> None:
    assert refused_by(ENTRY, {"value": "a" * MAXIMUM_TEXT_CHARACTERS}) == []
    assert refused_by(ENTRY, {"value": "a" * (MAXIMUM_TEXT_CHARACTERS + 1)}) != []


@pytest.mark.parametrize("depth", [50, 100_000])
def test_a_value_nested_too_deeply_to_look_through_is_refused(depth: int) -> None:
    assert refused_by(ENTRY, {"value": "[" * depth + "]" * depth}) != []

"""Conditions, by the tables of `conditions.yaml` and `conditions_refused.yaml`."""

from typing import Any

import pytest

from portcullis.sandbox.apigee.runtime.conditions import MAX_DEPTH, MAX_LENGTH, ConditionError, parse_condition
from tests.sandbox.apigee_runtime.tables import rows


@pytest.mark.parametrize(("group", "row"), rows("conditions.yaml"))
def test_a_condition(group: dict[str, Any], row: list[Any]) -> None:
    text, expected = row
    assert parse_condition(text)(group["variables"].get) is expected


@pytest.mark.parametrize(("group", "row"), rows("conditions_refused.yaml"))
def test_what_is_no_condition_is_refused(group: dict[str, Any], row: list[Any]) -> None:
    text, said = row
    with pytest.raises(ConditionError) as error:
        parse_condition(text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "warned"), [("a or b and c", True), ("a or (b and c)", False), ("a or b or c", False)]
)
def test_where_sources_disagree_there_is_a_warning(text: str, warned: bool) -> None:
    found = parse_condition(text).warnings
    assert any("sources disagree" in warning for warning in found) is warned


@pytest.mark.parametrize("text", ["(" * (MAX_DEPTH + 2) + "a", "!" * (MAX_DEPTH + 2) + "a", "a" * (MAX_LENGTH + 1)])
def test_size_and_depth_have_a_limit(text: str) -> None:
    with pytest.raises(ConditionError):
        parse_condition(text)


def test_a_pattern_that_would_run_on_is_given_up() -> None:
    condition = parse_condition('a ~~ "(a+)+b"')
    assert condition({"a": "a" * 5000}.get) is False

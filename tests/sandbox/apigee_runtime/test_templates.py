"""Message templates and their functions, by the table of `templates.yaml`."""

import re
from typing import Any

import pytest

from portcullis.sandbox.apigee.runtime.templates import (
    MAX_LENGTH,
    TemplateError,
    UnresolvedError,
    parse_template,
)
from tests.sandbox.apigee_runtime.tables import rows


@pytest.mark.parametrize(("group", "row"), rows("templates.yaml"))
def test_a_template(group: dict[str, Any], row: list[Any]) -> None:
    text, expected = row
    assert parse_template(text).fill(group["variables"].get) == expected


def test_other_delimiters_replace_braces() -> None:
    filled = parse_template('{"name": "@user#"}', "@", "#").fill({"user": "ada"}.get)
    assert filled == '{"name": "ada"}'


def test_a_strict_template_raises_for_an_unset_variable_without_a_default() -> None:
    assert parse_template("{a:x}{toUpperCase(a)}").fill({}.get, strict=True) == "x"
    with pytest.raises(UnresolvedError, match="a"):
        parse_template("{a}").fill({}.get, strict=True)


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("{createUuid()}", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("{randomLong()}", r"\d{1,19}"),
        ("{randomLong(10,19)}", r"1\d"),
        ("{xeger('[1-9]{7}')}", r"[1-9]{7}"),
    ],
)
def test_a_random_function_gives_another_value_each_time(template: str, pattern: str) -> None:
    compiled = parse_template(template)
    values = {compiled.fill({}.get) for _ in range(50)}
    assert len(values) > 1
    assert all(re.fullmatch(pattern, value) for value in values)


@pytest.mark.parametrize("text", ["{substring(a)}", "{createUuid(a)}", "{toUpperCase(a b)}", "x" * (MAX_LENGTH + 1)])
def test_what_is_no_call_of_a_function_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(text)

"""Regular expressions and JSONPath as Apigee's runtime reads them."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portcullis.sandbox.apigee.runtime import jsonpath
from portcullis.sandbox.apigee.runtime.java_regex import JavaRegexError, MatchTimeoutError, compile_java

HERE = Path(__file__).parent
PATTERNS: list[list[Any]] = YAML(typ="safe").load(HERE / "java_regex.yaml")
PATHS: dict[str, Any] = YAML(typ="safe").load(HERE / "jsonpath.yaml")


@pytest.mark.parametrize(("pattern", "text", "taken"), PATTERNS, ids=[f"{row[0]} in {row[1]!r}" for row in PATTERNS])
def test_a_java_expression_takes_what_java_takes(pattern: str, text: str, taken: str | None) -> None:
    found = compile_java(pattern)
    match = found.pattern.search(text)
    assert (match[0] if match else None) == taken
    assert found.found_in(text) == (taken is not None)


@pytest.mark.parametrize("pattern", ["foo){2}", "[a", "a" * 20_000, r"\p{Nonsense}"])
def test_what_is_no_expression_is_refused(pattern: str) -> None:
    with pytest.raises(JavaRegexError):
        compile_java(pattern)


def test_an_expression_cannot_run_without_bound() -> None:
    with pytest.raises(MatchTimeoutError):
        compile_java("(a|aa)+$").found_in("a" * 64 + "b")


def test_a_replacement_names_groups_by_number_and_name() -> None:
    assert compile_java(r"(?<first>\w+) (\w+)").replace("ada lovelace", r"$2, ${first} \$1") == "lovelace, ada $1"
    assert compile_java("a").replace("aaa", "b", count=1) == "baa"
    with pytest.raises(JavaRegexError, match="group"):
        compile_java("a").replace("a", "$1")


@pytest.mark.parametrize(("path", "expected"), PATHS["rows"], ids=[row[0] for row in PATHS["rows"]])
def test_a_jsonpath_gives_what_jayway_gives(path: str, expected: object) -> None:
    assert jsonpath.parse(path).result(PATHS["document"]) == (expected is not None, expected)


@pytest.mark.parametrize("path", PATHS["refused"])
def test_what_is_no_jsonpath_is_refused(path: str) -> None:
    with pytest.raises(jsonpath.PathError):
        jsonpath.parse(path)


def test_a_deep_document_is_no_crash() -> None:
    document: Any = None
    for _ in range(5000):
        document = [document]
    with pytest.raises(jsonpath.PathError):
        jsonpath.parse("$..*").find(document)

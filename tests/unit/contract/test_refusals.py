"""What a contract may not say: each row of refused.yaml edits the good contract once."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portcullis.contract import ContractError, load
from tests.unit.contract.edits import GOOD, edited, line_of, problems_of

ROWS: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("refused.yaml"))


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_it_is_refused_with_its_line_and_what_to_write_instead(row: dict[str, Any], tmp_path: Path) -> None:
    text = edited(row["edit"])
    expected = line_of(text, row["at"], row.get("nth", 1))
    found = problems_of(tmp_path, text)
    also = {line_of(text, fragment) for fragment in row.get("also", [])}
    assert {line for _, line, _ in found} == {expected} | also, found
    message = "\n".join(what for _, line, what in found if line == expected)
    for fragment in row["says"]:
        assert fragment in message
    assert all(file == "gateway.yaml" and "; write " in what for file, _, what in found)


def test_every_problem_of_a_contract_is_reported_in_one_go(tmp_path: Path) -> None:
    text = edited(
        [
            ["name: acme-store", "name: Acme"],
            ["algorithms: [RS256]\n", "algorithms: [HS256]\n"],
            ["burst: {requests: 50", "burst: {requests: 0"],
            ["place-order: {method: POST", "place-order: {method: GET"],
            ["token_life_seconds: 60", "token_life_seconds: 60s"],
            ["leeway_seconds: 10               # clock difference allowed when checking the", "leeway_seconds: 1  #"],
        ]
    )
    wanted = ["Acme", "HS256", "requests: 0", "place-order", "60s", "leeway_seconds: 1 "]
    assert [line for _, line, _ in problems_of(tmp_path, text)] == [line_of(text, fragment) for fragment in wanted]


def test_the_contract_of_the_project_is_accepted(tmp_path: Path) -> None:
    assert problems_of(tmp_path, (Path(__file__).parents[3] / "gateway.yaml").read_text()) == []


def test_a_special_path_may_stand_beside_the_general_one_of_its_product(tmp_path: Path) -> None:
    text = edited([["{method: POST, path: /orders,", "{method: GET, path: /orders/export,"]])
    assert problems_of(tmp_path, text) == []


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN EC PRIVATE KEY-----",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl",
        '"d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"',
        "AKIAIOSFODNN7EXAMPLE",
        "https://portcullis:hunter2hunter2@acme.okta.example/introspect",
        "Zk3vQ9xT1mB7pL2sW8nR4yC6uD0eF5hJaGqKiXoV",
    ],
)
@pytest.mark.parametrize("place", ["# {}", "{}: 1", "  subject: '{}'"])
def test_a_secret_is_refused_and_never_repeated(secret: str, place: str, tmp_path: Path) -> None:
    written = place.format(secret)
    found = problems_of(tmp_path, edited([["  subject: hash ", written + "\n  subject: hash "]]))
    assert any("(not shown here)" in message for _, _, message in found)
    everything = "\n".join(message for _, _, message in found)
    pieces = {secret[start : start + 12] for start in range(len(secret) - 11)}
    assert not [piece for piece in pieces if piece in everything]


def test_a_file_beyond_the_size_cap_is_refused(tmp_path: Path) -> None:
    [(_, line, message)] = problems_of(tmp_path, GOOD + "# filler\n" * 40_000)
    assert line == 1
    assert "larger than 262144 bytes" in message


def test_aliases_that_multiply_are_refused_before_they_are_expanded(tmp_path: Path) -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 30))
    [(_, _, message)] = problems_of(tmp_path, f"l0: &l0 [x]\n{levels}\n")
    assert "more than 20000 values" in message


def test_aliases_that_nest_are_refused(tmp_path: Path) -> None:
    levels = "\n".join(f"l{n}: &l{n} [*l{n - 1}]" for n in range(1, 2000))
    [(_, _, message)] = problems_of(tmp_path, f"l0: &l0 [x]\n{levels}\n")
    assert "deeper than 16 levels" in message


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    [(_, _, message)] = problems_of(tmp_path, "a: " + "[" * 5000 + "]" * 5000)
    assert "deeper than 16 levels" in message


def test_more_operations_than_the_cap_are_refused(tmp_path: Path) -> None:
    limits = "    quota: {{requests: 60, per: minute}}\n    burst: {{requests: 5, per: second}}\n"
    product = "  p{0}:\n    title: P\n" + limits + "    operations:\n"
    operation = "      o{0}: {{method: GET, path: /p/{0}, roles: [reader], backend: orders}}\n"
    more = "".join(
        product.format(number) + "".join(operation.format(f"{number}x{index}") for index in range(180))
        for number in range(3)
    )
    text = edited([["\nconsumers:", more + "\nconsumers:"], ["[orders, payments]", "[orders, payments, p0, p1, p2]"]])
    [(_, _, message)] = problems_of(tmp_path, text)
    assert "has 546 operations; write at most 500" in message


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "gateway.dev.yaml").write_bytes(b"api:\n  title: \xff\n")
    (tmp_path / "gateway.yaml").write_text(GOOD)
    with pytest.raises(ContractError, match=r"^gateway\.dev\.yaml:2: this line is not UTF-8"):
        load(tmp_path / "gateway.yaml", tmp_path / "gateway.dev.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"^nowhere\.yaml:1: the file cannot be read"):
        load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "text\n"])
def test_a_file_without_a_mapping_is_refused(text: str, tmp_path: Path) -> None:
    [(_, _, message)] = problems_of(tmp_path, text)
    assert "is empty" in message or "is not a mapping" in message

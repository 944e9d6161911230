"""Whatever a contract file holds, it is read or refused by a ContractError; nothing else ever comes out."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from portcullis.contract import ContractError, load
from tests.unit.contract.edits import GOOD

DOCUMENT: dict[str, Any] = YAML(typ="safe").load(GOOD)
LINE = re.compile(r"gateway\.yaml:[1-9][0-9]*: .+; write .+")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**20), max_value=10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["*", "/a/{b}", "https://a.example/", "RS256", "orders", "reader", "60s", "{", "//"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        steps = list(value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    elif isinstance(value, list):
        steps = list(enumerate(value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return [path, *(place for step, inner in steps for place in places(inner, (*path, step)))]


def judged(folder: Path, text: str) -> None:
    (folder / "gateway.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(folder / "gateway.yaml")
        return
    except ContractError as error:
        problems = error.problems
    assert problems
    assert [str(problem) for problem in problems if not LINE.fullmatch(str(problem))] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contracts")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(places(DOCUMENT)[1:]), value=VALUES)
def test_any_value_anywhere(place: tuple[Any, ...], value: Any, folder: Path) -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    judged(folder, json.dumps(document))


@settings(max_examples=100)
@given(at=st.integers(min_value=0, max_value=len(GOOD)), length=st.integers(0, 40), junk=st.text(max_size=10))
def test_any_text_anywhere(at: int, length: int, junk: str, folder: Path) -> None:
    judged(folder, GOOD[:at] + junk + GOOD[at + length :])

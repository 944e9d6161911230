"""gateway.<stack>.yaml over gateway.yaml: each case of overlays.yaml, and the examples of RFC 7396."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portcullis.contract import Contract, load
from portcullis.contract.document import merge
from portcullis.contract.yaml_reader import read_file
from tests.unit.contract.edits import GOOD, edited, line_of, problems_of

CASES: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("overlays.yaml"))
ACCEPTED = [case for case in CASES if "is" in case]
REFUSED = [case for case in CASES if "refused" in case]


def loaded(folder: Path, overlay: str | None) -> Contract:
    (folder / "gateway.yaml").write_text(GOOD)
    if overlay is None:
        return load(folder / "gateway.yaml")
    (folder / "gateway.dev.yaml").write_text(overlay)
    return load(folder / "gateway.yaml", folder / "gateway.dev.yaml")


def looked_up(contract: Contract, path: str) -> Any:
    value: Any = contract
    for step in path.split("."):
        value = getattr(value, step) if hasattr(type(value), "model_fields") else value[step]
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("case", ACCEPTED, ids=[case["name"] for case in ACCEPTED])
def test_it_is_laid_over_the_contract(case: dict[str, Any], tmp_path: Path) -> None:
    contract = loaded(tmp_path, case["overlay"])
    assert {path: looked_up(contract, path) for path in case["is"]} == case["is"]


@pytest.mark.parametrize("case", REFUSED, ids=[case["name"] for case in REFUSED])
def test_an_error_names_the_file_and_line_that_contributed_the_value(case: dict[str, Any], tmp_path: Path) -> None:
    texts = {"gateway.yaml": edited(case.get("edit", [])), "gateway.dev.yaml": case["overlay"]}
    found = problems_of(tmp_path, texts["gateway.yaml"], case["overlay"])
    wanted = [(entry["file"], line_of(texts[entry["file"]], entry["at"])) for entry in case["refused"]]
    assert list(dict.fromkeys((file, line) for file, line, _ in found))[: len(wanted)] == wanted
    for entry, place in zip(case["refused"], wanted, strict=True):
        assert any(entry["says"] in message for file, line, message in found if (file, line) == place)


# RFC 7396, appendix A: the examples whose target and patch are both objects.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
    ],
)
def test_the_examples_of_rfc_7396(target: str, patch: str, result: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(target)
    (tmp_path / "patch.yaml").write_text(patch)
    base, overlay = read_file(tmp_path / "base.yaml"), read_file(tmp_path / "patch.yaml")
    assert merge(base, overlay).data == json.loads(result)
    assert base.data == json.loads(target)


def test_the_version_changes_with_the_meaning_and_not_with_comments_or_order(tmp_path: Path) -> None:
    version = loaded(tmp_path, None).version_hash
    assert loaded(tmp_path, "audit: {subject: hash}\n").version_hash == version
    assert loaded(tmp_path, "audit: {subject: plain}\n").version_hash != version
    assert len(version) == 12


def test_nothing_of_a_contract_can_be_changed(tmp_path: Path) -> None:
    contract: Any = loaded(tmp_path, None)
    with pytest.raises(ValueError, match="frozen"):
        contract.edge.token_life_seconds = 1
    with pytest.raises(TypeError):
        contract.products["orders"] = None

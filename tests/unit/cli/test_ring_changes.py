"""Which changes of a preview a scheduled rotation may apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portcullis.cli.ring_changes import read_changes

ROWS: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("ring_changes.yaml"))
VERSION = "cloudflare:index/workerVersion:WorkerVersion"


def step(row: dict[str, Any]) -> dict[str, Any]:
    states = {f"{side}State": {"inputs": row[side]} for side in ("old", "new") if side in row}
    return {
        "op": row["op"],
        "urn": f"urn:pulumi:prod::portcullis::portcullis:index:Gateway${row['type']}::gateway-thing",
        **states,
        "detailedDiff": {path: {"kind": "update"} for path in row.get("paths", [])} or None,
    }


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_a_change_is_the_rings_own_or_it_is_not(row: dict[str, Any]) -> None:
    changes = read_changes({"steps": [step(row)]})
    assert (len(changes.own), len(changes.others)) == ((1, 0) if row["own"] else (0, 1))
    assert "gateway-thing" in str((*changes.own, *changes.others)[0])


def test_what_stays_as_it_is_and_the_halves_of_a_replacement_are_no_changes() -> None:
    quiet = [{**step(ROWS[0]), "op": op} for op in ("same", "read", "create-replacement", "delete-replaced")]
    assert not read_changes({"steps": quiet}).any
    assert not read_changes({}).any


def test_the_deployment_of_somebody_elses_version_is_somebody_elses() -> None:
    rows = {row["name"]: row for row in ROWS}
    both = [step(rows["a version of other code"]), step(rows["the deployment of a version"])]
    changes = read_changes({"steps": both})
    assert not changes.own
    assert len(changes.others) == 2


def test_the_rings_record_alone_is_told_from_a_rotation() -> None:
    rows = {row["name"]: row for row in ROWS}
    step_alone, key = step(rows["the ring's step"]), step(rows["a new key"])
    assert read_changes({"steps": [step_alone]}).notes_only
    assert not read_changes({"steps": [step_alone, key]}).notes_only
    assert not read_changes({}).notes_only

"""Tables of expected behaviour, each row with its source."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

FOLDER = Path(__file__).parent


def load(name: str) -> dict[str, Any]:
    """Return a table; every row of every group must name one of the table's sources."""
    table: dict[str, Any] = YAML(typ="safe").load((FOLDER / name).read_text(encoding="utf-8"))
    for group in table["groups"]:
        assert group["source"] in table["sources"], f"{name}: {group['it']} has no known source"
    return table


def rows(name: str) -> list[Any]:
    """Return (group, row) of every row as parameters of a test, named after what the group says."""
    return [
        pytest.param(group, row, id=f"{group['it']}: {row[0] if isinstance(row, list) else row.get('it', row)}")
        for group in load(name)["groups"]
        for row in group["rows"]
    ]

"""Every resource type from its creation to its end, through the plugin, against the emulated API."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.providers.cloudflare.world import World, revealed

LIVES = YAML(typ="safe").load(Path(__file__).parent / "lives.yaml")


@pytest.mark.parametrize("row", LIVES, ids=[row["title"] for row in LIVES])
def test_a_resource_is_made_left_alone_changed_and_deleted(row: dict[str, Any], world: World) -> None:
    resource = world.resource(row["type"])
    inputs = world.filled(row["inputs"])
    assert resource.up(inputs) == "create"
    assert _part(revealed(resource.state), world.filled(row["state"])) == world.filled(row["state"])
    assert resource.up(inputs) == "same"
    assert resource.refresh() == "same"
    assert resource.up(inputs) == "same"
    changed = {**inputs, **world.filled(row["change"])}
    assert resource.up(changed) == row["takes"]
    assert resource.refresh() == "same"
    assert resource.up(changed) == "same"
    imported = resource.imported(world.filled(row["import"]).replace("{id}", resource.id))
    known = {name: value for name, value in revealed(resource.state).items() if name in imported}
    assert _without_texts(revealed(imported)) == _without_texts(known)
    resource.delete()
    assert resource.refresh() == {"gone": "gone", "kept": "same"}[row["delete"]]


def _part(state: Any, pattern: Any) -> Any:
    """Return what of the state the pattern tells about."""
    if isinstance(pattern, dict):
        return {name: _part(state.get(name), part) for name, part in pattern.items()}
    if isinstance(pattern, list) and isinstance(state, list) and len(state) == len(pattern):
        return [_part(item, part) for item, part in zip(state, pattern, strict=True)]
    return state


def _without_texts(value: Any) -> Any:
    """Leave out what no API tells: the texts of secrets, and which file a module came from."""
    if isinstance(value, dict):
        hidden = {"text", "contentFile", "contentBase64"}
        return {name: _without_texts(part) for name, part in value.items() if name not in hidden}
    return [_without_texts(part) for part in value] if isinstance(value, list) else value

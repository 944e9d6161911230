"""Every resource of the gcp table lives its whole life against the emulated Apigee API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from engine.providers.gcp import GCP
from tests.providers.conftest import Api
from tests.providers.driver import UNKNOWN, Driver, Properties, Resource, revealed

CASES: dict[str, dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("gcp_resources.yaml"))
EVERY = pytest.mark.parametrize("name", CASES)
DELETABLE = pytest.mark.parametrize("name", [name for name in CASES if not CASES[name].get("always_there")])
UPDATABLE = pytest.mark.parametrize("name", [name for name, case in CASES.items() if "update" in case])


class World:
    """Resources of the table, made together with what they refer to."""

    def __init__(self, driver: Driver, api: Api) -> None:
        self.driver = driver
        self.api = api
        self._made: dict[str, Resource] = {}

    def inputs(self, name: str, given: Any) -> Properties:
        """The checked inputs of a resource, references resolved."""
        resource = self._made.get(name) or Resource(CASES[name]["type"], name)
        return self.driver.check(resource, self._resolve(given))

    def make(self, name: str) -> Resource:
        if name not in self._made:
            inputs = self.prepare(name)
            self.api.recorder.requests.clear()
            self._made[name] = self.driver.create(Resource(CASES[name]["type"], name), inputs)
        return self._made[name]

    def prepare(self, name: str) -> Properties:
        """Make everything that the resource needs; return its checked inputs."""
        for other in CASES[name].get("after", []):
            self.make(other)
        return self.inputs(name, CASES[name]["inputs"])

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._resolve(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._resolve(part) for part in value]
        match = re.fullmatch(r"\$\{(\w+)\.(\w+)\}", value) if isinstance(value, str) else None
        if match is None:
            return value
        other = self.make(match[1])
        return other.id if match[2] == "id" else revealed(other.outputs)[match[2]]


@pytest.fixture
def world(driver: Driver, api: Api) -> World:
    return World(driver, api)


def written(api: Api) -> list[str]:
    """The requests that change something; the generated key of an app has no name of its own."""
    return [
        re.sub(r"/keys/\w{48}", "/keys/GENERATED", line)
        for line in api.recorder.lines("POST", "PUT", "PATCH", "DELETE")
    ]


def test_the_table_has_a_case_for_every_resource_type() -> None:
    assert {case["type"] for case in CASES.values()} == {resource.type for resource in GCP.resources}


@EVERY
def test_a_preview_shows_the_inputs_and_what_only_the_api_knows(name: str, world: World, api: Api) -> None:
    inputs = world.prepare(name)
    api.recorder.requests.clear()
    shown = world.driver.preview(Resource(CASES[name]["type"], name), inputs)
    assert {key for key, value in shown.items() if value == UNKNOWN} == set(CASES[name]["unknown_in_preview"])
    assert revealed({key: shown[key] for key in shown if shown[key] != UNKNOWN}) == revealed(inputs)
    assert api.recorder.requests == []


@EVERY
def test_creating_sends_what_the_official_provider_sends(name: str, world: World, api: Api) -> None:
    made = world.make(name)
    assert re.fullmatch(CASES[name]["id"], made.id)
    assert written(api) == CASES[name]["create"]
    if "body" in CASES[name]:
        assert api.recorder.requests[0].body == CASES[name]["body"]


@EVERY
def test_what_was_created_needs_no_change(name: str, world: World) -> None:
    made = world.make(name)
    again = world.inputs(name, CASES[name]["inputs"])
    assert again == made.inputs
    assert world.driver.diff(made, again).paths == {}


@EVERY
def test_a_refresh_changes_nothing(name: str, world: World) -> None:
    made = world.make(name)
    assert world.driver.read(made) == made


@EVERY
def test_an_import_finds_the_inputs(name: str, world: World) -> None:
    made = world.make(name)
    found = world.driver.read(Resource(made.type, made.name, id=made.id))
    assert found is not None
    lacking = set(CASES[name].get("import_lacks", []))
    given = {key: value for key, value in revealed(made.inputs).items() if key not in lacking and value != ""}
    assert found.id == made.id
    assert {key: revealed(found.inputs).get(key) for key in given} == given
    assert set(world.driver.diff(found, made.inputs).paths) <= lacking | {
        "md5hash",
        "latestRevisionId",
        "revisions",
        "metaDatas",
    }


@UPDATABLE
def test_an_update_is_shown_property_by_property_and_then_made(name: str, world: World, api: Api) -> None:
    made = world.make(name)
    case = CASES[name]["update"]
    changed = world.inputs(name, case["inputs"])
    shown = world.driver.diff(made, changed)
    assert shown.paths == case["paths"]
    assert shown.replaces == []
    preview = world.driver.preview(made, changed)
    api.recorder.requests.clear()
    updated = world.driver.update(made, changed)
    assert written(api) == case["requests"]
    if "body" in case:
        assert api.recorder.requests[0].body == case["body"]
    assert world.driver.diff(updated, changed).paths == {}
    assert world.driver.read(updated) == updated
    for key, value in revealed(preview).items():
        assert UNKNOWN in (value, revealed(updated.outputs).get(key)) or value == revealed(updated.outputs).get(key), (
            key
        )


@EVERY
def test_what_cannot_be_changed_replaces(name: str, world: World) -> None:
    made = world.make(name)
    shown = world.driver.diff(made, world.inputs(name, CASES[name]["replace"]))
    assert shown.replaces == CASES[name]["replaces"]
    assert all(kind.endswith("_REPLACE") for path, kind in shown.paths.items() if path in shown.replaces)


@DELETABLE
def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(name: str, world: World) -> None:
    made = world.make(name)
    world.driver.delete(made)
    assert world.driver.read(made) is None
    world.driver.delete(made)


def test_a_mask_that_is_deleted_is_empty(world: World) -> None:
    made = world.make("debug_mask")
    world.driver.delete(made)
    left = world.driver.read(made)
    assert left is not None
    assert set(left.outputs) == {"envId", "name"}


@DELETABLE
def test_a_resource_that_must_not_be_deleted_is_not(name: str, world: World, api: Api) -> None:
    made = world.make(name)
    for policy, refused in (("PREVENT", True), ("ABANDON", False)):
        kept = world.driver.update(made, {**made.inputs, "deletionPolicy": policy})
        api.recorder.requests.clear()
        if refused:
            with pytest.raises(Exception, match="deletionPolicy"):
                world.driver.delete(kept)
        else:
            world.driver.delete(kept)
        assert api.recorder.requests == []

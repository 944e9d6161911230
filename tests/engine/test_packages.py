import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.host.interpreter import Interpreter
from engine.host.packages import Inventory, InventoryError, Package, Parameterization, inventory, semantic_version

PYTHON = Interpreter(Path(sys.executable))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder on the import path of the Python that is asked."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def add_package(site: Path, name: str, plugin: Any, version: str = "") -> None:
    (site / name).mkdir()
    (site / name / "pulumi-plugin.json").write_text(json.dumps(plugin))
    if version:
        information = site / f"{name}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def ask(site: Path) -> Inventory:
    return inventory(PYTHON, site, {**os.environ, "PYTHONPATH": str(site)})


def packages_of(site: Path, *names: str) -> list[Package]:
    return [package for package in ask(site).packages if package.name in names]


def test_a_package_names_its_plugin(site: Path) -> None:
    add_package(site, "pulumi_mine", {"resource": True, "name": "mine", "version": "v1.2.3", "server": "https://s"})
    assert packages_of(site, "mine") == [Package("mine", "1.2.3", "https://s")]


def test_a_package_that_names_neither_plugin_nor_version_is_known_by_its_own(site: Path) -> None:
    add_package(site, "pulumi_two_words", {"resource": True}, version="4.5.6b7")
    assert packages_of(site, "two-words") == [Package("two-words", "4.5.6-beta.7")]


def test_a_library_without_a_plugin_needs_none(site: Path) -> None:
    add_package(site, "pulumi_library", {"resource": False, "name": "library"})
    add_package(site, "pulumi_policy", {"resource": True, "name": "policy"})
    assert packages_of(site, "library", "policy") == []


def test_a_parameterized_package_tells_its_parameters(site: Path) -> None:
    value = base64.b64encode(b'{"remote":1}').decode()
    parameters = {"name": "random", "version": "3.0.0", "value": value}
    add_package(
        site, "pulumi_random", {"resource": True, "name": "base", "version": "1.0.0", "parameterization": parameters}
    )
    expected = Package("base", "1.0.0", parameterization=Parameterization("random", "3.0.0", b'{"remote":1}'))
    assert packages_of(site, "base") == [expected]


@pytest.mark.parametrize("plugin", [[], {"resource": True, "parameterization": {"name": "no version"}}])
def test_a_package_whose_plugin_file_makes_no_sense_is_an_error_that_names_it(plugin: Any, site: Path) -> None:
    add_package(site, "pulumi_broken", plugin)
    with pytest.raises(InventoryError, match=r"pulumi_broken.pulumi-plugin\.json"):
        ask(site)


def test_what_something_else_needs_is_told_apart_from_what_was_asked_for(site: Path) -> None:
    required = {distribution.name: distribution.required for distribution in ask(site).distributions}
    assert required["portcullis"] is False
    assert required["grpcio"] is True


def test_a_python_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho cannot find libpython >&2; exit 1\n")
    broken.chmod(0o755)
    with pytest.raises(InventoryError, match="cannot find libpython"):
        inventory(Interpreter(broken), tmp_path, os.environ)


@pytest.mark.parametrize(
    ("python", "semantic"),
    [
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        ("1.2", "1.2.0"),
        ("1.2.3a4", "1.2.3-alpha.4"),
        ("1.2.3b4", "1.2.3-beta.4"),
        ("1.2.3rc4", "1.2.3-rc.4"),
        ("1.2.dev5", "1.2.0-dev.5"),
        ("1.2.3a4.dev5", "1.2.3-alpha.4.dev.5"),
        ("1.2.3+local", "1.2.3"),
        ("someday", ""),
    ],
)
def test_a_python_version_becomes_a_semantic_one(python: str, semantic: str) -> None:
    assert semantic_version(python) == semantic

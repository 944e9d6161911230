"""The workflows of a pull request and of a merge: they read as GitHub wants them, and all that they name exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from portcullis.cli.main import app

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".github" / "workflows"
JOBS = {"preview": "preview", "deploy": "deploy", "rotation": "rotate"}
NEW = ("preview", "deploy")


def _workflow(name: str) -> dict[Any, Any]:
    return YAML(typ="safe").load(FOLDER / f"{name}.yml")


def _job(name: str) -> dict[str, Any]:
    return _workflow(name)["jobs"][JOBS[name]]


def _scripts(name: str) -> str:
    return "\n".join(step["run"] for step in _job(name)["steps"] if "run" in step)


def test_every_workflow_is_known_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.yml")} == set(JOBS)


@pytest.mark.parametrize("name", NEW)
def test_it_has_no_more_rights_than_to_read_the_code_and_to_log_in(name: str) -> None:
    assert _workflow(name)["permissions"] == {"contents": "read", "id-token": "write"}
    assert "permissions" not in _job(name)
    assert "secrets." not in (FOLDER / f"{name}.yml").read_text().replace("steps.secrets.", "")


@pytest.mark.parametrize("name", NEW)
def test_the_stacks_are_those_that_rotate_and_have_settings(name: str) -> None:
    stacks = _job(name)["strategy"]["matrix"]["stack"]
    assert stacks == _job("rotation")["strategy"]["matrix"]["stack"]
    assert all((ROOT / f"Pulumi.{stack}.yaml").is_file() for stack in stacks)


@pytest.mark.parametrize("name", NEW)
def test_its_actions_are_pinned_as_those_of_the_rotation(name: str) -> None:
    used = [step["uses"] for step in _job(name)["steps"] if "uses" in step]
    assert used == [step["uses"] for step in _job("rotation")["steps"] if "uses" in step]
    assert all(re.search(r"@(v\d+|[0-9a-f]{40})$", action) for action in used)


@pytest.mark.parametrize("name", NEW)
def test_its_scripts_are_read_by_bash_and_call_what_exists(name: str) -> None:
    plain = re.sub(r"\$\{\{[^}]*\}\}", "x", _scripts(name))
    checked = subprocess.run(["bash", "-n"], input=plain, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    for line in re.findall(r"\.venv/bin/portcullis ([^>|\n]*)", plain):
        command, *rest = shlex.split(line)
        shown = CliRunner().invoke(app, [command, "--help"])
        assert {word for word in rest if word.startswith("-")} <= set(re.findall(r"--[a-z]+", shown.output))


@pytest.mark.parametrize("name", NEW)
def test_it_holds_the_program_to_the_policy_pack(name: str) -> None:
    packs = re.findall(r"--policy-pack (\S+)", _scripts(name))
    assert packs
    assert all((ROOT / pack / "PulumiPolicy.yaml").is_file() for pack in packs)


def test_a_deployment_and_a_rotation_of_a_stack_share_one_lock() -> None:
    assert _job("deploy")["concurrency"] == _job("rotation")["concurrency"]
    assert _job("deploy")["environment"] == _job("rotation")["environment"]


def test_only_what_is_merged_is_deployed_and_one_stack_after_the_other() -> None:
    assert _workflow("deploy")["on"] == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
    assert (_job("deploy")["strategy"]["fail-fast"], _job("deploy")["strategy"]["max-parallel"]) == (True, 1)


def test_a_pull_request_changes_nothing_and_has_an_identity_of_its_own() -> None:
    assert set(_workflow("preview")["on"]) == {"pull_request"}
    assert re.findall(r"^\s*pulumi (\w+)", _scripts("preview"), re.MULTILINE) == ["preview"]
    assert _job("preview")["environment"] == "${{ matrix.stack }}-preview"
    assert "head.repo.full_name == github.repository" in _job("preview")["if"]

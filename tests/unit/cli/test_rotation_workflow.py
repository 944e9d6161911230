"""The scheduled workflow: that it reads as GitHub wants it, and that all it calls exists."""

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
from portcullis.cli.rotation import EXIT_CODES

ROOT = Path(__file__).parents[3]
WORKFLOW: dict[Any, Any] = YAML(typ="safe").load(ROOT / ".github/workflows/rotation.yml")
JOB: dict[str, Any] = WORKFLOW["jobs"]["rotate"]
RUNS = [step["run"] for step in JOB["steps"] if "run" in step]
CALLS = [shlex.split(line) for run in RUNS for line in re.findall(r"\.venv/bin/portcullis ([^>|\n]*)", run)]


def test_it_runs_on_a_schedule_and_by_hand_with_no_more_rights_than_it_needs() -> None:
    assert set(WORKFLOW["on"]) == {"schedule", "workflow_dispatch"}
    assert WORKFLOW["permissions"] == {"contents": "read", "id-token": "write"}


def test_one_job_at_a_time_for_each_stack_and_none_is_cut_off() -> None:
    assert "${{ matrix.stack }}" in JOB["concurrency"]["group"]
    assert JOB["concurrency"]["cancel-in-progress"] is False
    assert JOB["strategy"]["fail-fast"] is False


def test_every_stack_it_names_has_its_settings() -> None:
    assert JOB["strategy"]["matrix"]["stack"]
    for stack in JOB["strategy"]["matrix"]["stack"]:
        assert (ROOT / f"Pulumi.{stack}.yaml").is_file()


def test_no_secret_of_the_repository_is_used() -> None:
    assert "secrets." not in re.sub(r"steps\.secrets\.", "", (ROOT / ".github/workflows/rotation.yml").read_text())


@pytest.mark.parametrize("script", RUNS)
def test_a_script_is_one_that_bash_can_read(script: str) -> None:
    plain = re.sub(r"\$\{\{[^}]*\}\}", "x", script)
    checked = subprocess.run(["bash", "-n"], input=plain, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_command_it_calls_exists_with_its_options(call: list[str]) -> None:
    shown = CliRunner().invoke(app, [call[0], "--help"])
    assert shown.exit_code == 0
    assert {word for word in call[1:] if word.startswith("-")} <= set(re.findall(r"--[a-z]+", shown.output))


def test_it_rotates_looks_for_drift_and_raises_alarms() -> None:
    text = "\n".join(RUNS)
    assert [call[0] for call in CALLS] == ["rotate", "ring"]
    assert "--alarm" in text
    assert "pulumi refresh --preview-only --expect-no-changes" in text


def test_the_exit_codes_that_pass_are_those_of_a_run_that_went_well() -> None:
    passing = re.search(r'case "\$code" in ([0-9 |]+)\)', "\n".join(RUNS))
    assert passing is not None
    assert {int(code) for code in passing[1].split("|")} == {EXIT_CODES["nothing due"], EXIT_CODES["rotated"]}


def test_make_targets_that_it_calls_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {target for run in RUNS for target in re.findall(r"\bmake ([a-z-]+)", run)} <= set(targets)

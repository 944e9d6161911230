import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.layout import CLOUDS, Layout, replace_file, write_launchers, write_provider_launchers
from tests.engine.programs import write_program


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A checkout at a path that a careless shell script would take apart."""
    layout = Layout(tmp_path / "a checkout's folder")
    write_program(own_python(layout), "exit 0")
    write_launchers(layout, layout.bin)
    write_provider_launchers(layout)
    return layout


def own_python(layout: Layout) -> Path:
    return layout.checkout / ".venv" / "bin" / "python"


def run(program: Path, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_launcher_runs_the_checkouts_python_with_everything_it_was_told(layout: Layout, tmp_path: Path) -> None:
    write_program(own_python(layout), 'for argument; do echo "$argument"; done')
    said = run(layout.bin / "pulumi-language-python", "-v=9", "two words", cwd=tmp_path).stdout.splitlines()
    assert said == ["-P", "-u", "-m", "engine.language_host", "-v=9", "two words"]
    for cloud in CLOUDS:
        launcher = layout.providers(cloud) / f"pulumi-resource-{cloud}"
        said = run(launcher, "127.0.0.1:9", cwd=tmp_path).stdout.splitlines()
        assert said == ["-P", "-u", "-m", "engine.providers", cloud, "127.0.0.1:9"]


def test_a_folder_named_engine_in_the_project_is_not_taken_for_ours(layout: Layout, tmp_path: Path) -> None:
    write_program(own_python(layout), f'exec {sys.executable} "$@"')
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('the wrong engine')")
    ran = run(layout.bin / "pulumi-resource-pulumi-python", cwd=tmp_path, PULUMI_RUNTIME_VIRTUALENV="nowhere")
    assert "the wrong engine" not in ran.stderr
    assert "nowhere" in ran.stderr


def test_dynamic_providers_run_in_the_python_of_the_program(tmp_path: Path) -> None:
    write_program(tmp_path / ".venv" / "bin" / "python", 'echo "$@"; echo "$VIRTUAL_ENV"')
    said = subprocess.run(
        [sys.executable, "-P", "-m", "engine.dynamic_provider", "--logtostderr", "127.0.0.1:9"],
        cwd=tmp_path,
        env={**os.environ, "PULUMI_RUNTIME_VIRTUALENV": ".venv"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.splitlines() == ["-u -m pulumi.dynamic --logtostderr 127.0.0.1:9", str(tmp_path / ".venv")]


def test_a_file_that_is_as_it_should_be_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"
    replace_file(file, b"one", 0o755)
    before = file.stat()
    replace_file(file, b"one", 0o755)
    assert file.stat().st_ino == before.st_ino
    replace_file(file, b"two", 0o755)
    assert file.read_bytes() == b"two"
    assert list(file.parent.iterdir()) == [file]

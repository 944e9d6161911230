from pathlib import Path

import pytest

from engine.host.dependencies import install_commands
from engine.host.interpreter import InterpreterError, Options, resolve
from tests.engine.programs import write_program


def make_virtualenv(folder: Path) -> Path:
    return write_program(folder / "bin" / "python", "exit 0")


def test_the_virtualenv_of_the_project_file_is_relative_to_it(tmp_path: Path) -> None:
    python = make_virtualenv(tmp_path / "envs" / "mine")
    project = tmp_path / "project"
    project.mkdir()
    assert resolve(project, Options(virtualenv="../envs/mine"), {}).python == python


def test_a_virtualenv_that_is_not_there_is_an_error_that_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InterpreterError, match="-m venv"):
        resolve(tmp_path, Options(virtualenv=".venv"), {})


@pytest.mark.parametrize(("lock", "options"), [("uv.lock", Options()), ("other.lock", Options(toolchain="uv"))])
def test_uv_projects_use_the_folder_that_uv_makes(lock: str, options: Options, tmp_path: Path) -> None:
    python = make_virtualenv(tmp_path / ".venv")
    (tmp_path / lock).touch()
    assert resolve(tmp_path, options, {}).python == python


def test_poetry_is_asked_where_its_environment_is(tmp_path: Path) -> None:
    python = make_virtualenv(tmp_path / "poetrys")
    write_program(tmp_path / "bin" / "poetry", f'[ "$*" = "env info --path" ] && echo "{tmp_path / "poetrys"}"')
    found = resolve(tmp_path, Options(toolchain="poetry"), {"PATH": str(tmp_path / "bin")})
    assert found.python == python


def test_without_a_virtualenv_python3_of_path_is_used(tmp_path: Path) -> None:
    python = write_program(tmp_path / "bin" / "python3", "exit 0")
    assert resolve(tmp_path, Options(), {"PATH": str(tmp_path / "bin")}).python == python


def test_the_user_may_name_another_python(tmp_path: Path) -> None:
    write_program(tmp_path / "bin" / "python3", "exit 0")
    chosen = write_program(tmp_path / "bin" / "python3.99", "exit 0")
    environment = {"PATH": str(tmp_path / "bin"), "PULUMI_PYTHON_CMD": "python3.99"}
    assert resolve(tmp_path, Options(), environment).python == chosen


def test_no_python_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InterpreterError, match="no Python found"):
        resolve(tmp_path, Options(), {"PATH": str(tmp_path)})


def test_an_unknown_toolchain_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InterpreterError, match="conda"):
        resolve(tmp_path, Options(toolchain="conda"), {"PATH": str(tmp_path)})


def test_the_virtualenv_is_switched_on_for_what_runs_in_it(tmp_path: Path) -> None:
    make_virtualenv(tmp_path / ".venv")
    found = resolve(tmp_path, Options(virtualenv=".venv"), {})
    environment = found.environment({"PATH": "/usr/bin", "PYTHONHOME": "/elsewhere", "KEPT": "yes"})
    assert environment == {
        "PATH": f"{tmp_path / '.venv' / 'bin'}:/usr/bin",
        "VIRTUAL_ENV": str(tmp_path / ".venv"),
        "KEPT": "yes",
    }


def test_installing_makes_the_virtualenv_and_then_fills_it(tmp_path: Path) -> None:
    base = write_program(tmp_path / "bin" / "python3", "exit 0")
    (tmp_path / "requirements.txt").touch()
    made = str(tmp_path / ".venv" / "bin" / "python")
    commands = install_commands(tmp_path, Options(virtualenv=".venv"), {"PATH": str(tmp_path / "bin")})
    assert commands == [
        [str(base), "-m", "venv", str(tmp_path / ".venv")],
        [made, "-m", "pip", "install", "-r", "requirements.txt"],
    ]


def test_installing_into_a_virtualenv_that_is_there_only_fills_it(tmp_path: Path) -> None:
    python = make_virtualenv(tmp_path / ".venv")
    (tmp_path / "pyproject.toml").touch()
    commands = install_commands(tmp_path, Options(virtualenv=".venv"), {"PATH": ""})
    assert commands == [[str(python), "-m", "pip", "install", "-e", "."]]


def test_uv_installs_into_the_folder_that_the_project_file_names(tmp_path: Path) -> None:
    uv = write_program(tmp_path / "bin" / "uv", "exit 0")
    options = Options(toolchain="uv", virtualenv="mine")
    commands = install_commands(tmp_path, options, {"PATH": str(tmp_path / "bin")})
    assert commands == [["env", f"UV_PROJECT_ENVIRONMENT={tmp_path / 'mine'}", str(uv), "sync"]]


def test_installing_for_uv_without_uv_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InterpreterError, match="no `uv` on PATH"):
        install_commands(tmp_path, Options(toolchain="uv"), {"PATH": str(tmp_path)})

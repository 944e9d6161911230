import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from engine.build import MODULE, BuildError, ensure_built
from engine.install import choose, install
from engine.layout import ENGINE_VERSION, Layout, cache_folder, cached_cli
from tests.engine.programs import fake_go, fake_pulumi, times_built, write_program

DECISIONS: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("decisions.yaml"))
SHELL_TOOLS = "/usr/bin:/bin"  # for the scripts themselves; hold no pulumi and no go


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{tmp_path / 'go'}:{SHELL_TOOLS}", "PORTCULLIS_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "checkout")


def quiet(line: str) -> None:
    del line


@pytest.mark.parametrize("case", DECISIONS, ids=[case["title"] for case in DECISIONS])
def test_the_engine_is_chosen_by_what_is_on_path(case: dict[str, Any], tmp_path: Path) -> None:
    folders: list[str] = []
    for index, programs in enumerate(case["path"]):
        folder = tmp_path / str(index) / case.get("folder", "bin")
        folder.mkdir(parents=True)
        folders.append(str(folder))
        for name, says in programs.items():
            fake_pulumi(folder / name, says)
    choice = choose({"PATH": os.pathsep.join(folders)})
    assert ("built" if choice.cli is None else "found") == case["cli"]
    assert choice.launchers is case["launchers"]


def test_building_lays_out_the_cli_with_its_launchers_beside_it(
    environment: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    fake_go(tmp_path / "go" / "go")
    install(layout, environment, quiet)
    assert sorted(file.name for file in layout.bin.iterdir()) == [
        "pulumi",
        "pulumi-language-python",
        "pulumi-resource-pulumi-python",
    ]
    assert all(os.access(file, os.X_OK) for file in layout.bin.iterdir())


def test_the_second_run_builds_nothing(environment: dict[str, str], layout: Layout, tmp_path: Path) -> None:
    go = fake_go(tmp_path / "go" / "go")
    install(layout, environment, quiet)
    before = {file: file.stat().st_mtime_ns for file in layout.bin.iterdir()}
    install(layout, environment, quiet)
    assert times_built(go) == 1
    assert {file: file.stat().st_mtime_ns for file in layout.bin.iterdir()} == before


def test_another_checkout_uses_what_the_first_one_built(environment: dict[str, str], tmp_path: Path) -> None:
    go = fake_go(tmp_path / "go" / "go")
    for name in ("one", "two"):
        install(Layout(tmp_path / name), environment, quiet)
    assert times_built(go) == 1


def test_two_runs_at_once_build_once(environment: dict[str, str], tmp_path: Path) -> None:
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    os.mkfifo(begun)
    os.mkfifo(go_on)
    go = fake_go(tmp_path / "go" / "go", before=f'echo > "{begun}"; cat "{go_on}" > /dev/null')
    waiting = threading.Event()
    built: list[Path] = []

    def run() -> None:
        built.append(ensure_built(environment, lambda line: waiting.set() if "another run" in line else None))

    first = threading.Thread(target=run)
    first.start()
    begun.read_text()
    second = threading.Thread(target=run)
    second.start()
    assert waiting.wait(20)
    go_on.write_text("")
    first.join(20)
    second.join(20)
    assert built == [cached_cli(environment)] * 2
    assert times_built(go) == 1


def test_a_damaged_binary_in_the_cache_is_built_again(environment: dict[str, str], tmp_path: Path) -> None:
    go = fake_go(tmp_path / "go" / "go")
    write_program(cached_cli(environment), "exit 1")
    assert ensure_built(environment, quiet) == cached_cli(environment)
    assert times_built(go) == 1


def test_a_failed_build_says_why_and_leaves_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    fake_go(tmp_path / "go" / "go", before='echo "no route to the module proxy" >&2; exit 1')
    with pytest.raises(BuildError, match="no route to the module proxy"):
        ensure_built(environment, quiet)
    assert [file.name for file in cached_cli(environment).parent.iterdir()] == ["lock"]


def test_a_build_of_another_version_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    fake_go(tmp_path / "go" / "go", builds="v3.1.0")
    with pytest.raises(BuildError, match=r"says it is 3\.1\.0"):
        ensure_built(environment, quiet)
    assert not cached_cli(environment).exists()


@pytest.mark.parametrize("version", [None, "go1.24.9", "nonsense"])
def test_without_a_cli_and_without_a_new_enough_go_both_remedies_are_named(
    version: str | None, environment: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    if version is not None:
        fake_go(tmp_path / "go" / "go", version=version)
    else:
        environment["PATH"] = str(tmp_path / "empty")
    with pytest.raises(BuildError) as problem:
        install(layout, environment, quiet)
    assert "https://www.pulumi.com/docs/install/" in str(problem.value)
    assert "https://go.dev/dl/" in str(problem.value)


def test_progress_is_told_while_the_build_runs(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.build._REPORT_SECONDS", 0.02)
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    fake_go(tmp_path / "go" / "go", before=f'echo example.com/a/package >&2; cat "{go_on}" > /dev/null')
    told = threading.Event()

    def say(line: str) -> None:
        if "1 packages compiled, now example.com/a/package" in line:
            told.set()

    building = threading.Thread(target=ensure_built, args=(environment, say))
    building.start()
    assert told.wait(20)
    go_on.write_text("")
    building.join(20)


def test_a_bare_official_cli_gets_launchers_and_no_cli_of_ours(layout: Layout, tmp_path: Path) -> None:
    fake_pulumi(tmp_path / "bin" / "pulumi", "v3.258.0")
    install(layout, {"PATH": str(tmp_path / "bin")}, quiet)
    assert sorted(file.name for file in layout.launchers.iterdir()) == [
        "pulumi-language-python",
        "pulumi-resource-pulumi-python",
    ]
    assert not layout.bin.exists()


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"PORTCULLIS_CACHE": "/c"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/portcullis"),
        ({"PORTCULLIS_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"XDG_CACHE_HOME": "relative"}, "~/.cache/portcullis"),
        ({}, "~/.cache/portcullis"),
    ],
)
def test_the_cache_is_where_the_user_keeps_caches(variables: dict[str, str], folder: str) -> None:
    assert cache_folder(variables) == Path(folder).expanduser()


def test_the_command_fails_with_one_message_and_no_traceback(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "engine.install"],
        env={"PATH": str(tmp_path), "PORTCULLIS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("engine: no Pulumi CLI")
    assert "Traceback" not in ran.stderr


def test_the_go_module_asks_for_the_version_that_is_checked() -> None:
    required = [line.split() for line in (MODULE / "go.mod").read_text().splitlines()]
    assert ["require", "github.com/pulumi/pulumi/pkg/v3", f"v{ENGINE_VERSION}"] in required

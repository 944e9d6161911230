import os
from pathlib import Path

import pytest

from engine.environment import EngineMissingError, environment
from engine.install import install
from engine.layout import CLOUDS, Layout
from engine.official import sdk_version
from tests.engine.programs import fake_go, fake_pulumi, write_program

SHELL_TOOLS = "/usr/bin:/bin"


@pytest.fixture
def base(tmp_path: Path) -> dict[str, str]:
    """A machine with Go and nothing of Pulumi's."""
    fake_go(tmp_path / "go" / "go")
    return {
        "PATH": f"{tmp_path / 'go'}:{SHELL_TOOLS}",
        "PORTCULLIS_CACHE": str(tmp_path / "cache"),
        "PULUMI_HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def layout(tmp_path: Path, base: dict[str, str]) -> Layout:
    layout = Layout(tmp_path / "checkout")
    install(layout, base, lambda line: None)
    return layout


def folders(variables: dict[str, str]) -> list[str]:
    return variables["PATH"].split(os.pathsep)


def install_plugin(base: dict[str, str], cloud: str, version: str) -> Path:
    folder = Path(base["PULUMI_HOME"]) / "plugins" / f"resource-{cloud}-v{version}"
    write_program(folder / f"pulumi-resource-{cloud}", "exit 0")
    return folder


def test_our_cli_comes_first_and_the_stand_in_providers_last(
    base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    path = folders(environment(tmp_path, base, layout))
    assert path[0] == str(layout.bin)
    assert path[-2:] == [str(layout.providers(cloud)) for cloud in CLOUDS]
    assert path[1:-3] == base["PATH"].split(os.pathsep)


def test_the_portcullis_command_is_found_and_shadows_nothing(
    base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    assert folders(environment(tmp_path, base, layout))[-3] == str(layout.commands)


def test_an_activated_virtual_environment_stays_where_it_is(
    base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    base["PATH"] = f"{layout.commands}:{base['PATH']}"
    assert folders(environment(tmp_path, base, layout)).index(str(layout.commands)) == 1


def test_setting_it_twice_changes_nothing(base: dict[str, str], layout: Layout, tmp_path: Path) -> None:
    once = environment(tmp_path, base, layout)
    assert environment(tmp_path, {**base, **once}, layout) == once


def test_an_official_cli_is_left_where_it_is(base: dict[str, str], layout: Layout, tmp_path: Path) -> None:
    for name in ("pulumi", "pulumi-language-python", "pulumi-resource-pulumi-python"):
        fake_pulumi(tmp_path / "official" / name, "v3.258.0")
    base["PATH"] = f"{tmp_path / 'official'}:{base['PATH']}"
    path = folders(environment(tmp_path, base, layout))
    assert str(layout.bin) not in path
    assert str(layout.launchers) not in path


def test_a_bare_official_cli_finds_our_language_host_after_everything_else(
    base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    fake_pulumi(tmp_path / "official" / "pulumi", "v3.258.0")
    base["PATH"] = f"{tmp_path / 'official'}:{base['PATH']}"
    path = folders(environment(tmp_path, base, layout))
    assert path[-3] == str(layout.launchers)
    assert str(layout.bin) not in path


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_official_plugin_on_path_is_used_instead_of_ours(
    cloud: str, base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    write_program(tmp_path / "plugins" / f"pulumi-resource-{cloud}", "exit 0")
    base["PATH"] = f"{base['PATH']}:{tmp_path / 'plugins'}"
    path = folders(environment(tmp_path, base, layout))
    assert {c: str(layout.providers(c)) in path for c in CLOUDS} == {c: c != cloud for c in CLOUDS}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_installed_official_plugin_is_used_instead_of_ours(
    cloud: str, base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    install_plugin(base, cloud, sdk_version(cloud))
    path = folders(environment(tmp_path, base, layout))
    assert {c: str(layout.providers(c)) in path for c in CLOUDS} == {c: c != cloud for c in CLOUDS}


def test_an_installed_plugin_of_another_version_does_not_count(
    base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    install_plugin(base, "gcp", "1.0.0")
    assert str(layout.providers("gcp")) in folders(environment(tmp_path, base, layout))


def test_a_plugin_that_is_half_installed_does_not_count(base: dict[str, str], layout: Layout, tmp_path: Path) -> None:
    folder = install_plugin(base, "gcp", sdk_version("gcp"))
    folder.with_name(f"{folder.name}.partial").touch()
    assert str(layout.providers("gcp")) in folders(environment(tmp_path, base, layout))


def test_plugins_are_not_downloaded_while_ours_stand_in(base: dict[str, str], layout: Layout, tmp_path: Path) -> None:
    assert environment(tmp_path, base, layout)["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_plugins_on_path_are_not_ignored_while_ours_stand_in(
    base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    assert "PULUMI_IGNORE_AMBIENT_PLUGINS" not in environment(tmp_path, base, layout)
    base["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    assert environment(tmp_path, base, layout)["PULUMI_IGNORE_AMBIENT_PLUGINS"] == "false"


def test_nothing_is_held_back_with_official_plugins(base: dict[str, str], layout: Layout, tmp_path: Path) -> None:
    for cloud in CLOUDS:
        install_plugin(base, cloud, sdk_version(cloud))
    variables = environment(tmp_path, base, layout)
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in variables
    assert "PULUMI_HOME" not in variables


def test_the_state_is_in_the_project_and_its_folder_is_there(
    base: dict[str, str], layout: Layout, tmp_path: Path
) -> None:
    project = tmp_path / "a project"
    project.mkdir()
    variables = environment(project, base, layout)
    assert variables["PULUMI_BACKEND_URL"] == (project / ".portcullis" / "state").as_uri()
    assert (project / ".portcullis" / "state").is_dir()
    assert variables["PORTCULLIS_CLOCK_FILE"] == str(project / ".portcullis" / "sandbox" / "clock.json")
    assert variables["PORTCULLIS_HOSTS_FILE"] == str(project / ".portcullis" / "sandbox" / "hosts.json")


def test_without_any_cli_the_error_says_what_to_run(base: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(EngineMissingError, match="make up"):
        environment(tmp_path, base, Layout(tmp_path / "fresh"))

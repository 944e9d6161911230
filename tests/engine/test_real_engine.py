"""The real Pulumi CLI with our language host and dynamic provider, on a project of a few lines."""

import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.environment import environment
from engine.install import install
from engine.layout import Layout
from tests.engine.processes import running_in_session, wait_until

pytestmark = pytest.mark.engine

SECONDS = 120.0
GUARDRAILS = Path(__file__).parents[2] / "portcullis" / "guardrails" / "policy_pack"

THINGS = """
import os
import time
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

class ThingProvider(ResourceProvider):
    def create(self, props):
        return CreateResult("thing-1", {**props, "made": "made", "key": "a-secret-value"})

    def update(self, _id, _olds, news):
        return UpdateResult({**news, "made": "changed", "key": "a-secret-value"})

class Thing(Resource, module="things", name="Thing"):
    made: Output[str]

    def __init__(self, name, size: Input[int]):
        properties = {"size": size, "made": None, "key": None}
        super().__init__(ThingProvider(), name, properties, ResourceOptions(additional_secret_outputs=["key"]))
"""

PROGRAM = """
import pulumi
import things

config = pulumi.Config()
thing = things.Thing("thing", config.require_int("size"))
pulumi.export("made", thing.made)
pulumi.export("password", config.require_secret("password"))
"""

SLOW_PROGRAM = """
import subprocess
sleeper = subprocess.Popen(["sleep", "600"])
print(f"started {sleeper.pid}", flush=True)
sleeper.wait()
"""

PACK = """
import pulumi
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def small(arguments, report):
    if arguments.resource_type.endswith("Thing") and arguments.props["size"] > 5:
        report(f"too large for {pulumi.get_project()}/{pulumi.get_stack()}, which says {pulumi.Config().get('size')}")

PolicyPack("sizes", [ResourceValidationPolicy("small", "Things are small.", small, EnforcementLevel.MANDATORY)])
"""


class Project:
    """A project with the stack `dev`, and the CLI to run on it."""

    def __init__(self, folder: Path, variables: dict[str, str], python: Path) -> None:
        self.folder = folder
        self.variables = variables
        settings = {"name": "trial", "runtime": {"name": "python", "options": {"virtualenv": str(python)}}}
        self.write("Pulumi.yaml", json.dumps(settings))
        self.write("things.py", THINGS)
        self.write("__main__.py", PROGRAM)
        self.pulumi("stack", "init", "dev")
        self.pulumi("config", "set", "size", "3")
        self.pulumi("config", "set", "--secret", "password", "hunter2")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """Run the CLI to its end; what it says."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=SECONDS)
        assert (process.returncode != 0) is fails, said
        return said

    def state(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "export"))["deployment"]


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a shell in which plain `pulumi` works; builds the CLI if this machine has none."""
    layout = Layout(tmp_path_factory.mktemp("checkout"))
    install(layout, os.environ, print)
    project = tmp_path_factory.mktemp("variables")
    home = tmp_path_factory.mktemp("home")
    return {**os.environ, **environment(project, os.environ, layout), "PULUMI_HOME": str(home)}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment like ours without the clouds' packages, whose provider plugins nobody needs here."""
    folder = tmp_path_factory.mktemp("python") / "venv"
    venv.EnvBuilder(symlinks=True).create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    for entry in Path(next(path for path in sys.path if path.endswith("site-packages"))).iterdir():
        if not entry.name.startswith(("pulumi_gcp", "pulumi_cloudflare")) and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def project(variables: dict[str, str], python: Path, tmp_path: Path) -> Iterator[Project]:
    state = tmp_path / "state"
    state.mkdir()
    folder = tmp_path / "project"
    folder.mkdir()
    yield Project(folder, {**variables, "PULUMI_BACKEND_URL": state.as_uri()}, python)
    shutil.rmtree(folder)


def test_a_stack_is_previewed_made_changed_refreshed_and_destroyed(project: Project) -> None:
    said = project.pulumi("preview")
    assert "+ 2 to create" in said
    assert project.state().get("resources", []) == []

    said += project.pulumi("up", "--yes")
    assert "+ 2 created" in said
    assert project.pulumi("stack", "output", "made").strip() == "made"
    project.pulumi("preview", "--expect-no-changes")

    project.pulumi("config", "set", "size", "4")
    said += project.pulumi("preview", "--diff")
    assert "~ size: 3 => 4" in said
    assert "no changes were expected" in project.pulumi("preview", "--expect-no-changes", fails=True)
    said += project.pulumi("up", "--yes", "--skip-preview")
    assert project.pulumi("stack", "output", "made").strip() == "changed"

    said += project.pulumi("refresh", "--yes")
    assert "2 unchanged" in said
    said += project.pulumi("destroy", "--yes")
    assert project.state().get("resources", []) == []
    # Nothing on the way is odd enough for the engine to warn of.
    assert "warning" not in said


def test_secrets_are_ciphertext_in_the_exported_state(project: Project) -> None:
    project.pulumi("up", "--yes", "--skip-preview")
    exported = json.dumps(project.state())
    assert "thing-1" in exported
    assert "a-secret-value" not in exported
    assert "hunter2" not in exported


def test_an_exported_state_can_be_imported_again(project: Project) -> None:
    project.pulumi("up", "--yes", "--skip-preview")
    project.pulumi("stack", "export", "--file", "state.json")
    project.pulumi("stack", "import", "--file", "state.json")
    project.pulumi("preview", "--expect-no-changes")


def test_a_mistake_in_the_program_is_shown_from_its_first_own_line(project: Project) -> None:
    project.write("__main__.py", "import things\n\ndef make():\n    return 1 / 0\n\nmake()\n")
    said = project.pulumi("preview", fails=True)
    assert "ZeroDivisionError" in said
    assert f'{project.folder}/__main__.py", line 6' in said
    assert "runpy" not in said
    assert "language_exec" not in said


def test_a_project_without_a_program_is_told_so(project: Project) -> None:
    (project.folder / "__main__.py").unlink()
    assert "it has no __main__.py" in project.pulumi("preview", fails=True)


def test_an_error_meant_for_the_user_comes_without_a_traceback(project: Project) -> None:
    project.write("__main__.py", "import pulumi\nraise pulumi.RunError('write it like this')\n")
    said = project.pulumi("preview", fails=True)
    assert "error: write it like this" in said
    assert "Traceback" not in said


def test_a_policy_pack_sees_the_stack_and_can_refuse_it(project: Project) -> None:
    project.write("pack/PulumiPolicy.yaml", (project.folder / "Pulumi.yaml").read_text())
    project.write("pack/__main__.py", PACK)
    assert "sizes" in project.pulumi("preview", "--policy-pack", "pack")
    project.pulumi("config", "set", "size", "6")
    refused = project.pulumi("up", "--yes", "--skip-preview", "--policy-pack", "pack", fails=True)
    assert "too large for trial/dev, which says 6" in refused
    assert "thing-1" not in json.dumps(project.state())


def test_our_guardrails_run_as_a_policy_pack(project: Project) -> None:
    said = project.pulumi("preview", "--policy-pack", str(GUARDRAILS))
    assert "portcullis@v" in said


def test_about_names_the_python_and_its_packages(project: Project, python: Path) -> None:
    about = json.loads(project.pulumi("about", "--json"))
    assert about["runtime"]["executable"] == str(python / "bin" / "python")
    assert about["runtime"]["version"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert "portcullis" in {dependency["name"] for dependency in about["dependencies"]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_when_the_engine_is_stopped(number: signal.Signals, project: Project) -> None:
    project.write("__main__.py", SLOW_PROGRAM)
    process = project.start("up", "--yes", "--skip-preview")
    assert process.stdout is not None
    line = next(line for line in process.stdout if "started " in line)
    sleeper = int(line.rpartition("started ")[2])
    session = os.getsid(sleeper)
    os.kill(process.pid, number)
    said = process.stdout.read()
    process.wait(SECONDS)
    assert "Traceback" not in said
    wait_until(lambda: running_in_session(session) == [])

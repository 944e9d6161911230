"""The language host as the engine sees it: a process that answers gRPC calls."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, language_pb2, language_pb2_grpc

from tests.engine.processes import SECONDS, is_running, wait_until
from tests.engine.programs import write_program


class Host:
    """A running language host, with a listening socket in the place of the engine."""

    def __init__(self) -> None:
        self.engine = socket.create_server(("127.0.0.1", 0))
        self.engine_address = f"127.0.0.1:{self.engine.getsockname()[1]}"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", "engine.language_host", "--logtostderr", "-v=9", self.engine_address],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.channel = grpc.insecure_channel(f"127.0.0.1:{int(self.output.readline())}")
        self.calls: Any = language_pb2_grpc.LanguageRuntimeStub(self.channel)

    def close(self) -> None:
        self.channel.close()
        self.engine.close()
        self.process.terminate()
        self.process.wait(SECONDS)
        self.output.close()


@pytest.fixture(scope="module")
def shared_host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


@pytest.fixture
def own_host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose Python is a script that a test writes."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def fake_python(project: Path, script: str) -> None:
    write_program(project / ".venv" / "bin" / "python", script)


def information(project: Path, **options: str) -> language_pb2.ProgramInfo:
    settings = struct_pb2.Struct()
    settings.update(options or {"virtualenv": ".venv"})
    return language_pb2.ProgramInfo(
        root_directory=str(project), program_directory=str(project), entry_point=".", options=settings
    )


def run_request(project: Path, **fields: Any) -> language_pb2.RunRequest:
    return language_pb2.RunRequest(
        project="p", stack="s", pwd=str(project), organization="o", parallel=7, info=information(project), **fields
    )


def test_a_program_runs_with_its_settings_and_its_configuration(shared_host: Host, project: Path) -> None:
    fake_python(
        project,
        'pwd > where; echo "$PULUMI_CONFIG" > config; echo "$PULUMI_CONFIG_SECRET_KEYS" > secrets;'
        'echo "$@" > arguments',
    )
    answer = shared_host.calls.Run(
        run_request(
            project,
            monitor_address="127.0.0.1:9",
            config={"p:a": "1", "p:b": "two"},
            configSecretKeys=["p:b"],
            dryRun=True,
        )
    )
    assert (answer.error, answer.bail) == ("", False)
    assert (project / "where").read_text().strip() == str(project)
    assert json.loads((project / "config").read_text()) == {"p:a": "1", "p:b": "two"}
    assert json.loads((project / "secrets").read_text()) == ["p:b"]
    arguments = (project / "arguments").read_text().split()
    assert arguments[0] == "-u"
    assert arguments[1].endswith("language_exec.py")
    assert " ".join(arguments[2:]) == (
        f"--monitor 127.0.0.1:9 --engine {shared_host.engine_address} --project p --root_directory {project}"
        f" --stack s --pwd {project} --dry_run true --parallel 7 --organization o ."
    )


@pytest.mark.parametrize(
    ("script", "error", "bail"),
    [
        ("exit 0", "", False),
        ("exit 32", "", True),
        ("exit 3", "program exited with non-zero exit code: 3", False),
        ("kill -SEGV $$", "program ended by signal 11", False),
    ],
)
def test_the_exit_status_of_a_program_says_how_it_went(
    script: str, error: str, bail: bool, shared_host: Host, project: Path
) -> None:
    fake_python(project, script)
    answer = shared_host.calls.Run(run_request(project))
    assert (answer.error, answer.bail) == (error, bail)


def test_a_missing_virtualenv_fails_the_run_with_an_error_that_says_what_to_do(
    shared_host: Host, project: Path
) -> None:
    answer = shared_host.calls.Run(run_request(project))
    assert "pulumi install" in answer.error


def test_a_debugger_is_refused_in_words(shared_host: Host, project: Path) -> None:
    assert "debugger" in shared_host.calls.Run(run_request(project, attach_debugger=True)).error


def test_a_program_is_not_run_when_its_type_checker_refuses_it(shared_host: Host, project: Path) -> None:
    fake_python(project, '[ "$2" = mypy ] && exit 1; touch ran')
    request = run_request(project)
    request.info.options.update({"typechecker": "mypy"})
    assert "mypy refused" in shared_host.calls.Run(request).error
    assert not (project / "ran").exists()


def test_cancelling_ends_the_program_and_what_it_started(shared_host: Host, project: Path) -> None:
    started = project / "started"
    os.mkfifo(started)
    fake_python(project, "sleep 600 &\necho $! > started\nwait")
    running = shared_host.calls.Run.future(run_request(project))
    sleeper = int(line_from(started))
    shared_host.calls.Cancel(empty_pb2.Empty())
    answer = running.result(SECONDS)
    assert (answer.error, answer.bail) == ("", True)
    wait_until(lambda: not is_running(sleeper))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_host_quietly_with_its_programs(
    number: signal.Signals, own_host: Host, project: Path
) -> None:
    started = project / "started"
    os.mkfifo(started)
    fake_python(project, "sleep 600 &\necho $! > started\nwait")
    running = own_host.calls.Run.future(run_request(project))
    sleeper = int(line_from(started))
    own_host.process.send_signal(number)
    assert own_host.process.wait(SECONDS) == 0
    running.cancel()  # kept until here: a call that nobody holds is cancelled at once
    assert own_host.output.read() == ""
    wait_until(lambda: not is_running(sleeper))


def test_the_host_ends_with_its_programs_when_the_engine_is_gone(own_host: Host, project: Path) -> None:
    started = project / "started"
    os.mkfifo(started)
    fake_python(project, "sleep 600 &\necho $! > started\nwait")
    running = own_host.calls.Run.future(run_request(project))
    sleeper = int(line_from(started))
    connection, _ = own_host.engine.accept()
    connection.close()
    own_host.engine.close()
    assert own_host.process.wait(SECONDS) == 0
    running.cancel()  # kept until here: a call that nobody holds is cancelled at once
    wait_until(lambda: not is_running(sleeper))


def test_a_connection_that_the_engine_closes_is_not_its_end(own_host: Host, project: Path) -> None:
    for _ in range(2):
        connection, _ = own_host.engine.accept()
        connection.close()
    fake_python(project, "exit 0")
    assert own_host.calls.Run(run_request(project)).error == ""


def test_the_plugins_of_the_installed_packages_are_required(shared_host: Host, project: Path) -> None:
    fake_python(project, f'exec {sys.executable} "$@"')
    answer = shared_host.calls.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=information(project)))
    required = {package.name: (package.kind, package.version[:1]) for package in answer.packages}
    assert required["gcp"] == required["cloudflare"] == ("resource", "v")
    assert list(answer.specs) == []


def test_dependencies_are_listed_with_and_without_what_they_need(shared_host: Host, project: Path) -> None:
    fake_python(project, f'exec {sys.executable} "$@"')

    def names(transitive: bool) -> set[str]:
        request = language_pb2.GetProgramDependenciesRequest(
            info=information(project), transitiveDependencies=transitive
        )
        return {dependency.name for dependency in shared_host.calls.GetProgramDependencies(request).dependencies}

    assert "grpcio" in names(transitive=True)
    assert "grpcio" not in names(transitive=False)


def test_about_names_the_projects_python(shared_host: Host, project: Path) -> None:
    fake_python(project, f'exec {sys.executable} "$@"')
    answer = shared_host.calls.About(language_pb2.AboutRequest(info=information(project)))
    assert answer.executable == str(project / ".venv" / "bin" / "python")
    assert answer.version == ".".join(str(part) for part in sys.version_info[:3])


def test_installing_shows_the_output_of_the_installer(shared_host: Host, project: Path) -> None:
    fake_python(project, 'echo "installing: $*"; echo careful >&2')
    (project / "requirements.txt").touch()
    answers = list(
        shared_host.calls.InstallDependencies(language_pb2.InstallDependenciesRequest(info=information(project)))
    )
    assert b"installing: -m pip install -r requirements.txt\n" in b"".join(answer.stdout for answer in answers)
    assert b"".join(answer.stderr for answer in answers) == b"careful\n"


def test_a_plugin_installs_into_an_environment_of_its_own(shared_host: Host, project: Path) -> None:
    write_program(project / "venv" / "bin" / "python", 'echo "in the plugin: $*"')
    (project / "requirements.txt").touch()
    request = language_pb2.InstallDependenciesRequest(info=information(project, toolchain="pip"), is_plugin=True)
    written = b"".join(answer.stdout for answer in shared_host.calls.InstallDependencies(request))
    assert b"in the plugin: -m pip install -r requirements.txt\n" in written


def test_an_installer_that_fails_fails_the_installation(shared_host: Host, project: Path) -> None:
    fake_python(project, "exit 5")
    (project / "requirements.txt").touch()
    request = language_pb2.InstallDependenciesRequest(info=information(project))
    with pytest.raises(grpc.RpcError, match="failed with status 5"):
        list(shared_host.calls.InstallDependencies(request))


def test_a_plugin_is_run_and_its_output_passed_on(shared_host: Host, project: Path) -> None:
    fake_python(project, 'echo 4711; echo "$@" "$TOLD" >&2; exit 3')
    (project / "__main__.py").touch()
    request = language_pb2.RunPluginRequest(
        kind="resource", pwd=str(project), args=["engine:1"], env=["TOLD=yes"], info=information(project)
    )
    answers = list(shared_host.calls.RunPlugin(request))
    assert b"".join(answer.stdout for answer in answers) == b"4711\n"
    assert b"".join(answer.stderr for answer in answers).decode() == f"-u {project} engine:1 yes\n"
    assert answers[-1].exitcode == 3


def test_a_folder_that_is_no_plugin_is_refused(shared_host: Host, project: Path) -> None:
    fake_python(project, "exit 0")
    request = language_pb2.RunPluginRequest(kind="resource", pwd=str(project), info=information(project))
    with pytest.raises(grpc.RpcError, match="is not a plugin"):
        list(shared_host.calls.RunPlugin(request))


PACK = """
import os
import pulumi
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def say(arguments, report):
    report(f"{pulumi.get_project()} {pulumi.get_stack()} {pulumi.Config().get('key')} {pulumi.runtime.is_dry_run()}")

PolicyPack("mine", [ResourceValidationPolicy("says", "Says.", say, EnforcementLevel.MANDATORY)])
"""


def test_a_policy_pack_is_told_of_the_stack_before_it_starts(shared_host: Host, project: Path) -> None:
    fake_python(project, f'exec {sys.executable} "$@"')
    (project / "__main__.py").write_text(PACK)
    request = language_pb2.RunPluginRequest(
        kind="analyzer", pwd=str(project), args=[shared_host.engine_address], info=information(project)
    )
    running = shared_host.calls.RunPlugin(request)
    port = int(next(running).stdout)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        analyzer: Any = analyzer_pb2_grpc.AnalyzerStub(channel)
        analyzer.Handshake(analyzer_pb2.AnalyzerHandshakeRequest(engine_address=shared_host.engine_address))
        analyzer.ConfigureStack(
            analyzer_pb2.AnalyzerStackConfigureRequest(
                project="a-project", stack="a-stack", dry_run=True, config={"a-project:key": "a-value"}
            )
        )
        assert [policy.name for policy in analyzer.GetAnalyzerInfo(empty_pb2.Empty()).policies] == ["says"]
        answer = analyzer.Analyze(analyzer_pb2.AnalyzeRequest(type="t:t:T", urn="urn:pulumi:s::p::t:t:T::n", name="n"))
    assert [diagnostic.message for diagnostic in answer.diagnostics] == ["Says.\na-project a-stack a-value True"]
    running.cancel()


def test_a_policy_pack_that_does_not_start_fails_the_calls_meant_for_it(shared_host: Host, project: Path) -> None:
    fake_python(project, f'exec {sys.executable} "$@"')
    (project / "__main__.py").write_text("raise SystemExit('a broken pack')")
    request = language_pb2.RunPluginRequest(
        kind="analyzer", pwd=str(project), args=[shared_host.engine_address], info=information(project)
    )
    running = shared_host.calls.RunPlugin(request)
    port = int(next(running).stdout)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        analyzer: Any = analyzer_pb2_grpc.AnalyzerStub(channel)
        with pytest.raises(grpc.RpcError):
            analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    answers = list(running)
    assert b"a broken pack\n" in b"".join(answer.stderr for answer in answers)
    assert answers[-1].exitcode == 1


def test_a_policy_pack_that_writes_something_else_than_its_port_is_ended(shared_host: Host, project: Path) -> None:
    fake_python(project, "echo hello; exec sleep 600")
    request = language_pb2.RunPluginRequest(kind="analyzer", pwd=str(project), info=information(project))
    running = shared_host.calls.RunPlugin(request)
    port = int(next(running).stdout)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        analyzer: Any = analyzer_pb2_grpc.AnalyzerStub(channel)
        with pytest.raises(grpc.RpcError, match="hello"):
            analyzer.GetAnalyzerInfo(empty_pb2.Empty())
    assert [answer.exitcode for answer in running][-1] == -signal.SIGTERM


def test_a_policy_pack_ends_when_the_engine_drops_it(shared_host: Host, project: Path) -> None:
    started = project / "started"
    os.mkfifo(started)
    fake_python(project, "echo $$ > started; exec sleep 600")
    request = language_pb2.RunPluginRequest(kind="analyzer", pwd=str(project), info=information(project))
    running = shared_host.calls.RunPlugin(request)
    port = int(next(running).stdout)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        analyzer: Any = analyzer_pb2_grpc.AnalyzerStub(channel)
        analyzer.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest())
    pack = int(line_from(started))
    running.cancel()
    wait_until(lambda: not is_running(pack))


def test_a_policy_pack_that_never_started_is_dropped_as_well(shared_host: Host, project: Path) -> None:
    fake_python(project, "exit 0")
    request = language_pb2.RunPluginRequest(kind="analyzer", pwd=str(project), info=information(project))
    running = shared_host.calls.RunPlugin(request)
    port = int(next(running).stdout)
    running.cancel()
    wait_until(lambda: not is_listening(port))


def test_nothing_is_asked_or_changed_for_a_new_project(shared_host: Host, project: Path) -> None:
    prompts = shared_host.calls.RuntimeOptionsPrompts(language_pb2.RuntimeOptionsRequest(info=information(project)))
    assert list(prompts.prompts) == []
    shared_host.calls.Template(language_pb2.TemplateRequest(info=information(project), project_name="p"))
    assert list(project.iterdir()) == []


@pytest.mark.parametrize("call", ["GenerateProgram", "GenerateProject", "GeneratePackage", "Pack", "Link"])
def test_what_is_not_offered_is_answered_unimplemented(call: str, shared_host: Host) -> None:
    request = getattr(language_pb2, f"{call}Request")()
    with pytest.raises(grpc.RpcError) as problem:
        getattr(shared_host.calls, call)(request)
    assert problem.value.code() is grpc.StatusCode.UNIMPLEMENTED


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
    except ConnectionError:
        return False
    return True


def line_from(fifo: Path) -> str:
    """What a program writes into `fifo`, waited for."""
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ready, _, _ = select.select([reader], [], [], SECONDS)
        assert ready, "the program did not start"
        return os.read(reader, 100).decode()
    finally:
        os.close(reader)

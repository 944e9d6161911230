"""The command line without a sandbox: what it reads, what it refuses and in which words."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from portcullis.cli import clock, process
from portcullis.cli.directory import directory
from portcullis.cli.errors import CommandError
from portcullis.cli.main import answer_lines, app
from portcullis.cli.process import choose_ports, name_running
from portcullis.cli.project import Project, find_project
from portcullis.cli.requests import Answer, choose_user
from portcullis.contract import load
from portcullis.sandbox.loopback import bind

ROOT = Path(__file__).parents[3]
CONTRACT = load(ROOT / "gateway.yaml")
STACK_FILE = """\
# A comment that stays.
config:
  cloudflare:baseUrl: http://127.0.0.1:{cloudflare}/client/v4
  gcp:apigeeCustomEndpoint: http://127.0.0.1:{apigee}/v1/
  gcp:project: acme
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with nothing running."""
    (tmp_path / "Pulumi.yaml").write_text("name: portcullis\n", encoding="utf-8")
    (tmp_path / "gateway.yaml").write_text((ROOT / "gateway.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("duration", "seconds"), [("90s", 90), ("5m", 300), ("25h", 90_000), ("7d", 604_800)])
def test_a_duration_is_a_number_and_a_unit(duration: str, seconds: int) -> None:
    assert clock.seconds_of(duration) == seconds


@pytest.mark.parametrize("duration", ["25", "h", "1.5h", "-1h", "25 h", "1w", ""])
def test_what_is_no_duration_is_refused_with_an_example(duration: str) -> None:
    with pytest.raises(CommandError, match="such as 25h"):
        clock.seconds_of(duration)


def test_the_clock_moves_by_what_was_said_and_back(project: Path) -> None:
    runner = CliRunner()
    for duration in ("25h", "1h"):
        assert runner.invoke(app, ["clock", "advance", duration]).exit_code == 0
    shown = json.loads(runner.invoke(app, ["clock", "show", "--json"]).stdout)
    assert shown["offset_seconds"] == 26 * 3600
    runner.invoke(app, ["clock", "reset"])
    assert json.loads(runner.invoke(app, ["clock", "show", "--json"]).stdout)["offset_seconds"] == 0


def test_the_default_user_may_do_the_first_get() -> None:
    assert choose_user(CONTRACT, None, None).name == "reader"


def test_a_user_is_chosen_by_name_and_issuer() -> None:
    assert choose_user(CONTRACT, "nobody", None).roles == ()
    assert choose_user(CONTRACT, None, "partners").issuer == "partners"


def test_an_unknown_user_is_refused_with_those_that_exist() -> None:
    with pytest.raises(CommandError, match=r"reader \(workforce\)"):
        choose_user(CONTRACT, "stranger", None)


def test_the_sandbox_is_told_every_issuer_user_and_backend_of_the_contract() -> None:
    told = directory(CONTRACT)
    assert [issuer["url"] for issuer in told["issuers"]] == [i.issuer for i in CONTRACT.issuers.values()]
    assert {issuer["shape"] for issuer in told["issuers"]} == {"okta", "google"}
    assert told["backends"] == ["orders.internal.acme.example", "payments.internal.acme.example"]
    assert {client for issuer in told["issuers"] for client in issuer["clients"]} == {
        consumer.client_id for consumer in CONTRACT.consumers.values()
    }
    assert len(told["users"]) > len(CONTRACT.roles)


def test_outside_a_project_the_command_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Pulumi\.yaml"):
        find_project(tmp_path)


def test_a_project_is_found_from_a_folder_inside_it(project: Path) -> None:
    (project / "docs").mkdir()
    assert find_project(project / "docs").root == project.resolve()


def test_ports_that_are_free_stay_and_the_file_is_not_touched(tmp_path: Path) -> None:
    path, text = tmp_path / "Pulumi.local.yaml", STACK_FILE.format(cloudflare=_free(), apigee=_free())
    path.write_text(text, encoding="utf-8")
    assert choose_ports(path) == []
    assert path.read_text(encoding="utf-8") == text


def test_a_port_that_is_taken_is_replaced_and_told(tmp_path: Path) -> None:
    path, other = tmp_path / "Pulumi.local.yaml", _free()
    with bind() as taken:
        taken.listen()
        port = taken.getsockname()[1]
        path.write_text(STACK_FILE.format(cloudflare=port, apigee=other), encoding="utf-8")
        [note] = choose_ports(path)
    text = path.read_text(encoding="utf-8")
    assert f"port {port} is taken" in note
    assert f":{port}/" not in text
    assert f"http://127.0.0.1:{other}/v1/" in text
    assert text.startswith("# A comment that stays.")


def test_a_port_that_is_taken_between_the_look_and_the_start_is_replaced_and_the_start_tried_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack_file = project / "Pulumi.local.yaml"
    stack_file.write_text(STACK_FILE.format(cloudflare=_free(), apigee=_free()), encoding="utf-8")
    (project / ".portcullis" / "sandbox" / "logs").mkdir(parents=True)
    before, starts = stack_file.read_text(encoding="utf-8"), 0

    with contextlib.ExitStack() as rivals:

        def spawn(where: Project) -> subprocess.Popen[bytes]:
            nonlocal starts
            starts += 1
            if starts == 1:
                port = int(before.partition("gcp:apigeeCustomEndpoint: http://127.0.0.1:")[2].partition("/")[0])
                rivals.enter_context(bind(port)).listen()
                return subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
            ready = subprocess.Popen([sys.executable, "-c", ""])
            told = {"pid": ready.pid, "token": "t", "urls": {"admin": "http://127.0.0.1:1"}}
            (where.sandbox_dir / "endpoints.json").write_text(json.dumps(told), encoding="utf-8")
            return ready

        monkeypatch.setattr(process, "_spawn", spawn)
        _, notes = process.start(find_project(project))
    assert starts == 2
    [note] = notes
    assert "is taken: gcp:apigeeCustomEndpoint" in note
    assert stack_file.read_text(encoding="utf-8") != before


def test_a_sandbox_that_ends_though_its_ports_are_free_is_not_started_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "Pulumi.local.yaml").write_text(STACK_FILE.format(cloudflare=_free(), apigee=_free()), encoding="utf-8")
    log = project / ".portcullis" / "sandbox" / "logs" / "sandbox.log"
    log.parent.mkdir(parents=True)
    log.write_text("what went wrong\n", encoding="utf-8")
    monkeypatch.setattr(process, "_spawn", lambda _: subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"]))
    with pytest.raises(CommandError, match="what went wrong"):
        process.start(find_project(project))


def test_a_stack_file_that_names_other_ports_than_the_running_sandbox_is_mended_and_told(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.local.yaml"
    path.write_text(STACK_FILE.format(cloudflare=1111, apigee=2222), encoding="utf-8")
    running = {"cloudflare_api": "http://127.0.0.1:3333/client/v4", "apigee_api": "http://127.0.0.1:2222/v1/"}
    [note] = name_running(path, running)
    assert "port 1111 is not the running sandbox's" in note
    assert path.read_text(encoding="utf-8") == STACK_FILE.format(cloudflare=3333, apigee=2222)
    assert name_running(path, running) == []


def test_a_stack_file_without_an_endpoint_is_refused_with_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.local.yaml"
    path.write_text("config: {}\n", encoding="utf-8")
    with pytest.raises(CommandError, match="cloudflare:baseUrl"):
        choose_ports(path)


@pytest.mark.parametrize(
    "arguments",
    [["token"], ["call", "GET", "/orders"], ["audit"], ["fault", "list"], ["fault", "set", "orders", "down"]],
    ids=lambda arguments: " ".join(arguments),
)
def test_without_a_sandbox_the_command_says_how_to_start_it(arguments: list[str], project: Path) -> None:
    done = _portcullis(project, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("portcullis: the sandbox is not running")
    assert "Traceback" not in done.stderr


def test_the_status_of_no_sandbox_is_told_in_json_too(project: Path) -> None:
    done = _portcullis(project, "sandbox", "status", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"running": False}


def test_a_broken_contract_is_told_by_line(project: Path) -> None:
    (project / "gateway.yaml").write_text("version: 1\nsurprise: true\n", encoding="utf-8")
    done = _portcullis(project, "token")
    assert done.returncode == 1
    assert "gateway.yaml:2" in done.stderr
    assert "Traceback" not in done.stderr


def _free() -> int:
    with bind() as free:
        return free.getsockname()[1]


def _portcullis(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portcullis.cli.main", *arguments],
        cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("sign", ["\x1b[2J", "\r\n", "\x9b2J", "\u202e", "\u2028"])
def test_an_audit_line_is_shown_as_one_line_that_no_terminal_obeys(sign: str) -> None:
    hop = {
        "hop": "edge",
        "decision": "allow",
        "reason": "ok",
        "http.response.status_code": 200,
        "http.request.method": "GET",
        "http.route": "/orders",
        "client_id": "0oa1storefront",
        "user.id": f"ada{sign}apigee allow",
        "user.hash": "5" * 32,
        "trace_id": "0" * 32,
    }
    [shown] = answer_lines(Answer("0" * 32, 200, [], "", [hop]))[-1:]
    assert sign not in shown
    assert shown.isprintable()
    assert "ada\\" in shown

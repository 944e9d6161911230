"""The `portcullis` command."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from portcullis.cli import clock, process, ring_commands, trace
from portcullis.cli.deny_commands import deny_app
from portcullis.cli.directory import directory
from portcullis.cli.errors import CommandError
from portcullis.cli.output import AsJson, pairs, say
from portcullis.cli.project import Project, find_project
from portcullis.cli.requests import Answer, call, choose_user, fetch_token
from portcullis.cli.sandbox_client import connect, connect_if_running
from portcullis.cli.stack import shell_variables
from portcullis.sandbox.faulty import APIGEE_API_HOST, APIGEE_ROLLOUT_HOST, CLOUDFLARE_API_HOST

MAX_SHOWN_BODY = 2_000
"""Characters of an answer's body that `call` shows to a person."""

_CLOUD_APIS = {
    "cloudflare_api": CLOUDFLARE_API_HOST,
    "apigee_api": APIGEE_API_HOST,
    "apigee_rollout": APIGEE_ROLLOUT_HOST,
}
"""What a fault may break beside hosts: the APIs that a stack is provisioned through, by the names of the status, and
what brings deployed revisions up."""

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Portcullis: one API gateway on two clouds.")
sandbox_app = typer.Typer(no_args_is_help=True, help="The local clouds.")
clock_app = typer.Typer(no_args_is_help=True, help="The clock that the rotation step sees.")
fault_app = typer.Typer(no_args_is_help=True, help="Break hops of the sandbox, and mend them.")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(clock_app, name="clock")
app.add_typer(fault_app, name="fault")
host_app = typer.Typer(no_args_is_help=True, help="Lead hostnames of the sandbox to servers of your own.")
app.add_typer(host_app, name="host")
app.add_typer(deny_app, name="deny")
ring_commands.add_to(app)

UserName = Annotated[str | None, typer.Option("--user", help="A test user of the contract; by default the first.")]
IssuerName = Annotated[str | None, typer.Option("--issuer", help="An issuer of the contract.")]
Opaque = Annotated[bool, typer.Option("--opaque", help="Ask for a token that only introspection can read.")]


@sandbox_app.command("start")
def sandbox_start(*, as_json: AsJson = False) -> None:
    """Start the local clouds, or tell that they run; hand them the contract's issuers, users and backends."""
    project = find_project()
    contract = project.contract()
    client, notes = process.start(project)
    client.call("PUT", "/directory", directory(contract))
    status = client.status()
    say({**status, "notes": notes}, [*notes, *_status_lines(status)], as_json=as_json)


@sandbox_app.command("stop")
def sandbox_stop(*, as_json: AsJson = False) -> None:
    """Stop the local clouds; what they hold is kept."""
    stopped = process.stop(find_project())
    say({"running": False, "stopped": stopped}, ["stopped" if stopped else "was not running"], as_json=as_json)


@sandbox_app.command("status")
def sandbox_status(*, as_json: AsJson = False) -> None:
    """Tell where everything listens; exits with 1 where the sandbox is not running."""
    client = connect_if_running(find_project())
    if client is None:
        say({"running": False}, ["not running: `portcullis sandbox start` starts it"], as_json=as_json)
        raise typer.Exit(1)
    status = client.status()
    say(status, _status_lines(status), as_json=as_json)


@sandbox_app.command("reset")
def sandbox_reset(*, as_json: AsJson = False) -> None:
    """Stop the local clouds and forget all they hold, with the local stack's state: as if never used."""
    project = find_project()
    process.stop(project)
    for folder in (project.sandbox_dir, project.backend_dir):
        shutil.rmtree(folder, ignore_errors=True)
    say({"reset": True}, ["the sandbox and the local stack are empty: `make up` begins again"], as_json=as_json)


@app.command()
def token(*, user: UserName = None, issuer: IssuerName = None, opaque: Opaque = False, as_json: AsJson = False) -> None:
    """Print a token of a test user, and nothing else; by default of one who may do the contract's first operation."""
    project = find_project()
    contract = project.contract()
    chosen = choose_user(contract, user, issuer)
    value = fetch_token(connect(project), contract, chosen, opaque=opaque)
    say({"token": value, "user": chosen.name, "issuer": chosen.issuer}, [value], as_json=as_json)


@app.command("call")
def call_command(
    method: Annotated[str, typer.Argument(help="GET, POST, ...")],
    path: Annotated[str, typer.Argument(help="The path, such as /orders.")],
    *,
    user: UserName = None,
    issuer: IssuerName = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Send no token.")] = False,
    opaque: Opaque = False,
    data: Annotated[str | None, typer.Option("--data", help="A JSON body.")] = None,
    as_json: AsJson = False,
) -> None:
    """Call the gateway as a test user; show the answer and what each hop decided."""
    project = find_project()
    contract = project.contract()
    client = connect(project)
    bearer = None
    if not anonymous:
        bearer = fetch_token(client, contract, choose_user(contract, user, issuer), opaque=opaque)
    if not path.startswith("/"):
        raise CommandError(f"{path!r} is not a path; write /{path}")
    answer = call(client, method, path, bearer, data)
    document = {
        "status": answer.status,
        "trace_id": answer.trace_id,
        "headers": answer.headers,
        "body": _parsed(answer.body),
        "hops": answer.hops,
    }
    say(document, answer_lines(answer), as_json=as_json)


@clock_app.command("advance")
def clock_advance(
    duration: Annotated[str, typer.Argument(help="A whole number of s, m, h or d, such as 25h.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Move the clock forward: the next `pulumi preview` of the local stack sees the later time."""
    project = find_project()
    clock.move(project.clock_file, clock.offset_seconds(project.clock_file) + clock.seconds_of(duration))
    _show_clock(project, as_json=as_json)


@clock_app.command("show")
def clock_show(*, as_json: AsJson = False) -> None:
    """Show the clock."""
    _show_clock(find_project(), as_json=as_json)


@clock_app.command("reset")
def clock_reset(*, as_json: AsJson = False) -> None:
    """Set the clock back to the machine's own."""
    project = find_project()
    clock.move(project.clock_file, 0)
    _show_clock(project, as_json=as_json)


@app.command()
def audit(
    *,
    trace: Annotated[str | None, typer.Option("--trace", help="Only the lines of this trace id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the audit lines of both tiers, in the order they came."""
    query = {"trace": trace} if trace else None
    entries = connect(find_project()).call("GET", "/audit", query=query)["entries"]
    say(entries, [_audit_line(entry) for entry in entries], as_json=as_json)


@app.command("trace")
def trace_command(
    which: Annotated[
        str | None,
        typer.Argument(help="The id of a request, or its beginning; without it the last requests are listed."),
    ] = None,
    *,
    last: Annotated[bool, typer.Option("--last", help="Show the last request.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the Apigee tier did with a request: each policy, what it read and wrote, and the branch taken."""
    found: list[dict[str, Any]] = connect(find_project()).call("GET", "/traces")["traces"]
    if which is None and not last:
        say(found, trace.summary_lines(found), as_json=as_json)
        return
    shown = trace.choose(found, which)
    say(shown, trace.lines(shown), as_json=as_json)


@fault_app.command("set")
def fault_set(
    host: Annotated[
        str,
        typer.Argument(
            help="A hostname of the sandbox, a backend or issuer by name, cloudflare_api, apigee_api or apigee_rollout."
        ),
    ],
    kind: Annotated[str, typer.Argument(help="down, slow or status.")],
    *,
    seconds: Annotated[float, typer.Option(help="With slow: how late it answers.")] = 5.0,
    status: Annotated[int, typer.Option(help="With status: what it answers.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Make a hop slow, down or wrong."""
    project = find_project()
    hostname = _hostname(project, host)
    body = {"kind": kind, "seconds": seconds, "status": status}
    connect(project).call("PUT", f"/faults/{hostname}", body)
    say({hostname: body}, [f"{hostname} is {kind}"], as_json=as_json)


@fault_app.command("clear")
def fault_clear(
    host: Annotated[str, typer.Argument(help="As in `fault set`.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Mend a hop."""
    project = find_project()
    hostname = _hostname(project, host)
    connect(project).call("DELETE", f"/faults/{hostname}")
    say({hostname: None}, [f"{hostname} is well"], as_json=as_json)


@fault_app.command("list")
def fault_list(*, as_json: AsJson = False) -> None:
    """Show what is broken."""
    faults = connect(find_project()).call("GET", "/faults")
    say(faults, pairs(faults) or ["nothing is broken"], as_json=as_json)


@host_app.command("set")
def host_set(
    hostname: Annotated[str, typer.Argument(help="The hostname that a proxy or a Worker calls.")],
    url: Annotated[str, typer.Argument(help="Where it leads: http://127.0.0.1:PORT.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Lead a hostname to a server on this machine; https to it is served in clear there."""
    connect(find_project()).call("PUT", f"/hosts/{hostname}", {"url": url})
    say({hostname: url}, [f"{hostname} leads to {url}"], as_json=as_json)


@host_app.command("clear")
def host_clear(hostname: Annotated[str, typer.Argument(help="As in `host set`.")], *, as_json: AsJson = False) -> None:
    """Lead a hostname nowhere any more."""
    connect(find_project()).call("DELETE", f"/hosts/{hostname}")
    say({hostname: None}, [f"{hostname} leads nowhere"], as_json=as_json)


@host_app.command("list")
def host_list(*, as_json: AsJson = False) -> None:
    """Show which hostnames lead where."""
    hosts = connect(find_project()).call("GET", "/hosts")
    say(hosts, pairs(hosts) or ["no hostname leads to a server of yours"], as_json=as_json)


@app.command("env")
def env_command(*, as_json: AsJson = False) -> None:
    """Print the variables that a shell needs for plain `pulumi` in this project: `eval "$(portcullis env)"`."""
    variables = shell_variables(find_project())
    say(variables, [f"export {name}={shlex.quote(value)}" for name, value in variables.items()], as_json=as_json)


def main() -> None:
    """Run the command; what the user can mend is one message and exit code 1, never a traceback."""
    try:
        app()
    except CommandError as problem:
        sys.exit(f"portcullis: {problem}")


def _status_lines(status: dict[str, Any]) -> list[str]:
    flat = {**status, **{f"issuer {name}": url for name, url in status["issuers"].items()}}
    return pairs({name: value for name, value in flat.items() if name != "issuers"})


def answer_lines(answer: Answer) -> list[str]:
    """Return an answer and its hops as lines for a person to read."""
    shown = ("content-type", "www-authenticate", "ratelimit", "ratelimit-policy", "retry-after", "allow")
    headers = [f"{name}: {value}" for name, value in answer.headers if name in shown]
    body = answer.body if len(answer.body) <= MAX_SHOWN_BODY else f"{answer.body[:MAX_SHOWN_BODY]}..."
    return [
        f"{answer.status}  trace {answer.trace_id}",
        *headers,
        "",
        body,
        "",
        *[_audit_line(entry) for entry in answer.hops],
    ]


def _audit_line(entry: dict[str, Any]) -> str:
    """Return an audit line for a person to read, with nothing in it that a terminal would obey."""
    decision = f"{entry['hop']:<6} {entry['decision']:<5} {entry['http.response.status_code']} {entry['reason']:<22}"
    who = f"{entry['client_id'] or '-'} {entry['user.id'] or entry['user.hash'] or '-'}"
    line = f"{decision} {entry['http.request.method']} {entry['http.route'] or '-'}  {who}  {entry['trace_id']}"
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


def _show_clock(project: Project, *, as_json: bool) -> None:
    offset = clock.offset_seconds(project.clock_file)
    document = {"now": clock.shown(project.clock_file), "offset_seconds": offset}
    say(document, pairs(document), as_json=as_json)


def _hostname(project: Project, host: str) -> str:
    contract = project.contract()
    if host in contract.backends:
        return contract.backends[host].host
    if host in _CLOUD_APIS:
        return _CLOUD_APIS[host]
    if host in contract.issuers:
        return urlsplit(contract.issuers[host].issuer).hostname or host
    return host


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


if __name__ == "__main__":
    main()

"""The trace: what it tells of a request, what it hides, and how it is read."""

import json
from typing import Any
from xml.sax.saxutils import escape

import pytest

from portcullis.cli import trace
from portcullis.cli.errors import CommandError
from tests.sandbox.apigee_runtime.tables import rows
from tests.sandbox.apigee_runtime.test_flows import connection, steps
from tests.sandbox.apigee_runtime.world import ENV, World, bundle

NO_ROUTE = "<RouteRule name='none'/>"


def setting(values: dict[str, str]) -> str:
    """Return a policy that sets variables, in order."""
    parts = "".join(
        f"<AssignVariable><Name>{name}</Name><Template>{escape(text)}</Template></AssignVariable>"
        for name, text in values.items()
    )
    return f"<AssignMessage name='A'><IgnoreUnresolvedVariables>true</IgnoreUnresolvedVariables>{parts}</AssignMessage>"


async def deploy(world: World, values: dict[str, str], more: str = "") -> None:
    proxy = steps(f"<PreFlow><Request>{{A}}{more}</Request></PreFlow>") + connection() + NO_ROUTE
    await world.deploy(bundle({"default": proxy}, policies={"A": setting(values)}))


@pytest.mark.parametrize(("group", "row"), rows("masks.yaml"))
async def test_a_trace_hides(world: World, group: dict[str, Any], row: dict[str, Any]) -> None:
    await deploy(world, row["set"])
    await world.ok("PATCH", f"{ENV}/debugmask", row.get("mask", {}))
    await world.call("POST", headers=row.get("headers", {}), content=row.get("body", ""))
    shown = json.dumps(world.runtime.traces.all()[-1])
    assert [text for text in row.get("hidden", []) if text in shown] == []
    assert [text for text in row.get("shown", []) if text not in shown] == []


async def test_a_trace_tells_each_policy_with_what_it_read_and_wrote(world: World) -> None:
    skipped = '<Step><Name>B</Name><Condition>request.verb = "PUT"</Condition></Step>'
    await deploy(world, {"greeting": "hello {request.queryparam.name}"}, skipped)
    await world.call("GET", "/?name=ada")
    kept = world.runtime.traces.all()[-1]
    assert {
        part: kept[part] for part in ("environment", "proxy", "revision", "endpoint", "verb", "path", "status")
    } == {
        "environment": "test",
        "proxy": "sample",
        "revision": "1",
        "endpoint": "default",
        "verb": "GET",
        "path": "/",
        "status": 200,
    }
    ran = next(event for event in kept["events"] if event["kind"] == "step")
    assert (ran["name"], ran["detail"]) == ("A", "AssignMessage")
    assert ran["reads"] == {"request.queryparam.name": "ada"}
    assert ran["writes"] == {"greeting": "hello ada"}
    assert ran["milliseconds"] > 0
    passed = next(event for event in kept["events"] if event["kind"] == "skipped")
    assert (passed["name"], passed["detail"]) == ("B", 'request.verb = "PUT"')
    assert passed["reads"] == {"request.verb": "GET"}
    assert next(event for event in kept["events"] if event["kind"] == "route")["name"] == "none"


async def test_a_trace_tells_what_a_policy_changed_in_a_message(world: World) -> None:
    header = (
        "<AssignMessage name='A'><Set><Headers><Header name='X-New'>1</Header></Headers><Verb>PUT</Verb></Set>"
        "<Remove><Headers><Header name='X-Old'/></Headers></Remove></AssignMessage>"
    )
    proxy = steps("<PreFlow><Request>{A}</Request></PreFlow>") + connection() + NO_ROUTE
    await world.deploy(bundle({"default": proxy}, policies={"A": header}))
    await world.call("GET", "/", headers={"x-old": "1"})
    ran = next(event for event in world.runtime.traces.all()[-1]["events"] if event["kind"] == "step")
    assert ran["writes"] == {
        "request.verb": "PUT",
        "request.header.X-New": "1",
        "request.header.x-old": None,
    }


async def test_a_debug_session_shows_the_requests_of_its_revision(world: World) -> None:
    await deploy(world, {"private.key": "s3cr3t-value"})
    sessions = f"{ENV}/apis/sample/revisions/1/debugsessions"
    await world.call()
    world.clock.advance(1)
    session = await world.ok("POST", sessions, {"name": "mine", "timeout": "60", "count": 2})
    assert (session["name"], session["count"]) == ("mine", 2)
    for _ in range(3):
        await world.call()
    found = (await world.ok("GET", f"{sessions}/mine/data"))["transactions"]
    assert len(found) == 2
    transaction = await world.ok("GET", f"{sessions}/mine/data/{found[0]}")
    assert transaction["completed"] is True
    execution = next(point for point in transaction["point"] if point["id"] == "Execution")
    access = next(result for result in execution["results"] if result["ActionResult"] == "VariableAccess")
    assert access["accessList"] == [{"Set": {"name": "private.key", "value": "*****", "success": True}}]
    assert (await world.manage("GET", f"{sessions}/mine/data/other")).status_code == 404
    assert (await world.manage("POST", f"{ENV}/apis/sample/revisions/7/debugsessions", {})).status_code == 404


async def test_the_command_line_shows_a_trace(world: World) -> None:
    await deploy(world, {"a": "1"}, steps("{RF-1}"))
    await world.call()
    traces = world.runtime.traces.all()
    chosen = trace.choose(traces, traces[0]["id"][:8])
    text = "\n".join(trace.lines(chosen))
    assert "418  GET /  test/sample/1/default" in text
    assert "  A  AssignMessage" in text
    assert "write  a = 1" in text
    assert "! RF-1  steps.raisefault.RaiseFault" in text
    assert trace.summary_lines(traces) == [trace.lines(chosen)[0]]


@pytest.mark.parametrize(
    ("traces", "which"), [([], None), ([{"id": "ab1"}], "c"), ([{"id": "ab1"}, {"id": "ab2"}], "ab")]
)
def test_the_command_line_says_why_there_is_no_trace(traces: list[dict[str, str]], which: str | None) -> None:
    with pytest.raises(CommandError):
        trace.choose(traces, which)

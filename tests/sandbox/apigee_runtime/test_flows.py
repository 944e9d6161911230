"""The order of flows, by the table of `flows.yaml`; flow hooks, shared flows and chained proxies."""

import re
from typing import Any

import httpx
import pytest

from tests.sandbox.apigee_runtime.tables import rows
from tests.sandbox.apigee_runtime.world import ENV, World, bundle, shared_flow

ROUTE = "<RouteRule name='default'><TargetEndpoint>default</TargetEndpoint></RouteRule>"
BACKEND = "backend.example"


def steps(xml: str) -> str:
    """Write `{A}` as a step of policy A."""
    return re.sub(r"\{([A-Z][\w-]*)\}", r"<Step><Name>\1</Name></Step>", xml)


def connection(base_path: str = "/") -> str:
    return f"<HTTPProxyConnection><BasePath>{base_path}</BasePath></HTTPProxyConnection>"


def to_backend(more: str = "") -> str:
    return f"<HTTPTargetConnection><URL>https://{BACKEND}</URL>{more}</HTTPTargetConnection>"


@pytest.mark.parametrize(("group", "row"), rows("flows.yaml"))
async def test_a_flow(world: World, group: dict[str, Any], row: dict[str, Any]) -> None:
    world.backends[BACKEND] = lambda _: httpx.Response(row.get("backend", 200))
    proxy = steps(row.get("proxy", "")) + connection() + row.get("routes", ROUTE)
    target = steps(row.get("target", "")) + to_backend(row.get("connection", ""))
    await world.deploy(bundle({"default": proxy}, {"default": target}))
    answer = await world.call()
    assert world.steps == row.get("steps", [])
    assert answer.status_code == row.get("status", answer.status_code)
    if "fault" in row:
        assert answer.json()["fault"]["detail"]["errorcode"] == row["fault"]


# ---- flow hooks and shared flows ----


async def hook(world: World, point: str, name: str, policies: dict[str, str] | None = None, **more: Any) -> None:
    await world.deploy(shared_flow(steps(f"{{{name}}}"), policies), f"hook-{name}", "sharedflows")
    await world.ok("PUT", f"{ENV}/flowhooks/{point}", {"sharedFlow": f"hook-{name}", **more})


async def test_flow_hooks_run_around_proxy_and_target(world: World) -> None:
    world.backends[BACKEND] = lambda _: httpx.Response(200)
    proxy = steps("<PreFlow><Request>{P1}</Request><Response>{P2}</Response></PreFlow>") + connection() + ROUTE
    target = steps("<PreFlow><Request>{T1}</Request><Response>{T2}</Response></PreFlow>") + to_backend()
    await world.deploy(bundle({"default": proxy}, {"default": target}))
    for point, name in (("PreProxy", "H1"), ("PreTarget", "H2"), ("PostTarget", "H3"), ("PostProxy", "H4")):
        await hook(world, f"{point}FlowHook", name)
    await world.call()
    assert world.steps == ["H1", "P1", "H2", "T1", "T2", "H3", "P2", "H4"]
    await world.ok("DELETE", f"{ENV}/flowhooks/PreProxyFlowHook")
    await world.call()
    assert world.steps[0] == "P1"


@pytest.mark.parametrize(("carries_on", "status", "ran"), [(False, 418, ["RF-H"]), (True, 200, ["RF-H", "P1"])])
async def test_a_fault_in_a_flow_hook(world: World, carries_on: bool, status: int, ran: list[str]) -> None:
    proxy = steps("<PreFlow><Request>{P1}</Request></PreFlow>") + connection() + "<RouteRule name='none'/>"
    await world.deploy(bundle({"default": proxy}))
    await hook(world, "PreProxyFlowHook", "RF-H", continueOnError=carries_on)
    assert (await world.call()).status_code == status
    assert world.steps == ran


async def test_a_shared_flow_has_the_callers_variables_and_its_own_resources(world: World) -> None:
    set_header = (
        "<AssignMessage name='S'><AssignTo>request</AssignTo><Set><Headers>"
        "<Header name='X-From'>{caller}-{current.flow.name}</Header></Headers></Set></AssignMessage>"
    )
    await world.deploy(shared_flow(steps("{S}"), {"S": set_header}), "stamp", "sharedflows")
    callout = (
        "<FlowCallout name='FC'><SharedFlowBundle>stamp</SharedFlowBundle>"
        "<Parameters><Parameter name='caller'>sample</Parameter></Parameters></FlowCallout>"
    )
    proxy = steps("<PreFlow><Request>{FC}</Request></PreFlow>") + connection() + "<RouteRule name='none'/>"
    await world.deploy(bundle({"default": proxy}, policies={"FC": callout}))
    assert (await world.call()).headers["x-from"] == "sample-PreFlow"
    assert world.steps == ["S", "FC"]


async def test_a_shared_flow_that_calls_itself_ends(world: World) -> None:
    callout = "<FlowCallout name='FC'><SharedFlowBundle>loop</SharedFlowBundle></FlowCallout>"
    await world.deploy(shared_flow(steps("{FC}"), {"FC": callout}), "loop", "sharedflows")
    proxy = steps("<PreFlow><Request>{FC}</Request></PreFlow>") + connection() + "<RouteRule name='none'/>"
    await world.deploy(bundle({"default": proxy}, policies={"FC": callout}))
    answer = await world.call()
    assert answer.status_code == 500
    assert answer.json()["fault"]["detail"]["errorcode"].startswith("steps.flowcallout.")


# ---- null routes and chained proxies ----


async def test_a_null_route_answers_with_the_request(world: World) -> None:
    await world.deploy(bundle({"default": connection() + "<RouteRule name='none'/>"}))
    answer = await world.call("POST", "/", content="hello", headers={"X-Own": "1", "Content-Type": "text/plain"})
    assert (answer.status_code, answer.text) == (200, "hello")
    assert answer.headers["x-own"] == "1"


async def test_a_null_route_keeps_a_response_that_a_policy_has_made(world: World) -> None:
    made = (
        "<AssignMessage name='A'><AssignTo createNew='false' transport='http' type='response'/>"
        "<Set><Payload contentType='application/json'>{\"a\":1}</Payload><StatusCode>201</StatusCode></Set>"
        "</AssignMessage>"
    )
    proxy = steps("<PreFlow><Request>{A}</Request></PreFlow>") + connection() + "<RouteRule name='none'/>"
    await world.deploy(bundle({"default": proxy}, policies={"A": made}))
    answer = await world.call("POST", content="hello")
    assert (answer.status_code, answer.json()) == (201, {"a": 1})


@pytest.mark.parametrize(
    "to",
    [
        "<APIProxy>inner</APIProxy><ProxyEndpoint>default</ProxyEndpoint>",
        "<APIProxy>{wanted:inner}</APIProxy><ProxyEndpoint>default</ProxyEndpoint>",
        "<Path>/inner</Path>",
        # swilliams11/apigee-oauth-password-grant, ServiceCallout.Okta
        "<APIProxy>inner</APIProxy><ProxyEndpoint>default</ProxyEndpoint><Path>/inner</Path>",
    ],
)
async def test_a_local_target_is_another_proxy(world: World, to: str) -> None:
    inner = steps("<PreFlow><Request>{I}</Request></PreFlow>") + connection("/inner") + "<RouteRule name='none'/>"
    await world.deploy(bundle({"default": inner}), "inner")
    target = f"<LocalTargetConnection>{to}</LocalTargetConnection>"
    await world.deploy(bundle({"default": connection("/outer") + ROUTE}, {"default": target}), "outer")
    answer = await world.call("POST", "/outer/a?b=1", content="x")
    assert (answer.status_code, answer.text) == (200, "x")
    assert "I" in world.steps


@pytest.mark.parametrize(
    ("path", "suffix"), [("<Path>/authenticate</Path>", "/authenticate"), ("<Path>who</Path>", "/who"), ("", "")]
)
async def test_a_callout_to_another_proxy_goes_where_its_request_says(world: World, path: str, suffix: str) -> None:
    """As the access token proxy of apigee/streetcarts-tutorial asks its data manager to authenticate."""
    inner = connection("/inner") + steps("<PreFlow><Request>{AM-Where}</Request></PreFlow>")
    where = "<AssignMessage name='AM-Where'><Set><Payload>{proxy.pathsuffix}</Payload></Set></AssignMessage>"
    await world.deploy(bundle({"default": inner + "<RouteRule name='none'/>"}, policies={"AM-Where": where}), "inner")
    callout = (
        f"<ServiceCallout name='SC'><Request variable='q'><Set>{path}<Verb>POST</Verb></Set></Request>"
        "<Response>r</Response><LocalTargetConnection><APIProxy>inner</APIProxy><ProxyEndpoint>default</ProxyEndpoint>"
        "</LocalTargetConnection></ServiceCallout>"
    )
    show = "<AssignMessage name='AM'><Set><Payload>[{r.content}]</Payload></Set></AssignMessage>"
    outer = connection("/outer") + steps("<PreFlow><Request>{SC}</Request><Response>{AM}</Response></PreFlow>")
    policies = {"SC": callout, "AM": show}
    await world.deploy(bundle({"default": outer + "<RouteRule name='none'/>"}, policies=policies), "outer")
    assert (await world.call("GET", "/outer/own/path")).text == f"[{suffix}]"


async def test_proxies_that_call_one_another_end(world: World) -> None:
    target = "<LocalTargetConnection><Path>/loop</Path></LocalTargetConnection>"
    await world.deploy(bundle({"default": connection("/loop") + ROUTE}, {"default": target}), "loop")
    assert (await world.call("GET", "/loop")).status_code == 503

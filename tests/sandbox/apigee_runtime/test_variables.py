"""Flow variables and faults, by the tables of `variables.yaml` and `faults.yaml`."""

from typing import Any

import httpx
import pytest

from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError
from tests.sandbox.apigee_runtime.tables import rows
from tests.sandbox.apigee_runtime.test_flows import BACKEND, ROUTE, connection, steps, to_backend
from tests.sandbox.apigee_runtime.world import World, bundle

HEADERS = {
    "X-One": "1",
    "Accept": "text/html, application/json",
    "User-Agent": "Test (a, b)",
    "X-Forwarded-For": "198.51.100.1, 10.0.0.1",
    "Content-Type": "application/x-www-form-urlencoded",
}


@pytest.mark.parametrize(("group", "row"), rows("variables.yaml"))
async def test_a_variable(world: World, group: dict[str, Any], row: list[Any]) -> None:
    name, expected = row
    world.backends[BACKEND] = lambda _: httpx.Response(201, content=b'{"ok": true}', headers={"X-Backend": "1"})
    target = f"<HTTPTargetConnection><URL>https://{BACKEND}/v1</URL></HTTPTargetConnection>"
    await world.deploy(bundle({"default": connection("/shop") + ROUTE}, {"default": target}))
    query = "q=a&q=b&n=&sp=a%20b"
    await world.call("POST", f"/shop/items/7?{query}", headers=HEADERS, content="user=ada&role=x&role=y")
    variables = world.runtime.context.variables
    if group.get("write"):
        if expected:
            variables.set(name, "new")
            assert variables.get(name) == "new"
        else:
            with pytest.raises(ReadOnlyVariableError):
                variables.set(name, "new")
        return
    value = variables.get(name)
    assert (list(value) if isinstance(value, tuple) else value) == expected
    assert type(value) is type(expected) or isinstance(value, tuple)


@pytest.mark.parametrize(("group", "row"), rows("faults.yaml"))
async def test_a_fault(world: World, group: dict[str, Any], row: dict[str, Any]) -> None:
    world.backends[BACKEND] = lambda _: httpx.Response(row.get("backend", 200), text="from the backend")
    method, path, headers = row.get("send", ["GET", "/", {}])
    routes = row.get("routes", ROUTE if "target" in row else "<RouteRule name='none'/>")
    proxy = steps(row.get("proxy", "")) + connection() + routes
    targets = {"default": steps(row["target"]) + to_backend()} if "target" in row else None
    await world.deploy(bundle({"default": proxy}, targets, row.get("policies")))
    answer = await world.call(method, path, headers=headers)
    assert answer.status_code == row["status"]
    assert answer.headers.get("content-type", "").partition(";")[0] == row.get(
        "content_type", answer.headers.get("content-type", "").partition(";")[0]
    )
    assert answer.text == row.get("body", answer.text)
    variables = world.runtime.context.variables
    wanted = row.get("variables", {})
    assert {name: variables.get(name) for name in wanted} == wanted


async def test_an_error_of_the_runtime_itself_is_a_fault_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from portcullis.sandbox.apigee.runtime.policies.assign_message import AssignMessage

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    proxy = steps("<PreFlow><Request>{A}</Request></PreFlow>") + connection() + "<RouteRule name='none'/>"
    await world.deploy(bundle({"default": proxy}))
    monkeypatch.setattr(AssignMessage, "execute", broken)
    answer = await world.call()
    assert answer.status_code == 500
    assert answer.json()["fault"]["detail"]["errorcode"] == "messaging.runtime.UnhandledException"
    assert "ZeroDivision" not in answer.text

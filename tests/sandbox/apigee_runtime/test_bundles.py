"""Which bundles run, by the table of `bundles.yaml`; and which proxy answers for a hostname and a path."""

from typing import Any

import httpx
import pytest

from portcullis.sandbox.apigee.runtime.bundle import compile_bundle
from tests.sandbox.apigee_runtime.tables import rows
from tests.sandbox.apigee_runtime.test_flows import connection
from tests.sandbox.apigee_runtime.world import AUTHORIZED, ENV, HOST, ORG, World, bundle, zipped

NO_ROUTE = "<RouteRule name='none'/>"


def bundle_of(row: dict[str, Any]) -> bytes:
    base_path = row.get("base_path", "/")
    endpoint = (
        f"<ProxyEndpoint name='default'>{row.get('proxy', '')}"
        f"<HTTPProxyConnection><BasePath>{base_path}</BasePath>{row.get('connection', '')}</HTTPProxyConnection>"
        f"{row.get('routes', NO_ROUTE)}</ProxyEndpoint>"
    )
    files = {f"apiproxy/{path}": text for path, text in row.get("files", {}).items()}
    if row.get("descriptor", True):
        files["apiproxy/sample.xml"] = "<APIProxy name='sample'/>"
    if row.get("proxies", True):
        files["apiproxy/proxies/default.xml"] = endpoint
    return zipped(files)


@pytest.mark.parametrize(("group", "row"), rows("bundles.yaml"))
async def test_a_bundle(world: World, group: dict[str, Any], row: dict[str, Any]) -> None:
    data = bundle_of(row)
    made = await world.manage("POST", f"{ORG}/apis?name=sample&action=import&validate=true", data)
    if row.get("refused_at") == "import":
        answer = made
    else:
        assert made.status_code == 200, made.text
        answer = await world.manage("POST", f"{ENV}/apis/sample/revisions/1/deployments")
    if "refused_at" in row:
        assert answer.status_code == 400
        message = answer.json()["error"]["message"]
        assert [text for text in row["says"] if text not in message] == [], message
        return
    assert answer.status_code == 200, answer.text
    assert (await world.call("GET", row.get("call", "/"))).status_code == 200
    warnings = compile_bundle(data).warnings
    assert [text for text in row["warns"] if not any(text in warning for warning in warnings)] == [], warnings
    assert row["warns"] or not warnings


async def test_a_bundle_may_come_as_a_form(world: World) -> None:
    data = bundle({"default": connection() + "<RouteRule name='none'/>"})
    answer = await world.api.post(
        f"{ORG}/apis?name=sample&action=import", files={"file": ("a.zip", data)}, headers=AUTHORIZED
    )
    assert answer.json()["revision"] == "1"


# ---- hostnames and base paths ----


def answering(world: World, name: str, *base_paths: str, environment: str = ENV) -> Any:
    """Deploy a proxy that answers with its name and what it takes for base path and rest."""
    header = (
        "<AssignMessage name='A'><AssignTo type='response' createNew='true'>response</AssignTo><Set><Payload>"
        f"{name} {{proxy.basepath}} {{proxy.pathsuffix}}</Payload></Set></AssignMessage>"
    )
    flow = "<PreFlow><Request><Step><Name>A</Name></Step></Request></PreFlow>"
    proxies = {f"p{i}": flow + connection(path) + "<RouteRule name='n'/>" for i, path in enumerate(base_paths)}
    return world.deploy(bundle(proxies, policies={"A": header}), name)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v1/shop", "shop /v1/shop "),
        ("/v1/shop/", "shop /v1/shop /"),
        ("/v1/shop/items/7", "shop /v1/shop /items/7"),
        ("/v1/shop/admin/x", "admin /v1/shop/admin /x"),
        ("/v1/shopping", "all / /v1/shopping"),
        # A base path with a wildcard is `proxy.basepath` as it is written (flow variables reference).
        ("/v1/eu/stock", "stock /v1/*/stock "),
        ("/v1/us/stock/a", "stock /v1/*/stock /a"),
        ("/v1/all/stock", "fixed /v1/all/stock "),
        ("/v2/shop/a", "shop /v2/shop /a"),
        ("/", "all / /"),
    ],
)
async def test_the_longest_base_path_answers(world: World, path: str, answer: str) -> None:
    await answering(world, "all", "/")
    await answering(world, "shop", "/v1/shop", "/v2/shop")
    await answering(world, "admin", "/v1/shop/admin")
    await answering(world, "stock", "/v1/*/stock")
    await answering(world, "fixed", "/v1/all/stock")
    assert (await world.call("GET", path)).text == answer


async def test_a_path_or_hostname_of_nobody_is_not_found(world: World) -> None:
    await answering(world, "shop", "/shop")
    for host, path in ((HOST, "/other"), ("other.example", "/shop")):
        answer = await world.call("GET", path, host=host)
        assert answer.status_code == 404
        escaped = path.replace("/", "\\/")
        assert answer.json()["fault"] == {
            "faultstring": f"Unable to identify proxy for host: {host} and url: {escaped}",
            "detail": {"errorcode": "messaging.adaptors.http.flow.ApplicationNotFound"},
        }


async def test_an_environment_group_leads_its_hostnames_to_its_environments(world: World) -> None:
    await world.ok("POST", f"{ORG}/environments", {"name": "partner"})
    await world.ok("POST", f"{ORG}/envgroups", {"name": "partners", "hostnames": ["*.partners.example"]})
    await world.ok("POST", f"{ORG}/envgroups/partners/attachments", {"environment": "partner"})
    await answering(world, "shop", "/shop")
    await world.ok("POST", f"{ORG}/environments/partner/apis/shop/revisions/1/deployments")
    assert (await world.call("GET", "/shop", host="a.partners.example")).text == "shop /shop "
    await world.ok("DELETE", f"{ENV}/apis/shop/revisions/1/deployments")
    assert (await world.call("GET", "/shop")).status_code == 404
    assert (await world.call("GET", "/shop", host="a.partners.example")).status_code == 200


async def test_a_new_revision_takes_over_at_once(world: World) -> None:
    await answering(world, "shop", "/shop")
    await answering(world, "shop", "/store")
    assert (await world.call("GET", "/shop")).status_code == 404
    assert (await world.call("GET", "/store")).text == "shop /store "


async def test_property_sets_of_bundle_and_environment(world: World) -> None:
    text = "{propertyset.own.a} {propertyset.own.b} {propertyset.shared.c}"
    made = (
        "<AssignMessage name='A'><AssignTo type='response' createNew='true'>response</AssignTo>"
        f"<Set><Payload>{text}</Payload></Set></AssignMessage>"
    )
    flow = "<PreFlow><Request><Step><Name>A</Name></Step></Request></PreFlow>"
    for name, data in (("own", b"a=env\nb=env"), ("shared", b"c=env")):
        await put_resource(world, "POST", f"?type=properties&name={name}.properties", data)
    proxy = flow + connection() + "<RouteRule name='n'/>"
    await world.deploy(bundle({"default": proxy}, None, {"A": made}, {"properties/own.properties": "# c\na = bundle"}))
    assert (await world.call()).text == "bundle env env"


# ---- resource files of the environment ----

SCRIPTED = (
    "<Javascript name='J'><IncludeURL>jsc://lib.js</IncludeURL><ResourceURL>jsc://main.js</ResourceURL></Javascript>"
)
MADE = (
    "<AssignMessage name='A'><AssignTo type='response' createNew='true'>response</AssignTo>"
    "<Set><Payload>{said}</Payload></Set></AssignMessage>"
)


async def put_resource(world: World, method: str, path: str, data: bytes) -> None:
    octets = {**AUTHORIZED, "Content-Type": "application/octet-stream"}
    answer: httpx.Response = await world.api.request(method, f"{ENV}/resourcefiles{path}", content=data, headers=octets)
    assert answer.status_code == 200, answer.text


def scripted(**scripts: str) -> bytes:
    flow = "<PreFlow><Request><Step><Name>J</Name></Step><Step><Name>A</Name></Step></Request></PreFlow>"
    proxy = flow + connection() + "<RouteRule name='n'/>"
    files = {f"jsc/{name}.js": text for name, text in scripts.items()}
    return bundle({"default": proxy}, None, {"J": SCRIPTED, "A": MADE}, files)


async def test_a_script_may_be_the_bundles_or_the_environments(world: World) -> None:
    await put_resource(world, "POST", "?type=jsc&name=lib.js", b"var who = 'environment';")
    await put_resource(world, "POST", "?type=jsc&name=main.js", b"context.setVariable('said', who + ' of both');")
    await world.deploy(scripted())
    assert (await world.call()).text == "environment of both"
    await world.deploy(scripted(lib="var who = 'bundle';"))
    assert (await world.call()).text == "bundle of both"


async def test_a_script_of_the_environment_changes_for_what_is_deployed(world: World) -> None:
    await put_resource(world, "POST", "?type=jsc&name=lib.js", b"var who = 'old';")
    await world.deploy(scripted(main="context.setVariable('said', who);"))
    assert (await world.call()).text == "old"
    await put_resource(world, "PUT", "/jsc/lib.js", b"var who = 'new';")
    assert (await world.call()).text == "new"
    # What is deployed keeps running as it was when its script is broken or gone.
    await put_resource(world, "PUT", "/jsc/lib.js", b"var who = ;")
    assert (await world.call()).text == "new"
    await world.ok("DELETE", f"{ENV}/resourcefiles/jsc/lib.js")
    assert (await world.call()).text == "new"


async def test_a_script_that_is_nowhere_refuses_the_deployment_and_not_the_import(world: World) -> None:
    made = await world.manage("POST", f"{ORG}/apis?name=sample&action=import", scripted(main="1;"))
    assert made.status_code == 200, made.text
    answer = await world.manage("POST", f"{ENV}/apis/sample/revisions/1/deployments")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert "Invalid resource url ref jsc://lib.js" in error["message"]
    await put_resource(world, "POST", "?type=jsc&name=lib.js", b"1;")
    assert (await world.manage("POST", f"{ENV}/apis/sample/revisions/1/deployments")).status_code == 200


async def test_assign_variable_reads_a_resource_of_the_environment(world: World) -> None:
    await put_resource(world, "POST", "?type=oas&name=spec.yaml", b"openapi: 3.0.0")
    read = "<AssignMessage name='J'><AssignVariable><Name>said</Name><ResourceURL>oas://spec.yaml</ResourceURL></AssignVariable></AssignMessage>"
    flow = "<PreFlow><Request><Step><Name>J</Name></Step><Step><Name>A</Name></Step></Request></PreFlow>"
    proxy = flow + connection() + "<RouteRule name='n'/>"
    await world.deploy(bundle({"default": proxy}, None, {"J": read, "A": MADE}))
    assert (await world.call()).text == "openapi: 3.0.0"

"""What holds for every resource: configuration, checks, previews, secrets, failures."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from engine.providers.gcp import GCP
from tests.providers.conftest import Api, config
from tests.providers.driver import (
    TOKEN,
    UNKNOWN,
    CheckFailedError,
    Driver,
    Resource,
    is_secret,
    plain,
    plugin,
    revealed,
    secret,
    struct,
    unfinished,
)

ENVIRONMENT = "gcp:apigee/environment:Environment"
SERVER = "gcp:apigee/targetServer:TargetServer"
APP = "gcp:apigee/developerApp:DeveloperApp"
ORG = {"projectId": "acme", "disableVpcPeering": True}


def make(driver: Driver, type_: str, inputs: dict[str, Any]) -> Resource:
    resource = Resource(type_, "thing")
    return driver.create(resource, driver.check(resource, inputs))


@pytest.fixture
def environment(driver: Driver) -> str:
    organization = make(driver, "gcp:apigee/organization:Organization", ORG)
    return make(driver, ENVIRONMENT, {"orgId": organization.id, "name": "prod"}).id


@pytest.fixture
def app_inputs(driver: Driver, environment: str) -> dict[str, Any]:
    org = "organizations/acme"
    developer = {"orgId": org, "email": "a@b.example", "firstName": "A", "lastName": "B", "userName": "a"}
    make(driver, "gcp:apigee/developer:Developer", developer)
    for name in ("orders", "payments"):
        make(driver, "gcp:apigee/apiProduct:ApiProduct", {"orgId": org, "name": name, "displayName": name})
    return {
        "orgId": org,
        "developerEmail": "a@b.example",
        "name": "storefront",
        "callbackUrl": "",
        "apiProducts": ["orders"],
        "consumerKey": "client-1",
        "consumerSecret": secret("a-consumer-secret"),
    }


def test_the_plugin_says_whose_place_it_takes(driver: Driver) -> None:
    assert driver.stub.GetPluginInfo(empty_pb2.Empty()).version == "9.35.0"
    schema = json.loads(driver.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    server = schema["resources"][SERVER]
    assert set(server["requiredInputs"]) == {"envId", "name", "host", "port"}
    assert server["inputProperties"]["port"] == {"type": "integer"}
    assert len(schema["resources"]) == len(GCP.resources)


# ---- configuration ----


@pytest.fixture
def unconfigured() -> Generator[Driver]:
    with plugin(GCP) as found:
        yield found


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"project": "p", "accessToken": "t", "apigeeCustomEndpoint": "http://127.0.0.1:1/v1"},
            "must end with a slash",
        ),
        ({"accessToken": "t"}, "gcp:project"),
        ({"project": "p", "accessToken": "t", "porject": "p"}, "gcp:porject"),
        ({"project": "p", "accessToken": "t", "pollInterval": "soon"}, "pollInterval"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(settings: dict[str, str], complaint: str, unconfigured: Driver) -> None:
    with pytest.raises(CheckFailedError, match=complaint):
        unconfigured.configure(settings)


def test_every_kind_of_setting_of_the_official_provider_is_taken(unconfigured: Driver) -> None:
    unconfigured.configure(
        {
            "project": "p",
            "accessToken": "t",
            "apigeeCustomEndpoint": "http://127.0.0.1:1/v1/",
            "computeCustomEndpoint": "https://compute.example/",
            "skipRegionValidation": "true",
            "disableGlobalProjectWarning": "true",
            "userProjectOverride": "false",
            "region": "europe-west1",
            "defaultLabels": {"team": "edge"},
        }
    )


def test_without_a_token_the_plugin_says_what_to_set(unconfigured: Driver) -> None:
    with pytest.raises(grpc.RpcError, match="gcp:accessToken is not set"):
        unconfigured.configure({"project": "p"})


def test_the_token_is_a_secret_of_the_configuration(unconfigured: Driver) -> None:
    request = provider_pb2.CheckRequest(news=struct({"project": "p", "accessToken": "t"}))
    inputs = unconfigured.stub.CheckConfig(request).inputs
    assert is_secret(plain(inputs)["accessToken"])


def test_a_change_of_settings_replaces_nothing(driver: Driver) -> None:
    answer = driver.stub.DiffConfig(
        provider_pb2.DiffRequest(olds=struct({"project": "a"}), news=struct({"project": "b"}))
    )
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(answer.diffs) == ["project"]
    assert list(answer.replaces) == []


def test_with_settings_not_known_yet_a_preview_works_and_an_update_says_why_not(unconfigured: Driver) -> None:
    unconfigured.configure({"project": UNKNOWN, "accessToken": "t"})
    resource = Resource(ENVIRONMENT, "prod")
    inputs = unconfigured.check(resource, {"orgId": "organizations/acme", "name": "prod"})
    assert unconfigured.preview(resource, inputs)["type"] == UNKNOWN
    with pytest.raises(grpc.RpcError, match="project are not known yet"):
        unconfigured.create(resource, inputs)


# ---- checks ----


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"name": "a", "host": "h", "port": 1}, "envId: Missing required property `envId`"),
        ({"envId": "e", "name": "a", "host": "h", "port": "many"}, "port: `port` must be a whole number, not a string"),
        ({"envId": "e", "name": "a", "host": "h", "port": 1.5}, "must be a whole number, not a number"),
        ({"envId": "e", "name": "a", "host": ["h"], "port": 1}, "`host` must be a string, not a list"),
        ({"envId": "e", "name": "a", "host": "h", "port": 1, "hots": "h"}, "hots: `hots` is not a property"),
        (
            {"envId": "e", "name": "a", "host": "h", "port": 1, "sSlInfo": {}},
            "Missing required property `sSlInfo.enabled`",
        ),
        (
            {"envId": "e", "name": "a", "host": "h", "port": 1, "sSlInfo": {"enabled": "yes"}},
            "`sSlInfo.enabled` must be",
        ),
        (
            {"envId": "e", "name": "a", "host": "h", "port": 1, "sSlInfo": {"enabled": True, "protocols": [{}]}},
            r"`sSlInfo.protocols\[0\]` must be a string, not an object",
        ),
    ],
)
def test_a_wrong_input_is_named(inputs: dict[str, Any], complaint: str, driver: Driver) -> None:
    with pytest.raises(CheckFailedError, match=complaint):
        driver.check(Resource(SERVER, "a"), inputs)


def test_a_property_that_the_api_decides_cannot_be_set(driver: Driver) -> None:
    inputs = {"orgId": "organizations/acme", "location": "europe-west1", "host": "10.0.0.1"}
    with pytest.raises(CheckFailedError, match="`host` is decided by the API"):
        driver.check(Resource("gcp:apigee/instance:Instance", "a"), inputs)


def test_numbers_and_truth_values_are_taken_from_their_text(driver: Driver) -> None:
    given = {"envId": "e", "name": "a", "host": "h", "port": "8080", "isEnabled": "false"}
    checked = driver.check(Resource(SERVER, "a"), given)
    assert checked["port"] == 8080
    assert checked["isEnabled"] is False


def test_a_default_is_written_down_as_one(driver: Driver) -> None:
    checked = driver.check(Resource(SERVER, "a"), {"envId": "e", "name": "a", "host": "h", "port": 1})
    assert checked["isEnabled"] is True
    assert checked["__defaults"] == ["deletionPolicy", "isEnabled"]


def test_what_is_unknown_or_secret_passes_the_check(driver: Driver) -> None:
    given = {"envId": UNKNOWN, "name": secret("a"), "host": "h", "port": UNKNOWN}
    checked = driver.check(Resource(SERVER, "a"), given)
    assert checked["envId"] == checked["port"] == UNKNOWN
    assert checked["name"] == secret("a")


def test_a_resource_without_a_name_gets_one_that_stays(driver: Driver) -> None:
    resource = Resource(SERVER, "orders")
    given = {"envId": "e", "host": "h", "port": 1}
    first = driver.check(resource, given)
    assert first["name"].startswith("orders-")
    assert driver.check(Resource(SERVER, "orders", inputs=first), given) == first


def test_a_replaced_resource_with_a_given_name_is_deleted_first(driver: Driver, environment: str) -> None:
    given = {"envId": environment, "name": "orders", "host": "h", "port": 1}
    named = make(driver, SERVER, given)
    assert driver.diff(named, driver.check(named, {**given, "protocol": "HTTP2"})).delete_before_replace
    unnamed_inputs = {name: value for name, value in given.items() if name != "name"}
    unnamed = make(driver, SERVER, unnamed_inputs)
    assert not driver.diff(
        unnamed, driver.check(unnamed, {**unnamed_inputs, "protocol": "HTTP2"})
    ).delete_before_replace


# ---- differences and previews ----


def test_an_unknown_input_is_a_difference(driver: Driver, environment: str) -> None:
    made = make(driver, SERVER, {"envId": environment, "name": "orders", "host": "h", "port": 1})
    assert driver.diff(made, {**made.inputs, "host": UNKNOWN}).paths == {"host": "UPDATE"}
    assert driver.diff(made, {**made.inputs, "envId": UNKNOWN}).replaces == ["envId"]


def test_what_is_no_longer_given_is_a_difference_unless_the_api_decides_it(driver: Driver, environment: str) -> None:
    given = {"envId": environment, "name": "orders", "host": "h", "port": 1, "description": "d", "protocol": "HTTP"}
    made = make(driver, SERVER, given)
    rest = {name: value for name, value in given.items() if name not in ("description", "protocol")}
    assert driver.diff(made, driver.check(made, rest)).paths == {"description": "DELETE"}


def test_an_ignored_change_is_none(driver: Driver, environment: str) -> None:
    given = {"envId": environment, "name": "orders", "host": "h", "port": 1, "sSlInfo": {"enabled": True}}
    made = make(driver, SERVER, given)
    changed = driver.check(made, {**given, "port": 2, "sSlInfo": {"enabled": False}})
    assert driver.diff(made, changed, ignore=["sSlInfo", "port"]).paths == {}
    assert driver.diff(made, changed, ignore=["port"]).paths == {"sSlInfo.enabled": "UPDATE"}


def test_the_order_of_a_set_is_no_difference(driver: Driver, app_inputs: dict[str, Any]) -> None:
    inputs = {**app_inputs, "apiProducts": ["payments", "orders"]}
    made = make(driver, APP, inputs)
    assert made.outputs["apiProducts"] == ["payments", "orders"]
    assert driver.diff(made, {**made.inputs, "apiProducts": ["orders", "payments"]}).paths == {}


def test_drift_shows_after_a_refresh(driver: Driver, environment: str, api: Api) -> None:
    made = make(driver, SERVER, {"envId": environment, "name": "orders", "host": "h", "port": 1})
    server = api.store.get("apigee.targetservers", "acme/prod/orders")
    assert server is not None
    api.store.put("apigee.targetservers", "acme/prod/orders", {**server, "host": "elsewhere", "description": "x"})
    found = driver.read(made)
    assert found is not None
    assert found.inputs["host"] == found.outputs["host"] == "elsewhere"
    assert driver.diff(found, made.inputs).paths == {"host": "UPDATE", "description": "DELETE"}


def test_somebody_elses_bundle_shows_after_a_refresh(driver: Driver, environment: str, api: Api, bundles: Path) -> None:
    made = make(driver, "gcp:apigee/api:Api", {"orgId": "acme", "name": "store", "configBundle": "first.zip"})
    proxy = api.store.get("apigee.apis", "acme/store")
    assert proxy is not None
    proxy["metaData"]["lastModifiedAt"] = "1790000000000"
    api.store.put("apigee.apis", "acme/store", proxy)
    found = driver.read(made)
    assert found is not None
    assert found.outputs["md5hash"] == "UNKNOWN"
    assert "detectMd5hash" in driver.diff(found, made.inputs).paths


def test_another_bundle_at_the_same_path_is_a_new_revision(driver: Driver, environment: str, bundles: Path) -> None:
    inputs = {"orgId": "acme", "name": "store", "configBundle": "first.zip"}
    made = make(driver, "gcp:apigee/api:Api", inputs)
    (bundles / "first.zip").write_bytes((bundles / "second.zip").read_bytes())
    assert driver.diff(made, made.inputs).changes
    assert driver.preview(made, made.inputs)["latestRevisionId"] == UNKNOWN
    updated = driver.update(made, made.inputs)
    assert updated.outputs["latestRevisionId"] == "2"
    assert driver.diff(updated, updated.inputs).paths == {}


def test_a_bundle_that_is_not_there_is_named(driver: Driver, environment: str) -> None:
    with pytest.raises(grpc.RpcError, match=r"configBundle: cannot read no\.zip"):
        make(driver, "gcp:apigee/api:Api", {"orgId": "acme", "name": "store", "configBundle": "no.zip"})


# ---- secrets ----


def test_secrets_stay_secret_in_every_answer(driver: Driver, app_inputs: dict[str, Any]) -> None:
    resource = Resource(APP, "app")
    checked = driver.check(resource, {**app_inputs, "callbackUrl": secret("https://a.example/?k=1")})
    made = driver.create(resource, checked)
    refreshed = driver.read(made)
    assert refreshed is not None
    updated = driver.update(made, {**checked, "attributes": [{"name": "a", "value": secret("b")}]})
    for shown in (
        driver.preview(resource, checked),
        made.outputs,
        refreshed.outputs,
        refreshed.inputs,
        updated.outputs,
    ):
        assert is_secret(shown["consumerSecret"])
        assert is_secret(shown["callbackUrl"])
    for outputs in (made.outputs, refreshed.outputs, updated.outputs):
        assert is_secret(outputs["credentials"][0]["consumerSecret"])
    assert updated.outputs["attributes"] == [{"name": "a", "value": secret("b")}]


def test_an_error_shows_neither_the_token_nor_a_secret(driver: Driver, app_inputs: dict[str, Any], api: Api) -> None:
    inputs = driver.check(Resource(APP, "app"), app_inputs)
    told = {"error": {"code": 400, "message": f"no: {TOKEN} a-consumer-secret", "status": "INVALID_ARGUMENT"}}
    api.recorder.failures.append((400, json.dumps(told).encode()))
    with pytest.raises(grpc.RpcError, match=r"HTTP 400: INVALID_ARGUMENT: no: \[secret\] \[secret\]") as caught:
        driver.create(Resource(APP, "app"), inputs)
    assert TOKEN not in str(caught.value)
    assert "a-consumer-secret" not in str(caught.value)


# ---- failures ----


def test_an_apps_own_key_that_fails_leaves_the_app_to_be_finished(
    driver: Driver, app_inputs: dict[str, Any], api: Api
) -> None:
    resource = Resource(APP, "app")
    # Apigee takes no dots in a key.
    inputs = driver.check(resource, {**app_inputs, "consumerKey": "a.dotted.key"})
    with pytest.raises(grpc.RpcError, match="letters, numbers, underscores, and hyphens only") as caught:
        driver.create(resource, inputs)
    kept = unfinished(caught.value)
    assert kept.id == "organizations/acme/developers/a@b.example/apps/storefront"
    assert dict(kept.properties)["name"] == "storefront"
    assert api.store.get("apigee.apps", "acme/a@b.example/storefront") is not None


def test_an_app_is_finished_by_the_update_after_the_failure(
    driver: Driver, app_inputs: dict[str, Any], api: Api
) -> None:
    resource = Resource(APP, "app")
    inputs = driver.check(resource, app_inputs)
    made = driver.create(resource, inputs)
    app = api.store.get("apigee.apps", "acme/a@b.example/storefront")
    assert app is not None
    app["credentials"][0] |= {"consumerKey": "generated", "apiProducts": []}
    api.store.put("apigee.apps", "acme/a@b.example/storefront", app)
    half = driver.read(made)
    assert half is not None
    finished = driver.update(half, inputs)
    credentials = revealed(finished.outputs["credentials"])
    assert [item["consumerKey"] for item in credentials] == ["client-1"]
    assert credentials[0]["apiProducts"] == [{"apiproduct": "orders", "status": "approved"}]


def test_products_move_on_the_apps_own_key(driver: Driver, app_inputs: dict[str, Any]) -> None:
    resource = Resource(APP, "app")
    made = driver.create(resource, driver.check(resource, app_inputs))
    updated = driver.update(made, driver.check(made, {**app_inputs, "apiProducts": ["payments"]}))
    credentials = revealed(updated.outputs["credentials"])
    assert [item["consumerKey"] for item in credentials] == ["client-1"]
    assert [item["apiproduct"] for item in credentials[0]["apiProducts"]] == ["payments"]


def test_a_failing_read_after_the_create_keeps_the_resource(driver: Driver, environment: str, api: Api) -> None:
    resource = Resource(SERVER, "orders")
    inputs = driver.check(resource, {"envId": environment, "name": "orders", "host": "h", "port": 1})
    answer = {"name": "orders", "host": "h", "port": 1}
    api.recorder.failures += [(200, json.dumps(answer).encode()), (403, b"{}")]
    with pytest.raises(grpc.RpcError, match="created, but cannot be read") as caught:
        driver.create(resource, inputs)
    assert unfinished(caught.value).id == f"{environment}/targetservers/orders"


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_api_refuses_for_now_is_tried_again(status: int, driver: Driver, environment: str, api: Api) -> None:
    api.recorder.failures.append((status, b"{}"))
    made = make(driver, SERVER, {"envId": environment, "name": "orders", "host": "h", "port": 1})
    assert made.outputs["host"] == "h"


def test_a_broken_answer_to_a_read_is_tried_again(driver: Driver, environment: str, api: Api) -> None:
    made = make(driver, SERVER, {"envId": environment, "name": "orders", "host": "h", "port": 1})
    api.recorder.failures.append((502, b"<html>Bad Gateway</html>"))
    assert driver.read(made) == made


def test_an_answer_that_is_no_json_says_so(driver: Driver, environment: str, api: Api) -> None:
    made = make(driver, SERVER, {"envId": environment, "name": "orders", "host": "h", "port": 1})
    api.recorder.failures.append((200, b"<html>login</html>"))
    with pytest.raises(grpc.RpcError, match="the answer is no JSON"):
        driver.read(made)


def test_a_refusal_names_every_violation(driver: Driver, environment: str) -> None:
    with pytest.raises(grpc.RpcError, match="already exists") as caught:
        make(driver, ENVIRONMENT, {"orgId": "organizations/acme", "name": "prod"})
    assert "POST organizations/acme/environments: HTTP 409: ALREADY_EXISTS" in str(caught.value)


def test_a_resource_type_that_is_not_in_the_table_says_what_to_install(driver: Driver) -> None:
    with pytest.raises(grpc.RpcError, match="pulumi plugin install resource gcp"):
        driver.check(Resource("gcp:storage/bucket:Bucket", "b"), {})


def test_an_id_that_cannot_be_is_refused(driver: Driver) -> None:
    with pytest.raises(grpc.RpcError, match="one looks like `envId/targetservers/name`"):
        driver.read(Resource(SERVER, "a", id="orders"))


def test_a_function_is_refused_with_a_way_out(driver: Driver) -> None:
    with pytest.raises(grpc.RpcError, match="install the official plugin"):
        driver.stub.Invoke(provider_pb2.InvokeRequest(tok="gcp:organizations/getProject:getProject"))


def test_the_process_prints_its_port_and_ends_with_the_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as engine:
        engine.settimeout(20)
        address = f"127.0.0.1:{engine.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.providers", "gcp", "--logtostderr", address],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        try:
            assert int(process.stdout.readline()) > 0
            connection, _ = engine.accept()
            assert process.poll() is None
            engine.close()
            connection.close()
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.stdout.close()


def test_two_plugins_can_be_configured_apart(api: Api) -> None:
    with plugin(GCP) as first, plugin(GCP) as second:
        first.configure(config(api))
        with pytest.raises(grpc.RpcError, match="has not been configured"):
            second.read(Resource(SERVER, "a", id="organizations/acme/environments/prod/targetservers/a"))

"""The emulated Apigee management API, resource by resource."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.sandbox.apigee_management.bundle import make_bundle
from tests.sandbox.apigee_management.conftest import ENV, HEADERS, ORG, Api

REFUSALS: list[list[Any]] = YAML(typ="safe").load(Path(__file__).with_name("refusals.yaml"))
APP = f"{ORG}/developers/a@b.example/apps/web"
DEPLOYED = f"{ENV}/apis/store/revisions"


def full(path: str) -> str:
    short, slash, rest = path.partition("/")
    short, colon, action = short.partition(":")
    short, question, query = short.partition("?")
    known = {"E": ENV, "O": ORG, "A": APP}.get(short, short)
    return f"{known}{question}{query}{colon}{action}{slash}{rest}"


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: f"{case[0]} {case[1]} {case[5][:30]}")
async def test_a_refusal_says_why_as_apigee_does(case: list[Any], shop: Api) -> None:
    method, path, body, code, status, message = case
    before = shop.changes
    error = await shop.error(method, full(path), body)
    assert (error["code"], error["status"]) == (code, status)
    assert message in error["message"]
    assert shop.changes == before


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer  ", "Basic abc"])
async def test_a_request_without_a_token_is_refused(authorization: str, api: Api) -> None:
    error = await api.error("GET", ORG, headers={"Authorization": authorization})
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")


async def test_what_is_no_json_is_refused(api: Api) -> None:
    for body in (b"{", b"[1]", b'"text"'):
        error = await api.error("POST", f"{ENV}/keyvaluemaps", body)
        assert "Invalid JSON payload" in error["message"]


async def test_a_body_above_the_limit_is_refused(api: Api) -> None:
    error = await api.error("POST", f"{ENV}/keyvaluemaps", b" " * (2 * 1024 * 1024 + 1))
    assert "exceeds the limit" in error["message"]


async def test_an_unknown_member_is_named_in_the_details(api: Api) -> None:
    error = await api.error("POST", f"{ENV}/keyvaluemaps", {"name": "k", "x": 1})
    detail = error["details"][0]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert detail["fieldViolations"][0]["field"] == "key_value_map"


async def test_a_duplicate_entry_names_its_violation(shop: Api) -> None:
    error = await shop.error("POST", f"{ENV}/keyvaluemaps/keys/entries", {"name": "jwk.1", "value": "x"})
    assert error["details"][0]["violations"][0]["type"] == "keyvaluemap.service.KeyValueMapEntryAlreadyExists"


# ---- long-running operations ----


async def test_an_operation_is_done_at_once_and_can_be_read(api: Api) -> None:
    operation = await api.ok("POST", f"{ORG}/environments", {"name": "test"})
    assert operation["done"] is True
    assert operation["response"]["name"] == "test"
    assert await api.ok("GET", operation["name"]) == operation


async def test_a_slow_operation_locks_the_organization(empty: Api) -> None:
    from portcullis.sandbox.apigee.management.errors import ManagementError
    from portcullis.sandbox.apigee.management.service import Call, Service

    service = Service(empty.store, lambda _bundle: [], empty.clock, lro_delay_seconds=30)
    operation = service.operation("acme", f"{ORG}/environments/a", "INSERT", {"name": "a"})
    assert operation["done"] is False
    assert "response" not in operation
    call = Call(path="", names={"org": "acme"})
    with pytest.raises(ManagementError, match="the resource is locked by another operation"):
        service.begin(call)
    empty.clock.advance(30)
    service.begin(call)
    assert (await empty.ok("GET", operation["name"]))["response"] == {"name": "a"}


# ---- organizations, instances, environments, groups ----


async def test_an_organization_lives(empty: Api) -> None:
    operation = await empty.ok(
        "POST", "organizations?parent=projects/acme&alt=json", {"name": "acme", "disableVpcPeering": True}
    )
    assert operation["response"]["name"] == "acme"
    found = await empty.ok("GET", ORG)
    assert found["runtimeType"] == "CLOUD"
    assert found["createdAt"] == "1780000000000"
    assert not any(name.startswith("_") for name in found)
    changed = await empty.ok("PUT", ORG, {"name": "acme", "displayName": "Acme"})
    assert changed["displayName"] == "Acme"
    assert changed["billingType"] == found["billingType"]
    assert (await empty.ok("GET", "organizations"))["organizations"][0]["organization"] == "acme"
    assert (await empty.ok("DELETE", f"{ORG}?retention=MINIMUM"))["done"] is True
    assert (await empty.error("GET", ORG))["code"] == 404


async def test_deleting_an_organization_deletes_all_that_is_in_it(shop: Api) -> None:
    await shop.upload("store", make_bundle("store"))
    await shop.ok("DELETE", ORG)
    left = {
        collection: shop.store.items(f"apigee.{collection}", "acme")
        for collection in ("environments", "envgroups", "targetservers", "kvm_entries", "apis", "products", "apps")
    }
    assert not any(left.values())
    assert shop.store.get_blob("apigee.bundles", "acme/apis/store/1") is None


async def test_an_instance_lives(api: Api) -> None:
    found = await api.ok("GET", f"{ORG}/instances/west")
    assert found["port"] == "443"
    assert "/regions/europe-west1/serviceAttachments/" in found["serviceAttachment"]
    assert found["consumerAcceptList"] == ["acme"]
    path = f"{ORG}/instances/west?updateMask=consumerAcceptList"
    await api.ok("PATCH", path, {"consumerAcceptList": ["shop"]})
    assert (await api.ok("GET", f"{ORG}/instances"))["instances"][0]["consumerAcceptList"] == ["shop"]
    (attachment,) = (await api.ok("GET", f"{ORG}/instances/west/attachments"))["attachments"]
    await api.ok("DELETE", f"{ORG}/instances/west/attachments/{attachment['name']}")
    await api.ok("DELETE", f"{ORG}/instances/west")
    assert (await api.error("GET", f"{ORG}/instances/west"))["code"] == 404


async def test_an_environment_has_the_apis_defaults_and_keeps_what_cannot_change(api: Api) -> None:
    found = await api.ok("GET", ENV)
    assert (found["deploymentType"], found["apiProxyType"]) == ("PROXY", "PROGRAMMABLE")
    changed = await api.ok("PUT", ENV, {"name": "prod", "description": "live"})
    assert changed == {**found, "description": "live"}
    await api.ok("PATCH", f"{ENV}?updateMask=type,nodeConfig", {"type": "BASE", "nodeConfig": {"minNodeCount": 3}})
    modified = await api.ok("GET", ENV)
    assert modified["type"] == "BASE"
    assert modified["nodeConfig"]["minNodeCount"] == "3"
    assert await api.ok("GET", f"{ORG}/environments") == ["prod"]
    assert (await api.ok("GET", ORG))["environments"] == ["prod"]


async def test_an_environment_is_deleted_with_what_it_holds_once_it_is_free(shop: Api) -> None:
    error = await shop.error("DELETE", ENV)
    subjects = {item["subject"] for item in error["details"][0]["violations"]}
    assert subjects == {f"{ORG}/envgroups/public", f"{ORG}/instances/west"}
    for parent, member in (("envgroups/public", "environmentGroupAttachments"), ("instances/west", "attachments")):
        (attachment,) = (await shop.ok("GET", f"{ORG}/{parent}/attachments"))[member]
        await shop.ok("DELETE", f"{ORG}/{parent}/attachments/{attachment['name']}")
    await shop.ok("DELETE", ENV)
    assert (await shop.error("GET", ENV))["code"] == 404
    assert shop.store.items("apigee.kvm_entries") == shop.store.items("apigee.targetservers") == []


async def test_a_groups_hostnames_change_in_order(api: Api) -> None:
    hostnames = ["z.acme.example", "*.acme.example", "api.acme.example"]
    await api.ok("PATCH", f"{ORG}/envgroups/public?updateMask=hostnames", {"hostnames": hostnames})
    assert (await api.ok("GET", f"{ORG}/envgroups/public"))["hostnames"] == hostnames
    assert (await api.ok("GET", f"{ORG}/envgroups"))["environmentGroups"][0]["name"] == "public"


# ---- key value maps, target servers ----


async def test_entries_are_created_changed_listed_and_deleted(shop: Api) -> None:
    entries = f"{ENV}/keyvaluemaps/keys/entries"
    assert await shop.ok("GET", f"{ENV}/keyvaluemaps") == ["keys"]
    await shop.ok("POST", entries, {"name": "jwk.2", "value": "two"})
    await shop.ok("PUT", f"{entries}/jwk.2", {"name": "jwk.2", "value": "zwei"})
    assert await shop.ok("GET", f"{entries}/jwk.2") == {"name": "jwk.2", "value": "zwei"}
    page = await shop.ok("GET", f"{entries}?pageSize=1")
    assert page == {"keyValueEntries": [{"name": "jwk.1", "value": "{}"}], "nextPageToken": "jwk.2"}
    rest = await shop.ok("GET", f"{entries}?pageSize=1&pageToken=jwk.2")
    assert rest == {"keyValueEntries": [{"name": "jwk.2", "value": "zwei"}], "nextPageToken": ""}
    await shop.ok("DELETE", f"{entries}/jwk.2")
    assert (await shop.error("GET", f"{entries}/jwk.2"))["code"] == 404


async def test_an_empty_map_answers_with_an_empty_list(shop: Api) -> None:
    await shop.ok("POST", f"{ENV}/keyvaluemaps", {"name": "empty"})
    answer = await shop.ok("GET", f"{ENV}/keyvaluemaps/empty/entries")
    assert answer == {"keyValueEntries": [], "nextPageToken": ""}


async def test_a_deleted_map_takes_its_entries_along(shop: Api) -> None:
    await shop.ok("DELETE", f"{ENV}/keyvaluemaps/keys")
    await shop.ok("POST", f"{ENV}/keyvaluemaps", {"name": "keys"})
    assert (await shop.ok("GET", f"{ENV}/keyvaluemaps/keys/entries"))["keyValueEntries"] == []


async def test_a_value_above_the_limit_is_refused(shop: Api) -> None:
    body = {"name": "big", "value": "x" * (512 * 1024 + 1)}
    assert "524288 bytes" in (await shop.error("POST", f"{ENV}/keyvaluemaps/keys/entries", body))["message"]


async def test_a_target_server_is_enabled_unless_it_says_otherwise(shop: Api) -> None:
    server = f"{ENV}/targetservers/orders"
    found = await shop.ok("GET", server)
    assert found == {"isEnabled": True, "protocol": "HTTP", "name": "orders", "host": "orders.example", "port": 443}
    body = {"name": "orders", "host": "other.example", "port": 80, "isEnabled": False, "sSLInfo": {"enabled": True}}
    assert (await shop.ok("PUT", server, body))["isEnabled"] is False
    assert (await shop.ok("GET", server))["sSLInfo"] == {"enabled": True}
    assert await shop.ok("GET", f"{ENV}/targetservers") == ["orders"]
    await shop.ok("DELETE", server)
    assert (await shop.error("DELETE", server))["code"] == 404


# ---- proxies and deployments ----


async def test_an_import_makes_a_new_revision(api: Api) -> None:
    bundle = make_bundle("store", basepath="/store")
    revision = (await api.upload("store", bundle)).json()
    assert (revision["name"], revision["revision"], revision["basepaths"]) == ("store", "1", ["/store"])
    assert revision["targetServers"] == ["orders"]
    assert revision["resources"] == ["jsc://route.js"]
    await api.upload("store", make_bundle("store"))
    proxy = await api.ok("GET", f"{ORG}/apis/store")
    assert (proxy["revision"], proxy["latestRevisionId"]) == (["1", "2"], "2")
    assert proxy["metaData"]["subType"] == "Proxy"
    answer = await api.send("GET", f"{ORG}/apis/store/revisions/1?format=bundle")
    assert answer.content == bundle
    assert api.store.get_blob("apigee.bundles", "acme/apis/store/1") == bundle
    assert await api.ok("GET", f"{ORG}/apis/store/revisions") == ["1", "2"]
    assert (await api.ok("GET", f"{ORG}/apis?includeRevisions=true"))["proxies"][0]["revision"] == ["1", "2"]


async def test_the_proxys_time_moves_on_an_import_only(api: Api) -> None:
    await api.upload("store", make_bundle("store"))
    first = await api.ok("GET", f"{ORG}/apis/store")
    api.clock.advance(5)
    await api.ok("POST", f"{DEPLOYED}/1/deployments")
    assert await api.ok("GET", f"{ORG}/apis/store") == first
    await api.upload("store", make_bundle("store"))
    second = await api.ok("GET", f"{ORG}/apis/store")
    assert int(second["metaData"]["lastModifiedAt"]) > int(first["metaData"]["lastModifiedAt"])
    assert second["metaData"]["createdAt"] == first["metaData"]["createdAt"]


async def test_a_number_is_never_given_twice(api: Api) -> None:
    for _ in range(2):
        await api.upload("store", make_bundle("store"))
    await api.ok("DELETE", f"{ORG}/apis/store/revisions/2")
    assert (await api.upload("store", make_bundle("store"))).json()["revision"] == "3"


async def test_a_bundle_can_come_as_a_form(api: Api) -> None:
    headers = {"Authorization": "Bearer any"}
    path = f"/v1/{ORG}/apis?name=store&action=import"
    answer = await api.client.post(path, headers=headers, files={"file": ("b.zip", make_bundle("store"))})
    assert answer.json()["revision"] == "1"


async def test_a_bundle_can_be_checked_without_an_import(api: Api) -> None:
    assert (await api.upload("store", make_bundle("store"), action="validate")).status_code == 200
    assert (await api.error("GET", f"{ORG}/apis/store"))["code"] == 404


@pytest.mark.parametrize(
    ("bundle", "problem"),
    [
        (b"no zip", "not a readable zip file"),
        (make_bundle("store")[:-30], "not a readable zip file"),
        (make_bundle("store", extra={"apiproxy/proxies/default.xml": "<Proxy"}), "not well-formed"),
    ],
)
async def test_what_is_no_bundle_is_refused(bundle: bytes, problem: str, api: Api) -> None:
    answer = await api.upload("store", bundle)
    assert answer.status_code == 400
    assert problem in answer.json()["error"]["message"]


async def test_an_invalid_bundle_is_refused_naming_what_is_wrong(api: Api) -> None:
    api.problems += ["policies/JS-1.xml: the policy Javascript is not supported", "a target is missing"]
    error = (await api.upload("store", make_bundle("store"))).json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert "the policy Javascript is not supported; a target is missing" in error["message"]
    assert error["details"][0]["violations"][0]["filename"] == "policies/JS-1.xml"
    assert (await api.error("GET", f"{ORG}/apis/store"))["code"] == 404


async def test_a_bundle_that_became_invalid_is_not_deployed(api: Api) -> None:
    await api.upload("store", make_bundle("store"))
    api.problems.append("no longer supported")
    error = await api.error("POST", f"{DEPLOYED}/1/deployments")
    assert "no longer supported" in error["message"]
    assert (await api.error("GET", f"{DEPLOYED}/1/deployments"))["code"] == 404


async def test_a_deployment_is_ready_and_says_what_leads_to_it(api: Api) -> None:
    await api.upload("store", make_bundle("store", basepath="/store"))
    path = f"{DEPLOYED}/1/deployments"
    made = await api.ok("POST", f"{path}?override=true&sequencedRollout=true&serviceAccount=a@b.iam", {})
    assert (made["state"], made["revision"], made["apiProxy"]) == ("READY", "1", "store")
    (instance,) = made["instances"]
    assert instance["instance"] == "west"
    assert instance["deployedRoutes"] == [
        {"basepath": "/store", "envgroup": "public", "environment": "prod", "percentage": 100}
    ]
    assert await api.ok("GET", path) == made
    stored = api.store.get("apigee.deployments", "acme/prod/store")
    assert stored is not None
    assert stored["revision"] == "1"
    for listing in (f"{ORG}/deployments", f"{ENV}/deployments", f"{ORG}/apis/store/revisions/1/deployments"):
        assert (await api.ok("GET", listing))["deployments"] == [made]


async def test_one_revision_at_a_time_unless_it_is_overridden(api: Api) -> None:
    for _ in range(2):
        await api.upload("store", make_bundle("store"))
    await api.ok("POST", f"{DEPLOYED}/1/deployments")
    error = await api.error("POST", f"{DEPLOYED}/2/deployments")
    (violation,) = error["details"][0]["violations"]
    assert error["message"] == "deployment validations failed"
    assert violation["type"] == "CONFLICTING_DEPLOYMENT"
    assert violation["subject"] == f"{ORG}/apis/store/revisions/1"
    again = await api.error("POST", f"{DEPLOYED}/1/deployments?override=true")
    assert again["message"].endswith("/revisions/1 is already deployed")
    await api.ok("POST", f"{DEPLOYED}/2/deployments?override=true")
    # What a replacement does next: it deletes the old deployment, which is gone already.
    gone = await api.error("DELETE", f"{DEPLOYED}/1/deployments")
    assert gone["code"] == 404
    assert gone["message"] == f"generic::not_found: {ORG}/apis/store/revisions/1 is not deployed"
    assert (await api.ok("GET", f"{DEPLOYED}/2/deployments"))["revision"] == "2"


async def test_what_is_deployed_is_not_deleted(api: Api) -> None:
    for _ in range(2):
        await api.upload("store", make_bundle("store"))
    await api.ok("POST", f"{DEPLOYED}/1/deployments")
    for path in (f"{ORG}/apis/store", f"{ORG}/apis/store/revisions/1"):
        error = await api.error("DELETE", path)
        assert error["details"][0]["violations"][0]["subject"] == f"{DEPLOYED}/1"
    assert await api.ok("DELETE", f"{DEPLOYED}/1/deployments") == {}
    await api.ok("DELETE", f"{ORG}/apis/store")
    assert api.store.get_blob("apigee.bundles", "acme/apis/store/1") is None


async def test_a_change_report_changes_nothing(api: Api) -> None:
    await api.upload("store", make_bundle("store", basepath="/store"))
    await api.upload("rival", make_bundle("rival", basepath="/store"))
    await api.ok("POST", f"{ENV}/apis/rival/revisions/1/deployments")
    report = await api.ok("POST", f"{DEPLOYED}/1/deployments:generateDeployChangeReport")
    assert report["routingConflicts"][0]["conflictingDeployment"]["apiProxy"] == "rival"
    assert report["routingChanges"] == []
    undo = await api.ok("POST", f"{ENV}/apis/rival/revisions/1/deployments:generateUndeployChangeReport")
    assert undo["routingChanges"][0]["fromDeployment"]["basepath"] == "/store"
    await api.upload("rival", make_bundle("rival", basepath="/rival"))
    path = f"{ENV}/apis/rival/revisions/2/deployments:generateDeployChangeReport"
    refused = await api.ok("POST", path)
    assert refused["validationErrors"]["violations"][0]["type"] == "CONFLICTING_DEPLOYMENT"
    allowed = await api.ok("POST", f"{path}?override=true")
    assert "validationErrors" not in allowed
    assert allowed["routingChanges"][0]["toDeployment"]["basepath"] == "/rival"
    assert len((await api.ok("GET", f"{ORG}/deployments"))["deployments"]) == 1


# ---- products, developers, apps ----


async def test_a_product_is_echoed_and_replaced_whole(shop: Api) -> None:
    group = {
        "operationConfigType": "proxy",
        "operationConfigs": [{"apiSource": "store", "operations": [{"resource": "/a", "methods": ["GET"]}]}],
    }
    body = {"name": "p", "displayName": "P", "environments": ["prod"], "operationGroup": group}
    made = await shop.ok("POST", f"{ORG}/apiproducts", body)
    assert {name: made[name] for name in body} == body
    shop.clock.advance(1)
    changed = await shop.ok("PUT", f"{ORG}/apiproducts/p", {"name": "p", "displayName": "Q"})
    assert "operationGroup" not in changed
    assert changed["createdAt"] == made["createdAt"]
    assert int(changed["lastModifiedAt"]) == int(made["lastModifiedAt"]) + 1000
    listed = await shop.ok("GET", f"{ORG}/apiproducts")
    assert listed["apiProduct"] == [{"name": "orders"}, {"name": "secret"}, {"name": "p"}]
    await shop.ok("DELETE", f"{ORG}/apiproducts/p")


async def test_a_developer_is_found_by_address_and_by_id(shop: Api) -> None:
    found = await shop.ok("GET", f"{ORG}/developers/a@b.example")
    assert (found["organizatioName"], found["status"], found["apps"]) == ("acme", "active", ["web"])
    assert await shop.ok("GET", f"{ORG}/developers/{found['developerId']}") == found
    assert (await shop.send("POST", f"{ORG}/developers/a@b.example?action=inactive")).status_code == 204
    body = {"email": "a@b.example", "firstName": "A", "lastName": "C", "userName": "a"}
    changed = await shop.ok("PUT", f"{ORG}/developers/a@b.example", body)
    assert (changed["lastName"], changed["status"]) == ("C", "inactive")
    assert (await shop.ok("GET", f"{ORG}/developers"))["developer"] == [{"email": "a@b.example"}]


async def test_a_deleted_developer_takes_the_apps_along(shop: Api) -> None:
    await shop.ok("DELETE", f"{ORG}/developers/a@b.example")
    assert shop.store.items("apigee.apps") == []


async def test_an_app_gets_a_key_with_its_products(shop: Api) -> None:
    app = await shop.ok("GET", APP)
    (credential,) = app["credentials"]
    assert len(credential["consumerKey"]) == 48
    assert (credential["expiresAt"], credential["status"]) == ("-1", "approved")
    assert credential["apiProducts"] == [{"apiproduct": "orders", "status": "approved"}]
    body = {"name": "short", "keyExpiresIn": "86400000", "apiProducts": ["secret"]}
    other = await shop.ok("POST", f"{ORG}/developers/a@b.example/apps", body)
    assert other["credentials"][0]["expiresAt"] == "1780086400000"
    assert other["credentials"][0]["apiProducts"][0]["status"] == "pending"


async def test_a_key_of_ones_own_takes_the_place_of_the_generated_one(shop: Api) -> None:
    generated = (await shop.ok("GET", APP))["credentials"][0]["consumerKey"]
    key = await shop.ok("POST", f"{APP}/keys", {"consumerKey": "client_1-a", "consumerSecret": "s3cret"})
    assert (key["status"], key["apiProducts"], key["expiresAt"]) == ("approved", [], "-1")
    again = await shop.error("POST", f"{APP}/keys", {"consumerKey": "client_1-a", "consumerSecret": "s"})
    assert (again["code"], again["status"]) == (409, "ALREADY_EXISTS")
    await shop.ok("POST", f"{APP}/keys/client_1-a", {"apiProducts": ["orders"], "scopes": ["read"]})
    await shop.ok("DELETE", f"{APP}/keys/{generated}")
    (credential,) = (await shop.ok("GET", APP))["credentials"]
    assert credential["consumerKey"] == "client_1-a"
    assert credential["scopes"] == ["read"]
    stored = shop.store.get("apigee.apps", "acme/a@b.example/web")
    assert stored is not None
    assert stored["credentials"] == [credential]


async def test_products_are_added_to_and_taken_from_a_key(shop: Api) -> None:
    key = f"{APP}/keys/{(await shop.ok('GET', APP))['credentials'][0]['consumerKey']}"
    added = await shop.ok("POST", key, {"apiProducts": ["secret", "orders"]})
    assert [item["apiproduct"] for item in added["apiProducts"]] == ["orders", "secret"]
    assert (await shop.send("POST", f"{key}/apiproducts/secret?action=approve")).status_code == 204
    assert (await shop.ok("GET", key))["apiProducts"][1]["status"] == "approved"
    rest = await shop.ok("DELETE", f"{key}/apiproducts/orders")
    assert [item["apiproduct"] for item in rest["apiProducts"]] == ["secret"]
    assert (await shop.send("POST", f"{key}?action=revoke")).status_code == 204
    assert (await shop.ok("GET", key))["status"] == "revoked"


async def test_an_app_put_with_products_gets_another_key(shop: Api) -> None:
    before = await shop.ok("GET", APP)
    changed = await shop.ok("PUT", APP, {"name": "web", "callbackUrl": "https://a.example"})
    assert changed["credentials"] == before["credentials"]
    minted = await shop.ok("PUT", APP, {"name": "web", "apiProducts": ["secret"]})
    assert minted["credentials"][0] == before["credentials"][0]
    assert minted["credentials"][1]["apiProducts"][0]["apiproduct"] == "secret"
    assert "callbackUrl" not in minted


async def test_an_app_is_revoked_and_deleted(shop: Api) -> None:
    assert (await shop.send("POST", f"{APP}?action=revoke")).status_code == 204
    assert (await shop.ok("GET", APP))["status"] == "revoked"
    await shop.ok("DELETE", APP)
    assert (await shop.error("GET", APP))["code"] == 404
    await shop.ok("DELETE", f"{ORG}/apiproducts/orders")


async def test_what_changes_is_told_and_what_reads_is_not(api: Api) -> None:
    before = api.changes
    await api.ok("GET", ENV)
    assert api.changes == before
    await api.ok("POST", f"{ENV}/keyvaluemaps", {"name": "k"})
    assert api.changes == before + 1


async def test_the_alternative_for_keys_of_older_clients_works(shop: Api) -> None:
    key = await shop.ok("POST", f"{APP}/keys/create", {"consumerKey": "k", "consumerSecret": "s"}, headers=HEADERS)
    assert key["consumerKey"] == "k"

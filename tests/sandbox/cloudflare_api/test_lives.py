"""Each kind of thing from its creation to its end, as the official provider and wrangler go about it."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portcullis.sandbox.store import Store
from tests.sandbox.cloudflare_api.client import ACCOUNT, ES_MODULE, ZONE, Api, Edge, module, upload

LIVES = YAML(typ="safe").load(Path(__file__).parent / "lives.yaml")


@pytest.mark.parametrize("row", LIVES, ids=[row["title"] for row in LIVES])
async def test_what_is_made_is_read_back_changed_and_deleted(api: Api, row: dict[str, Any]) -> None:
    worker = await api.worker()
    await api.version(worker)
    made = await api.do(row.get("create", "POST"), row["path"], row["body"])
    assert _part(made, row["body"]) == row["body"]
    assert _part(made, row.get("answer", {})) == row.get("answer", {})
    one = f"{row['path']}/{made['id']}"
    assert await api.do("GET", one) == made
    assert made in await api.do("GET", row["path"])
    if "change" in row:
        api.clock.seconds += 60
        changed = await api.do("PUT", one, {**row["body"], **row["change"]})
        assert _part(changed, row["change"]) == row["change"]
        assert await api.do("GET", one) == changed
        assert {name: changed[name] for name in made if name.startswith("created")} == {
            name: made[name] for name in made if name.startswith("created")
        }
    assert (await api.do("DELETE", one)).get("id", made["id"]) == made["id"]
    assert (await api.refused("GET", one))[0] == 404
    assert (await api.refused("DELETE", one))[0] == 404


def _part(document: Any, pattern: dict[str, Any]) -> dict[str, Any]:
    return {name: document.get(name) for name in pattern}


# ---- versions and deployments


async def test_a_version_is_read_back_as_it_was_sent_without_its_secrets(api: Api) -> None:
    worker = await api.worker()
    namespace = (await api.do("POST", "A/storage/kv/namespaces", {"title": "kv"}))["id"]
    bindings = [
        {"name": "APIGEE_ORIGIN", "type": "plain_text", "text": "https://apigee.acme.example"},
        {"name": "KV", "type": "kv_namespace", "namespace_id": namespace},
        {"name": "RING", "type": "secret_text", "text": "the-private-ring"},
        {"name": "SETTINGS", "type": "json", "json": '{"a": 1}'},
    ]
    sent = upload(
        modules=[module("policy.json", "{}", "application/json"), module()],
        bindings=bindings,
        compatibility_date="2026-07-01",
        compatibility_flags=["global_fetch_strictly_public"],
        annotations={"workers/message": "contract 3f9c, ring 1"},
        usage_model="standard",
        limits={"cpu_ms": 50},
    )
    made = await api.do("POST", f"A/workers/workers/{worker}/versions", sent)
    assert made["bindings"] == [*bindings[:2], {"name": "RING", "type": "secret_text"}, bindings[3]]
    for name in ("main_module", "compatibility_date", "compatibility_flags", "usage_model", "limits"):
        assert made[name] == sent[name]
    assert made["annotations"]["workers/message"] == "contract 3f9c, ring 1"
    assert made["annotations"]["workers/triggered_by"]
    assert made["number"] == 1
    assert "modules" not in made
    one = f"A/workers/workers/{worker}/versions/{made['id']}"
    assert await api.do("GET", one) == made
    with_modules = await api.do("GET", f"{one}?include=modules")
    assert with_modules == {**made, "modules": sent["modules"]}
    answers = [
        await api.send("GET", path)
        for path in (
            f"{one}?include=modules",
            f"A/workers/workers/{worker}/versions",
            "A/workers/scripts/store/settings",
            "A/workers/scripts/store/secrets",
            "A/workers/scripts/store/versions",
            f"A/workers/scripts/store/versions/{made['id']}",
            "A/workers/services/store",
        )
    ]
    assert all(answer.status_code == 200 for answer in answers)
    assert "the-private-ring" not in "".join(answer.text for answer in answers)


async def test_a_migration_is_read_back_as_it_was_sent_and_applied_once(api: Api) -> None:
    """`migrations` is a member of what the API answers (cloudflare-go, workers/betaworkerversion.go, `Version`).

    The provider takes what is not in an answer for gone (terraform-provider-cloudflare, internal/apijson/decoder.go).
    """
    worker = await api.worker()
    migration = {"new_tag": "v1", "new_sqlite_classes": ["Guard"]}
    made = await api.do("POST", f"A/workers/workers/{worker}/versions", upload(migrations=migration))
    assert made["migrations"] == migration
    one = f"A/workers/workers/{worker}/versions/{made['id']}"
    assert (await api.do("GET", f"{one}?include=modules"))["migrations"] == migration
    await api.deploy("store", (made["id"], 100))
    await api.do("PUT", "A/workers/scripts/store/secrets", {"name": "KEY", "type": "secret_text", "text": "kept"})
    latest = await api.do("GET", f"A/workers/workers/{worker}/versions/latest")
    assert latest["migration_tag"] == "v1"
    assert "migrations" not in latest


async def test_settings_that_were_not_sent_are_not_in_the_answer(api: Api) -> None:
    worker = await api.worker()
    bare = await api.do("POST", f"A/workers/workers/{worker}/versions", upload())
    assert not {"bindings", "compatibility_flags", "limits", "placement"} & bare.keys()
    empty = await api.do("POST", f"A/workers/workers/{worker}/versions", upload(bindings=[], compatibility_flags=[]))
    assert (empty["bindings"], empty["compatibility_flags"]) == ([], [])
    assert empty["number"] == 2


async def test_the_edge_finds_what_it_runs_in_the_store(api: Api) -> None:
    worker = await api.worker()
    bindings = [{"name": "RING", "type": "secret_text", "text": "the-private-ring"}]
    version = await api.version(worker, bindings=bindings, compatibility_date="2026-07-01")
    deployment = await api.deploy("store", (version, 100))
    stored = api.store.get("cf.versions", f"{worker}/{version}")
    assert stored is not None
    assert stored["bindings"] == bindings
    assert stored["modules"] == [module()]
    assert (stored["main_module"], stored["compatibility_date"], stored["compatibility_flags"]) == (
        "index.js",
        "2026-07-01",
        [],
    )
    assert api.store.items("cf.deployments")[0][0] == f"{worker}/{deployment}"
    assert api.store.items("cf.deployments")[0][1]["versions"] == [{"version_id": version, "percentage": 100}]


async def test_a_binding_can_be_inherited_with_its_secret(api: Api) -> None:
    worker = await api.worker()
    await api.version(worker, bindings=[{"name": "OLD", "type": "secret_text", "text": "kept"}])
    version = await api.version(worker, bindings=[{"name": "NEW", "type": "inherit", "old_name": "OLD"}])
    stored = api.store.get("cf.versions", f"{worker}/{version}")
    assert stored is not None
    assert stored["bindings"] == [{"name": "NEW", "type": "secret_text", "text": "kept"}]


async def test_a_version_can_be_deployed_as_it_is_uploaded(api: Api) -> None:
    worker = await api.worker()
    made = await api.do("POST", f"A/workers/workers/{worker}/versions?deploy=true", upload())
    deployments = (await api.do("GET", "A/workers/scripts/store/deployments"))["deployments"]
    assert deployments[0]["versions"] == [{"version_id": made["id"], "percentage": 100}]


async def test_deployments_are_listed_newest_first_and_stay_readable(api: Api, edge: Edge) -> None:
    worker = await api.worker()
    versions = [await api.version(worker) for _ in range(2)]
    changes = edge.changes
    first = await api.deploy("store", (versions[0], 100))
    second = await api.deploy("store", (versions[0], 0.5), (versions[1], 99.5))
    assert edge.changes == changes + 2
    listed = (await api.do("GET", "A/workers/scripts/store/deployments"))["deployments"]
    assert [deployment["id"] for deployment in listed] == [second, first]
    assert await api.do("GET", f"A/workers/scripts/store/deployments/{first}") == listed[1]
    assert (await api.do("GET", f"A/workers/workers/{worker}"))["deployed_on"] == listed[0]["created_on"]


async def test_a_worker_is_found_by_its_name_too(api: Api) -> None:
    worker = await api.worker()
    assert (await api.do("GET", "A/workers/workers/store"))["id"] == worker


async def test_a_renamed_worker_keeps_its_routes_and_domains(api: Api) -> None:
    worker = await api.worker()
    route = (await api.do("POST", "Z/workers/routes", {"pattern": "api.acme.example/*", "script": "store"}))["id"]
    await api.do("PUT", "A/workers/domains", {"hostname": "api.acme.example", "service": "store"})
    await api.do("PUT", f"A/workers/workers/{worker}", {"name": "shop"})
    assert (await api.do("GET", f"Z/workers/routes/{route}"))["script"] == "shop"
    assert (await api.do("GET", "A/workers/domains"))[0]["service"] == "shop"


@pytest.mark.parametrize("path", ["A/workers/workers/{id}", "A/workers/scripts/store?force=true"])
async def test_a_deleted_worker_takes_all_it_had_with_it(api: Api, edge: Edge, path: str) -> None:
    other = await api.worker("other")
    await api.version(other)
    worker = await api.worker()
    await api.deploy("store", (await api.version(worker), 100))
    await api.do("PUT", "A/workers/scripts/store/schedules", [{"cron": "*/10 * * * *"}])
    await api.do("POST", "Z/workers/routes", {"pattern": "api.acme.example/*", "script": "store"})
    await api.do("PUT", "A/workers/domains", {"hostname": "api.acme.example", "service": "store"})
    changes = edge.changes
    await api.do("DELETE", path.replace("{id}", worker))
    assert edge.changes == changes + 1
    for name in ("deployments", "schedules", "routes", "domains"):
        assert api.store.items(f"cf.{name}") == []
    assert [key for key, _ in api.store.items("cf.workers")] == [other]
    assert all(key.startswith(other) for key, _ in api.store.items("cf.versions"))


# ---- scripts


def script(**metadata: Any) -> dict[str, Any]:
    """The form of `workers_script`: code first, then metadata."""
    code = "export default { async fetch() {}, scheduled() {} }"
    return {
        "index.js": ("index.js", code, ES_MODULE),
        "metadata": (None, json.dumps({"main_module": "index.js", **metadata}), "application/json"),
    }


async def test_a_script_is_a_worker_a_version_and_a_deployment(api: Api) -> None:
    bindings = [
        {"name": "S", "type": "secret_text", "text": "the-secret"},
        {"name": "P", "type": "plain_text", "text": "p"},
    ]
    made = await api.do("PUT", "A/workers/scripts/store", files=script(bindings=bindings, logpush=False))
    assert (made["id"], made["handlers"], made["has_modules"]) == ("store", ["fetch", "scheduled"], True)
    service = await api.do("GET", "A/workers/services/store")
    assert service["default_environment"]["environment"] == "production"
    assert service["default_environment"]["script"] == made
    settings = await api.do("GET", "A/workers/scripts/store/settings")
    assert settings["bindings"] == [{"name": "S", "type": "secret_text"}, bindings[1]]
    assert settings["usage_model"] == "standard"
    content = await api.send("GET", "A/workers/scripts/store/content/v2")
    assert content.headers["cf-entrypoint"] == "index.js"
    assert content.headers["content-type"].startswith("multipart/form-data")
    assert script()["index.js"][1] in content.text
    deployments = (await api.do("GET", "A/workers/scripts/store/deployments"))["deployments"]
    assert deployments[0]["versions"][0]["percentage"] == 100
    assert [worker["name"] for worker in await api.do("GET", "A/workers/workers")] == ["store"]


async def test_a_second_upload_is_a_second_version_of_the_same_worker(api: Api) -> None:
    first = await api.do("PUT", "A/workers/scripts/store", files=script())
    bindings = [{"name": "S", "type": "secret_text", "text": "kept"}]
    await api.do("PUT", "A/workers/scripts/store", files=script(bindings=bindings))
    third = await api.do("PUT", "A/workers/scripts/store", files=script(keep_bindings=["secret_text"]))
    assert (third["tag"], third["created_on"], third["etag"]) == (first["tag"], first["created_on"], first["etag"])
    versions = (await api.do("GET", "A/workers/scripts/store/versions"))["items"]
    assert [version["number"] for version in versions] == [3, 2, 1]
    assert [secret["name"] for secret in await api.do("GET", "A/workers/scripts/store/secrets")] == ["S"]


async def test_the_main_module_comes_first_in_the_content(api: Api) -> None:
    files = {"a.json": ("a.json", "{}", "application/json"), **script()}
    await api.do("PUT", "A/workers/scripts/store", files=files)
    content = (await api.send("GET", "A/workers/scripts/store/content/v2")).text
    assert content.index('name="index.js"') < content.index('name="a.json"')


async def test_a_version_uploaded_as_a_form_serves_nothing_yet(api: Api) -> None:
    await api.do("PUT", "A/workers/scripts/store", files=script())
    made = await api.do("POST", "A/workers/scripts/store/versions", files=script())
    deployments = (await api.do("GET", "A/workers/scripts/store/deployments"))["deployments"]
    assert len(deployments) == 1
    assert deployments[0]["versions"][0]["version_id"] != made["id"]


async def test_a_secret_is_not_edited_while_another_version_serves(api: Api) -> None:
    await api.do("PUT", "A/workers/scripts/store", files=script())
    secret = {"name": "S", "type": "secret_text", "text": "first"}
    await api.do("PUT", "A/workers/scripts/store/secrets", secret)
    await api.do("POST", "A/workers/scripts/store/versions", files=script())
    refused = await api.refused("PUT", "A/workers/scripts/store/secrets", secret)
    assert refused[:2] == (400, 10214)


async def test_a_secret_that_is_edited_makes_a_version_that_serves(api: Api) -> None:
    await api.do("PUT", "A/workers/scripts/store", files=script())
    for text in ("first", "second"):
        await api.do("PUT", "A/workers/scripts/store/secrets", {"name": "S", "type": "secret_text", "text": text})
    latest = api.store.items("cf.versions")[-1][1]
    assert latest["bindings"] == [{"name": "S", "type": "secret_text", "text": "second"}]
    deployments = (await api.do("GET", "A/workers/scripts/store/deployments"))["deployments"]
    assert deployments[0]["versions"][0]["version_id"] == latest["id"]
    await api.do("DELETE", "A/workers/scripts/store/secrets/S")
    assert await api.do("GET", "A/workers/scripts/store/secrets") == []


async def test_schedules_that_stay_keep_the_time_they_were_made(api: Api, edge: Edge) -> None:
    worker = await api.worker()
    path = "A/workers/scripts/store/schedules"
    first = await api.do("PUT", path, [{"cron": "*/10 * * * *"}])
    api.clock.seconds += 60
    second = await api.do("PUT", path, [{"cron": "*/10 * * * *"}, {"cron": "0 3 * * SUN"}])
    assert second["schedules"][0] == first["schedules"][0]
    assert second["schedules"][1]["created_on"] > first["schedules"][0]["created_on"]
    assert await api.do("GET", path) == second
    assert [item["cron"] for item in (api.store.get("cf.schedules", worker) or {})["schedules"]] == [
        "*/10 * * * *",
        "0 3 * * SUN",
    ]
    assert await api.do("PUT", path, []) == {"schedules": []}
    assert api.store.items("cf.schedules") == []
    assert edge.changes == 3


async def test_a_subdomain_is_one_whichever_way_it_is_set(api: Api) -> None:
    worker = await api.worker()
    path = "A/workers/scripts/store/subdomain"
    assert await api.do("POST", path, {"enabled": True}) == {"enabled": True, "previews_enabled": True}
    assert (await api.do("GET", f"A/workers/workers/{worker}"))["subdomain"]["enabled"] is True
    assert await api.do("DELETE", path) == {"enabled": False, "previews_enabled": False}
    assert await api.do("GET", path) == {"enabled": False, "previews_enabled": False}


async def test_script_settings_are_the_workers(api: Api) -> None:
    worker = await api.worker()
    path = "A/workers/scripts/store/script-settings"
    await api.do("PATCH", path, {"logpush": True, "tail_consumers": [{"service": "tail"}]})
    found = await api.do("GET", f"A/workers/workers/{worker}")
    assert (found["logpush"], found["tail_consumers"]) == (True, [{"name": "tail"}])
    assert (await api.do("GET", path))["tail_consumers"] == [{"service": "tail"}]


# ---- KV


async def test_a_key_is_one_segment_of_the_path_whatever_is_in_it(api: Api) -> None:
    namespace = f"A/storage/kv/namespaces/{(await api.do('POST', 'A/storage/kv/namespaces', {'title': 'kv'}))['id']}"
    for key, escaped in (("a/b", "a%2Fb"), ("a:b", "a%3Ab"), ("a%2Fb", "a%252Fb"), ("é ü", "%C3%A9%20%C3%BC")):
        await api.do("PUT", f"{namespace}/values/{escaped}", content=key.encode())
        assert (await api.send("GET", f"{namespace}/values/{escaped}")).content == key.encode()
    assert [item["name"] for item in await api.do("GET", f"{namespace}/keys")] == ["a%2Fb", "a/b", "a:b", "é ü"]


async def test_a_value_is_bytes_with_metadata(api: Api) -> None:
    namespace_id = (await api.do("POST", "A/storage/kv/namespaces", {"title": "kv"}))["id"]
    namespace = f"A/storage/kv/namespaces/{namespace_id}"
    value = b"\x00\xff\r\n--boundary\r\n"
    files = {"value": (None, value), "metadata": (None, '{"a": [1]}')}
    await api.do("PUT", f"{namespace}/values/k", files=files)
    assert (await api.send("GET", f"{namespace}/values/k")).content == value
    assert await api.do("GET", f"{namespace}/metadata/k") == {"a": [1]}
    assert api.store.get_blob("cf.kv", f"{namespace_id}/k") == value
    assert api.store.get("cf.kv_meta", f"{namespace_id}/k") == {"expiration": None, "metadata": {"a": [1]}}
    await api.do("PUT", f"{namespace}/values/k", content=b"plain")
    assert await api.do("GET", f"{namespace}/metadata/k") is None
    await api.do("DELETE", f"{namespace}/values/k")
    await api.do("DELETE", f"{namespace}/values/k")
    assert (await api.refused("GET", f"{namespace}/values/k"))[0] == 404


async def test_a_value_ends_when_its_time_has_come(api: Api) -> None:
    namespace = f"A/storage/kv/namespaces/{(await api.do('POST', 'A/storage/kv/namespaces', {'title': 'kv'}))['id']}"
    await api.do("PUT", f"{namespace}/values/k?expiration_ttl=60", content=b"v")
    api.clock.seconds += 59
    answer = await api.send("GET", f"{namespace}/values/k")
    assert (answer.content, answer.headers["expiration"]) == (b"v", str(int(api.clock.seconds) + 1))
    api.clock.seconds += 1
    assert (await api.refused("GET", f"{namespace}/values/k"))[:2] == (404, 10009)
    assert await api.do("GET", f"{namespace}/keys") == []


async def test_keys_are_listed_in_pages_by_prefix(api: Api) -> None:
    namespace = f"A/storage/kv/namespaces/{(await api.do('POST', 'A/storage/kv/namespaces', {'title': 'kv'}))['id']}"
    pairs = [{"key": f"jwk.{n:02}", "value": "v"} for n in range(15)] + [{"key": "other", "value": "v"}]
    await api.do("PUT", f"{namespace}/bulk", pairs)
    first = (await api.send("GET", f"{namespace}/keys?prefix=jwk.&limit=10")).json()
    assert [item["name"] for item in first["result"]] == [f"jwk.{n:02}" for n in range(10)]
    cursor = first["result_info"]["cursor"]
    second = (await api.send("GET", f"{namespace}/keys?prefix=jwk.&limit=10&cursor={cursor}")).json()
    assert [item["name"] for item in second["result"]] == [f"jwk.{n:02}" for n in range(10, 15)]
    assert second["result_info"]["cursor"] == ""


async def test_values_go_in_and_out_in_bulk(api: Api) -> None:
    namespace = f"A/storage/kv/namespaces/{(await api.do('POST', 'A/storage/kv/namespaces', {'title': 'kv'}))['id']}"
    pairs = [
        {"key": "a", "value": "YQ==", "base64": True, "metadata": {"n": 1}, "expiration_ttl": 120},
        {"key": "b", "value": "b"},
    ]
    await api.do("PUT", f"{namespace}/bulk", pairs)
    assert (await api.send("GET", f"{namespace}/values/a")).content == b"a"
    assert (await api.do("GET", f"{namespace}/keys"))[0]["metadata"] == {"n": 1}
    await api.do("POST", f"{namespace}/bulk/delete", ["a", "b", "none"])
    assert await api.do("GET", f"{namespace}/keys") == []


async def test_a_deleted_namespace_leaves_no_value(api: Api) -> None:
    namespace_id = (await api.do("POST", "A/storage/kv/namespaces", {"title": "kv"}))["id"]
    await api.do("PUT", f"A/storage/kv/namespaces/{namespace_id}/values/k", content=b"v")
    await api.do("DELETE", f"A/storage/kv/namespaces/{namespace_id}")
    assert api.store.items("cf.kv_meta") == []
    assert api.store.get_blob("cf.kv", f"{namespace_id}/k") is None


# ---- the way in


async def test_a_hostname_has_one_custom_domain(api: Api) -> None:
    await api.worker()
    await api.worker("other")
    body = {"hostname": "api.acme.example", "service": "store", "zone_id": ZONE}
    first = await api.do("PUT", "A/workers/domains", body)
    second = await api.do("PUT", "A/workers/domains", {**body, "service": "other"})
    assert (second["id"], second["service"]) == (first["id"], "other")
    assert await api.do("GET", "A/workers/domains?hostname=api.acme.example") == [second]
    assert await api.do("GET", "A/workers/domains?service=store") == []


async def test_a_zone_is_found_by_its_name_and_stays_the_same(api: Api) -> None:
    (zone,) = await api.do("GET", f"zones?name=acme.example&account.id={ACCOUNT}")
    assert (zone["name"], zone["status"], zone["account"]["id"]) == ("acme.example", "active", ACCOUNT)
    assert (await api.do("GET", "zones?name=acme.example"))[0]["id"] == zone["id"]
    assert (await api.do("GET", f"zones/{zone['id']}"))["name"] == "acme.example"
    record = {"type": "CNAME", "name": "www", "content": "acme.example"}
    assert (await api.do("POST", f"zones/{zone['id']}/dns_records", record))["name"] == "www.acme.example"
    apex = {"type": "A", "name": "@", "content": "192.0.2.1"}
    assert (await api.do("POST", f"zones/{zone['id']}/dns_records", apex))["name"] == "acme.example"


async def test_any_zone_and_account_exists(api: Api) -> None:
    assert (await api.do("GET", f"zones/{ZONE}"))["id"] == ZONE
    assert (await api.do("GET", f"accounts/{ACCOUNT}"))["id"] == ACCOUNT
    (account,) = await api.do("GET", "accounts?name=acme")
    assert account["name"] == "acme"


async def test_a_proxied_record_has_cloudflares_ttl(api: Api) -> None:
    body = {"type": "A", "name": "a.acme.example", "content": "192.0.2.1", "proxied": True, "ttl": 300}
    assert (await api.do("POST", "Z/dns_records", body))["ttl"] == 1


async def test_a_comment_keeps_its_date_until_it_changes(api: Api) -> None:
    body = {"type": "A", "name": "a.acme.example", "content": "192.0.2.1", "comment": "one"}
    made = await api.do("POST", "Z/dns_records", body)
    api.clock.seconds += 60
    same = await api.do("PATCH", f"Z/dns_records/{made['id']}", {"content": "192.0.2.2"})
    assert (same["comment_modified_on"], same["modified_on"] > made["modified_on"]) == (
        made["comment_modified_on"],
        True,
    )
    other = await api.do("PATCH", f"Z/dns_records/{made['id']}", {"comment": "two"})
    assert other["comment_modified_on"] > made["comment_modified_on"]


async def test_a_restarted_api_answers_as_before(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.sqlite"
    first = Api(Store(path))
    worker = await first.worker()
    version = await first.version(worker, bindings=[{"name": "S", "type": "secret_text", "text": "s"}])
    deployment = await first.deploy("store", (version, 100))
    await first.do("PUT", "A/workers/scripts/store/schedules", [{"cron": "* * * * *"}])
    record = await first.do("POST", "Z/dns_records", {"type": "A", "name": "a.acme.example", "content": "192.0.2.1"})
    paths = (
        f"A/workers/workers/{worker}",
        f"A/workers/workers/{worker}/versions/{version}?include=modules",
        f"A/workers/scripts/store/deployments/{deployment}",
        "A/workers/scripts/store/schedules",
        f"Z/dns_records/{record['id']}",
    )
    before = [await first.do("GET", path) for path in paths]
    first.store.close()
    second = Api(Store(path))
    second.clock.seconds += 3600
    assert [await second.do("GET", path) for path in paths] == before
    assert (await second.do("POST", f"A/workers/workers/{worker}/versions", upload()))["number"] == 2

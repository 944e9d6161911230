"""What a Worker version is made of, and what makes another one of it."""

import json
from typing import Any

import grpc
import pytest

from tests.providers.cloudflare.world import ACCOUNT, SECRET_SIGNATURE, World

VERSION = "cloudflare:index/workerVersion:WorkerVersion"
ES_MODULE = "application/javascript+module"


def version(world: World, **changes: Any) -> dict[str, Any]:
    policy = world.folder / "policy.json"
    if not policy.exists():
        policy.write_text('{"contract": "3f9c"}', encoding="utf-8")
    return {
        "accountId": ACCOUNT,
        "workerId": world.names["worker"],
        "mainModule": "index.js",
        "modules": [
            {"name": "index.js", "contentType": ES_MODULE, "contentFile": world.names["index"]},
            {"name": "policy.json", "contentType": "application/json", "contentFile": str(policy)},
        ],
        "bindings": [{"name": "RING", "type": "secret_text", "text": "the-private-ring"}],
        **changes,
    }


def stored(world: World, version_id: str) -> Any:
    path = f"accounts/{ACCOUNT}/workers/workers/{world.names['worker']}/versions/{version_id}?include=modules"
    return world.api("GET", path)


def test_other_bytes_in_a_module_replace_the_version(world: World) -> None:
    resource = world.resource(VERSION)
    resource.up(version(world))
    first = resource.id
    world.write("policy.json", '{"contract": "ffff"}')
    assert resource.up(version(world)) == "replace"
    assert resource.id != first
    assert resource.up(version(world)) == "same"
    # The first one is kept, to be rolled back to.
    assert stored(world, first)["id"] == first


def test_other_bytes_in_another_file_replace_the_version_too(world: World) -> None:
    resource = world.resource(VERSION)
    resource.up(version(world))
    first = resource.id
    changed = world.write("index-2.js", "export default { fetch: () => new Response('another') };")
    modules = [dict(module) for module in version(world)["modules"]]
    for module in modules:
        if module["name"] == "index.js":
            module["contentFile"] = str(changed)
    assert resource.up(version(world, modules=modules)) == "replace"
    assert resource.id != first


def test_a_file_that_is_written_anew_with_the_same_bytes_changes_nothing(world: World) -> None:
    resource = world.resource(VERSION)
    resource.up(version(world))
    world.write("policy.json", (world.folder / "policy.json").read_text(encoding="utf-8"))
    assert resource.up(version(world)) == "same"


def test_the_same_bytes_in_another_file_change_the_state_alone(world: World) -> None:
    resource = world.resource(VERSION)
    resource.up(version(world))
    made = resource.id
    copy = world.write("copy.js", (world.folder / "index.js").read_text(encoding="utf-8"))
    modules = version(world)["modules"]
    modules[0]["contentFile"] = str(copy)
    assert resource.up(version(world, modules=modules)) == "update"
    assert resource.id == made
    assert resource.up(version(world, modules=modules)) == "same"


def test_the_order_of_modules_is_no_difference(world: World) -> None:
    resource = world.resource(VERSION)
    resource.up(version(world))
    assert resource.up(version(world, modules=list(reversed(version(world)["modules"])))) == "same"


def test_a_module_can_be_given_as_base64(world: World) -> None:
    resource = world.resource(VERSION)
    modules = [{"name": "index.js", "contentType": ES_MODULE, "contentBase64": "Ly8gb25l"}]
    resource.up(version(world, modules=modules))
    assert resource.refresh() == "same"
    assert resource.up(version(world, modules=modules)) == "same"
    modules[0]["contentBase64"] = "Ly8gdHdv"
    assert resource.up(version(world, modules=modules)) == "replace"
    assert stored(world, resource.id)["modules"][0]["content_base64"] == "Ly8gdHdv"


def test_the_state_has_no_code_and_its_texts_are_secret(world: World) -> None:
    resource = world.resource(VERSION)
    resource.up(version(world))
    resource.refresh()
    assert all("contentBase64" not in module for module in resource.state["modules"])
    for side in (resource.state, resource.inputs):
        assert side["bindings"][0]["text"] == {
            "4dabf18193072939515e22adb298388d": SECRET_SIGNATURE,
            "value": "the-private-ring",
        }


def test_another_secret_replaces_the_version(world: World) -> None:
    resource = world.resource(VERSION)
    resource.up(version(world))
    rotated = [{"name": "RING", "type": "secret_text", "text": "the-next-ring"}]
    assert resource.up(version(world, bindings=rotated)) == "replace"


def test_bindings_are_sent_in_order_of_their_names_and_kept_in_the_programs(world: World) -> None:
    resource = world.resource(VERSION)
    bindings = [{"name": name, "type": "plain_text", "text": name} for name in ("C", "A", "B")]
    resource.up(version(world, bindings=bindings))
    assert [binding["name"] for binding in stored(world, resource.id)["bindings"]] == ["A", "B", "C"]
    assert [binding["name"] for binding in resource.state["bindings"]] == ["C", "A", "B"]
    assert resource.refresh() == "same"
    assert resource.up(version(world, bindings=bindings)) == "same"


def test_a_hash_in_the_program_is_refused_as_the_official_provider_does(world: World) -> None:
    modules = version(world)["modules"]
    modules[0]["contentSha256"] = "0" * 64
    with pytest.raises(AssertionError, match=r"modules\[0\]\.contentSha256"):
        world.resource(VERSION).up(version(world, modules=modules))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ({"contentFile": "no-such-file.js"}, "cannot read no-such-file.js"),
        ({}, "either contentFile or contentBase64"),
        ({"contentFile": "index.js", "contentBase64": "Ly8="}, "either contentFile or contentBase64"),
        ({"contentBase64": "?"}, "is not base64"),
    ],
)
def test_a_module_without_readable_content_is_refused(world: World, module: dict[str, str], words: str) -> None:
    modules = [{"name": "index.js", "contentType": ES_MODULE, **module}]
    with pytest.raises(grpc.RpcError, match=words):
        world.resource(VERSION).up(version(world, modules=modules))


def test_a_refusal_names_the_binding_and_no_secret(world: World) -> None:
    bindings = [
        {"name": "DB", "type": "d1"},
        {"name": "RING", "type": "secret_text", "text": "the-private-ring"},
    ]
    with pytest.raises(grpc.RpcError) as refused:
        world.resource(VERSION).up(version(world, bindings=bindings))
    assert "DB" in str(refused.value)
    assert "10021" in str(refused.value)
    assert "the-private-ring" not in str(refused.value)


def test_a_version_whose_worker_is_gone_is_gone(world: World) -> None:
    resource = world.resource(VERSION)
    resource.up(version(world))
    world.api("DELETE", f"accounts/{ACCOUNT}/workers/workers/{world.names['worker']}")
    assert resource.refresh() == "gone"


def test_a_worker_tells_of_its_deployment_and_domain_without_a_difference(world: World) -> None:
    worker = world.resource("cloudflare:index/worker:Worker")
    worker.up({"accountId": ACCOUNT, "name": "acme-store"})
    made = world.resource(VERSION)
    made.up(version(world, workerId=worker.id))
    world.resource("cloudflare:index/workersDeployment:WorkersDeployment").up(
        {
            "accountId": ACCOUNT,
            "scriptName": "acme-store",
            "strategy": "percentage",
            "versions": [{"versionId": made.id, "percentage": 100}],
        }
    )
    domain = {"accountId": ACCOUNT, "hostname": "api.acme.example", "service": "acme-store"}
    world.resource("cloudflare:index/workersCustomDomain:WorkersCustomDomain").up(domain)
    assert worker.refresh() == "same"
    assert worker.state["deployedOn"]
    assert [found["hostname"] for found in worker.state["references"]["domains"]] == ["api.acme.example"]
    assert "the-private-ring" not in json.dumps(worker.state)

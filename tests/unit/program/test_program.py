"""The whole program under mocks: what it would register, for each stack, with which secrets."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from portcullis import contract
from tests.unit.program.recording import PROJECT, Recorder, StackConfig, run_program, stack_config

SNAPSHOTS = Path(__file__).parent / "snapshots"
STACKS = ("local", "dev", "prod")

_CHANGING = (
    # Keys are drawn anew in each run; a build's digest changes with every source. Either may begin or end with a
    # character at which there is no word boundary.
    (re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"), "<base64url of 256 bits>"),
    (re.compile(r"(index|policy|apiproxy)-[0-9a-f]{12}\b"), r"\1-<digest>"),
    (re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{22}=="), "<md5>"),
    (re.compile(r"\bcontract [0-9a-f]{12}\b"), "contract <hash>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
)


@pytest.fixture(scope="module", params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("stack_name", STACKS)
def test_the_program_registers_what_its_snapshot_says(stack_name: str, update_snapshots: bool) -> None:
    text = json.dumps(_described(run_program(stack_name)), indent=1, sort_keys=True) + "\n"
    path = SNAPSHOTS / f"{stack_name}.json"
    if update_snapshots:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert json.loads(text) == json.loads(path.read_text(encoding="utf-8")), (
        "the graph differs from the snapshot: read the difference, then run pytest --update-snapshots"
    )


@pytest.mark.parametrize("key", ["-" + 42 * "a", 42 * "a" + "-", "_" + 41 * "-" + "_"])
def test_a_snapshot_holds_no_key_whatever_the_key_begins_or_ends_with(key: str) -> None:
    assert _stable(f'{{"kid": "{key}", "name": "jwk.{key}"}}').count("<base64url of 256 bits>") == 2


@pytest.mark.parametrize("digest", ["+" + 21 * "a" + "==", "/" + 21 * "a" + "=="])
def test_a_snapshot_holds_no_digest_whatever_the_digest_begins_with(digest: str) -> None:
    assert _stable(f'{{"detectMd5hash": "{digest}"}}') == '{"detectMd5hash": "<md5>"}'


@pytest.mark.parametrize("stack_name", ["dev", "prod"])
def test_a_preview_of_a_real_stack_names_nothing_of_the_sandbox(stack_name: str) -> None:
    recorder = run_program(stack_name, preview=True)
    text = json.dumps(_described(recorder)) + json.dumps(stack_config(stack_name).values)
    found = [word for word in ("127.0.0.1", "localhost", "sandbox", "18787", "18788") if word in text]
    assert not found
    assert len(recorder.registered) > 30


@pytest.mark.parametrize("stack_name", STACKS)
def test_a_preview_shows_every_resource_that_an_update_makes(stack_name: str) -> None:
    previewed, updated = run_program(stack_name, preview=True), run_program(stack_name)
    assert set(previewed.registered) == set(updated.registered)


def test_every_child_has_a_component_as_its_parent() -> None:
    recorder = run_program("local")
    custom = [resource for resource in recorder.registered.values() if resource.custom]
    assert custom
    assert all("portcullis:index:" in resource.parent.split("::")[2] for resource in custom)


def test_secrets_reach_the_engine_as_secrets() -> None:
    recorder = run_program("local")
    version = recorder.of_type("cloudflare:index/workerVersion:WorkerVersion")[0]
    assert {b["name"]: b.get("text") for b in version.inputs["bindings"] if b["type"] == "secret_text"} == {
        "AUDIT_SALT": "[secret]",
        "INTROSPECTION_SECRETS": "[secret]",
        "RING": "[secret]",
    }
    apps = recorder.of_type("gcp:apigee/developerApp:DeveloperApp")
    assert len(apps) == 2
    assert all(app.inputs["consumerSecret"] == "[secret]" for app in apps)
    keys = recorder.of_type("pulumi-python:dynamic/ring:SigningKey")
    assert all(key.secret_outputs == {"private_jwk"} for key in keys)


def test_nothing_that_is_registered_in_the_clear_holds_a_private_key() -> None:
    recorder = run_program("local")
    assert '"d"' not in json.dumps(_described(recorder)).replace("\\", "")


def test_the_worker_waits_for_the_public_keys_and_the_deployment() -> None:
    recorder = run_program("local")
    version = recorder.of_type("cloudflare:index/workerVersion:WorkerVersion")[0]
    needed = [
        urn
        for urn, resource in recorder.registered.items()
        if resource.type
        in (
            "gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries",
            "gcp:apigee/environmentApiRevisionDeployment:EnvironmentApiRevisionDeployment",
        )
    ]
    assert len(needed) == 3
    assert set(needed) <= version.depends_on


def test_the_worker_waits_until_the_deployed_revision_serves() -> None:
    recorder = run_program("local")
    version = recorder.of_type("cloudflare:index/workerVersion:WorkerVersion")[0]
    (ready,) = (
        urn for urn, resource in recorder.registered.items() if resource.type.endswith("dynamic/apigee:ReadyRevision")
    )
    assert ready in version.depends_on
    assert any("EnvironmentApiRevisionDeployment" in urn for urn in recorder.registered[ready].depends_on)
    inputs = {name: value for name, value in recorder.registered[ready].inputs.items() if name != "__provider"}
    assert inputs == {
        "organization": "gateway-apigee-organization-id",
        "environment": "local",
        "proxy": "acme-store",
        "revision": 1,
    }


def test_production_protects_what_holds_data_and_the_sandbox_does_not() -> None:
    protected = {resource.type for resource in run_program("prod").registered.values() if resource.protect}
    assert {
        "gcp:apigee/environment:Environment",
        "cloudflare:index/workersKvNamespace:WorkersKvNamespace",
        "pulumi-python:dynamic/ring:RingGeneration",
    } <= protected
    assert not any(resource.protect for resource in run_program("local").registered.values())


def test_an_adopted_organization_is_not_registered() -> None:
    assert not run_program("dev").of_type("gcp:apigee/organization:Organization")
    assert run_program("local").of_type("gcp:apigee/organization:Organization")


def test_a_changed_quota_changes_its_product_and_the_policy_table_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _inputs(run_program("local"))
    overlay = tmp_path / "gateway.local.yaml"
    overlay.write_text("products: {orders: {quota: {requests: 121}}}\n", encoding="utf-8")
    changed_contract = contract.load(PROJECT / "gateway.yaml", overlay)
    monkeypatch.setattr(contract, "load", lambda *_: changed_contract)
    after = _inputs(run_program("local"))
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {"gateway-apigee-product-orders", "gateway-edge-version"}


BAD_SETTINGS = [
    ("gatewayHostname", None, "portcullis:gatewayHostname is missing"),
    ("gatewayHostname", "https://api.acme.com/", "portcullis:gatewayHostname is 'https://api.acme.com/'"),
    ("cloudflareZoneId", "acme.com", "portcullis:cloudflareZoneId is 'acme.com'"),
    ("apigeeEnvironment", "Prod!", "portcullis:apigeeEnvironment is 'Prod!'"),
    ("rotationPeriod", "daily", "a whole number of s|m|h|d"),
    ("edgeRoute", "dns", "one of domain, route"),
    ("rotation", "sometimes", "one of auto, paused"),
    ("revoke", "current", "a whole number"),
]


@pytest.mark.parametrize(("key", "value", "message"), BAD_SETTINGS)
def test_a_bad_setting_is_refused_by_name_with_an_example(key: str, value: str | None, message: str) -> None:
    config = stack_config("dev")
    config.values.pop(f"portcullis:{key}", None)
    if value is not None:
        config.values[f"portcullis:{key}"] = value
    with pytest.raises(Exception, match=re.escape(message)) as refused:
        run_program("dev", config)
    assert f"pulumi config set portcullis:{key}" in str(refused.value)


def test_every_missing_setting_is_told_at_once() -> None:
    with pytest.raises(Exception, match="not complete") as refused:
        run_program("dev", StackConfig())
    for key in ("gatewayHostname", "cloudflareAccountId", "cloudflareZoneId", "apigeeOrganization", "apigeeHostname"):
        assert f"portcullis:{key} is missing" in str(refused.value)


def _described(recorder: Recorder) -> dict[str, Any]:
    resources = {
        urn: {
            "inputs": resource.inputs,
            "secretInputs": sorted(resource.secret_inputs),
            "secretOutputs": sorted(resource.secret_outputs),
            "protect": resource.protect,
            "dependsOn": sorted(resource.depends_on),
        }
        for urn, resource in sorted(recorder.registered.items())
    }
    document = {"resources": resources, "outputs": recorder.outputs, "secret": sorted(recorder.secret_stack_outputs)}
    return json.loads(_stable(json.dumps(document)))


def _stable(text: str) -> str:
    for pattern, mark in _CHANGING:
        text = pattern.sub(mark, text)
    return text


def _inputs(recorder: Recorder) -> dict[str, Any]:
    """Return the inputs by name, with what differs in every run (keys, secrets) out of the way."""
    return {
        resource.name: re.sub(_CHANGING[0][0], "", json.dumps(resource.inputs, sort_keys=True))
        for resource in recorder.registered.values()
        if resource.custom and not resource.type.startswith("pulumi-python:")
    }


@pytest.mark.parametrize("secrets", ['{"workforce": 1}', '{"workforce": []}', '{"workforce": ["a", "b", "c"]}', "[]"])
def test_introspection_secrets_of_another_shape_are_refused_without_being_shown(secrets: str) -> None:
    config = stack_config("dev")
    config.values["portcullis:introspectionSecrets"] = secrets
    config.secrets.append("portcullis:introspectionSecrets")
    with pytest.raises(
        Exception, match="introspectionSecrets must be an object of texts, or of lists of two"
    ) as refused:
        run_program("dev", config)
    assert secrets not in str(refused.value)


def test_two_introspection_secrets_of_an_issuer_reach_the_worker_as_one_secret() -> None:
    config = stack_config("dev")
    config.values["portcullis:introspectionSecrets"] = '{"workforce": ["new", "old"]}'
    config.secrets.append("portcullis:introspectionSecrets")
    version = run_program("dev", config).of_type("cloudflare:index/workerVersion:WorkerVersion")[0]
    assert {"name": "INTROSPECTION_SECRETS", "type": "secret_text", "text": "[secret]"} in version.inputs["bindings"]

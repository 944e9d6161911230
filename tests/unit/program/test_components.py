"""Each component alone, under mocks: what it makes of its arguments."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest

from components.apigee import ApigeeGateway, ApigeeGatewayArgs
from components.edge import EdgeBuildError, EdgeGateway, EdgeGatewayArgs
from components.signing_key_ring import SigningKeyRing, SigningKeyRingArgs
from portcullis.contract import AiHint, SenderConstraint, load
from portcullis.ring import Settings
from tests.unit.program.recording import PROJECT, Recorder, record

CONTRACT = load(PROJECT / "gateway.yaml")
RING: SigningKeyRingArgs = {
    "settings": Settings(period_seconds=86_400, token_life_seconds=60, leeway_seconds=10, key_cache_seconds=300),
    "algorithm": "ES256",
}


def test_a_new_ring_publishes_current_and_next_and_signs_with_current() -> None:
    found: list[Any] = []

    def program() -> None:
        ring = SigningKeyRing("ring", RING)
        pulumi.Output.all(ring.current_kid, ring.jwks, pulumi.Output.unsecret(ring.worker_ring)).apply(found.extend)

    recorder = record(program)
    current, jwks, worker_ring = found[0], json.loads(found[1]), json.loads(found[2])
    assert jwks["keys"][0]["kid"] == current
    assert len(jwks["keys"]) == 2
    assert worker_ring["signing"]["kid"] == current
    assert worker_ring["keys"] == jwks["keys"]
    assert not any("d" in key for key in jwks["keys"])
    assert len(recorder.of_type("pulumi-python:dynamic/ring:SigningKey")) == 2


def test_the_workers_ring_is_a_secret() -> None:
    secrecy: list[bool] = []

    def program() -> None:
        ring = SigningKeyRing("ring", RING)

        async def ask() -> bool:
            secrecy.append(await ring.worker_ring.is_secret())
            return True

        pulumi.export("asked", pulumi.Output.from_input(ask()))

    record(program)
    assert secrecy
    assert all(secrecy)


def _apigee(**changes: Any) -> Recorder:
    def program() -> None:
        args: dict[str, Any] = {
            "contract": CONTRACT,
            "organization": "acme",
            "instance": "eu",
            "environment": "test",
            "hostname": "apigee.acme.example",
            "internal_issuer": "https://api.acme.example",
            "internal_audience": "https://apigee.acme.example/acme-store",
            "published_keys": SigningKeyRing("ring", RING).published_keys,
            "protect": False,
            "source": PROJECT / "apigee_bundle",
            "build": changes.pop("build"),
            **changes,
        }
        ApigeeGateway("apigee", cast("ApigeeGatewayArgs", args))

    return record(program)


def test_apigee_trusts_each_published_key_by_an_entry_of_its_own(tmp_path: Path) -> None:
    recorder = _apigee(build=tmp_path)
    entries = recorder.of_type("gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries")
    assert len(entries) == 2
    for entry in entries:
        [key] = json.loads(entry.inputs["value"])["keys"]
        assert entry.inputs["name"] == f"jwk.{key['kid']}"
        assert "d" not in key


def test_each_consumer_is_an_app_with_its_client_id_as_key_and_a_secret(tmp_path: Path) -> None:
    recorder = _apigee(build=tmp_path)
    apps = {app.inputs["name"]: app.inputs for app in recorder.of_type("gcp:apigee/developerApp:DeveloperApp")}
    assert set(apps) == set(CONTRACT.consumers)
    for name, consumer in CONTRACT.consumers.items():
        assert apps[name]["consumerKey"] == consumer.consumer_key
        assert apps[name]["apiProducts"] == list(consumer.products)
        assert apps[name]["consumerSecret"] == "[secret]"


def test_each_product_carries_its_quota_and_operations(tmp_path: Path) -> None:
    recorder = _apigee(build=tmp_path)
    products = {p.inputs["name"]: p.inputs for p in recorder.of_type("gcp:apigee/apiProduct:ApiProduct")}
    orders = products["orders"]
    quota = CONTRACT.products["orders"].quota
    assert (orders["quota"], orders["quotaInterval"], orders["quotaTimeUnit"]) == (str(quota.requests), "1", quota.per)
    [config] = orders["operationGroup"]["operationConfigs"]
    assert config["apiSource"] == CONTRACT.api.name
    assert {"resource": "/orders/*", "methods": ["GET"]} in config["operations"]


def test_organization_wide_operations_wait_for_each_other(tmp_path: Path) -> None:
    new = {"analytics_region": "europe-west1", "instance_location": "europe-west1"}
    recorder = _apigee(build=tmp_path, new_organization=new)
    chain = ["instance", "environment", "envgroup", "envgroup-attachment", "instance-attachment"]
    urns = [recorder.urn(f"apigee-{name}") for name in chain]
    for earlier, later in itertools.pairwise(urns):
        assert earlier in recorder.registered[later].depends_on


def test_the_same_contract_gives_the_same_bundle(tmp_path: Path) -> None:
    digests = {_apigee(build=tmp_path / name).named("apigee-proxy").inputs["detectMd5hash"] for name in ("a", "b")}
    assert len(digests) == 1


def _edge(**changes: Any) -> Recorder:
    def program() -> None:
        ring = SigningKeyRing("ring", RING)
        args: dict[str, Any] = {
            "contract": CONTRACT,
            "account_id": "a" * 32,
            "zone_id": "b" * 32,
            "hostname": "api.acme.example",
            "route": "domain",
            "internal_issuer": "https://api.acme.example",
            "internal_audience": "https://apigee.acme.example/acme-store",
            "apigee_origin": "https://apigee.acme.example",
            "worker_ring": ring.worker_ring,
            "ring_generation": ring.generation,
            "introspection_secrets": {"workforce": "between us"},
            "verifiers": [],
            "protect": False,
            "source": PROJECT / "worker",
            "build": changes.pop("build"),
            **changes,
        }
        EdgeGateway("edge", cast("EdgeGatewayArgs", args))

    return record(program)


def test_the_worker_is_bound_to_what_it_needs_in_the_order_of_names(tmp_path: Path) -> None:
    [version] = _edge(build=tmp_path).of_type("cloudflare:index/workerVersion:WorkerVersion")
    bindings = version.inputs["bindings"]
    names = [binding["name"] for binding in bindings]
    assert names == sorted(names)
    assert {b["name"]: b["type"] for b in bindings} == {
        "ANALYTICS": "analytics_engine",
        "APIGEE_ORIGIN": "plain_text",
        "AUDIT_SALT": "secret_text",
        "ENVIRONMENT": "plain_text",
        "INTROSPECTION_SECRETS": "secret_text",
        "KV": "kv_namespace",
        "LIMIT_ORDERS": "ratelimit",
        "LIMIT_PAYMENTS": "ratelimit",
        "RING": "secret_text",
        "VERSION": "version_metadata",
    }
    assert {module["name"] for module in version.inputs["modules"]} == {"index.js", "policy.json"}


def test_a_contract_that_wants_hints_binds_the_worker_to_workers_ai(tmp_path: Path) -> None:
    hint = AiHint(model="@cf/meta/llama-3.1-8b-instruct-fast")
    contract = CONTRACT.model_copy(update={"edge": CONTRACT.edge.model_copy(update={"ai_hint": hint})})
    [version] = _edge(build=tmp_path, contract=contract).of_type("cloudflare:index/workerVersion:WorkerVersion")
    names = [binding["name"] for binding in version.inputs["bindings"]]
    assert names == sorted(names)
    assert {"name": "AI", "type": "ai"} in version.inputs["bindings"]
    [policy] = [module for module in version.inputs["modules"] if module["name"] == "policy.json"]
    table = json.loads((PROJECT / policy["contentFile"]).read_text())
    assert table["ai_hint"] == {"model": "@cf/meta/llama-3.1-8b-instruct-fast", "per_minute": 30}


def test_a_contract_with_dpop_adds_a_worker_of_its_own_that_remembers_proofs(tmp_path: Path) -> None:
    workforce = CONTRACT.issuers["workforce"].model_copy(
        update={"sender_constraint": SenderConstraint(methods=("dpop",))}
    )
    contract = CONTRACT.model_copy(update={"issuers": {**CONTRACT.issuers, "workforce": workforce}})
    recorder = _edge(build=tmp_path, contract=contract)
    gateway, proofs = (recorder.named(name) for name in ("edge-version", "edge-proofs-version"))
    names = [binding["name"] for binding in gateway.inputs["bindings"]]
    assert names == sorted(names)
    [replay] = [binding for binding in gateway.inputs["bindings"] if binding["name"] == "REPLAY"]
    assert replay == {
        "name": "REPLAY",
        "type": "durable_object_namespace",
        "className": "ReplayGuard",
        "scriptName": "acme-store-proofs",
    }
    # The migration goes with the Worker that has the class, and never with the gateway, whose versions come and go.
    assert proofs.inputs["migrations"] == {"newTag": "v1", "newSqliteClasses": ["ReplayGuard"]}
    assert "migrations" not in gateway.inputs
    assert b"ReplayGuard" in base64.b64decode(proofs.inputs["modules"][0]["contentBase64"])
    assert recorder.urn("edge-proofs-deployment") in recorder.registered[recorder.urn("edge-worker")].depends_on


def test_unchanged_sources_give_an_unchanged_worker(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _edge(build=tmp_path / name)
    # The names hold the digests of the content.
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        path.name for path in (tmp_path / "b").iterdir()
    )


@pytest.mark.parametrize(
    ("route", "made", "not_made"),
    [
        ("domain", "cloudflare:index/workersCustomDomain:WorkersCustomDomain", "cloudflare:index/dnsRecord:DnsRecord"),
        ("route", "cloudflare:index/dnsRecord:DnsRecord", "cloudflare:index/workersCustomDomain:WorkersCustomDomain"),
    ],
)
def test_the_way_in_is_a_domain_or_a_route(route: str, made: str, not_made: str, tmp_path: Path) -> None:
    recorder = _edge(build=tmp_path, route=route)
    assert recorder.of_type(made)
    assert not recorder.of_type(not_made)


def test_a_worker_that_cannot_be_built_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(EdgeBuildError, match="npm ci"):
        _edge(build=tmp_path / "build", source=tmp_path)

"""The settings of the stand-in, and what it says when it cannot do a thing."""

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from tests.providers.cloudflare.world import ACCOUNT, TOKEN, World


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"apiToken": TOKEN}, []),
        ({"apiToken": TOKEN, "baseUrl": "http://127.0.0.1:8787/client/v4"}, []),
        ({"apiToken": "short"}, ["apiToken"]),
        ({"apiToken": f"{TOKEN}!"}, ["apiToken"]),
        ({"apiKey": "k" * 37, "email": "operator@acme.example"}, []),
        ({"apiKey": "k" * 37}, ["email"]),
        ({"apiKey": "short", "email": "operator@acme.example"}, ["apiKey"]),
        ({"apiToken": TOKEN, "baseUrl": "127.0.0.1:8787"}, ["baseUrl"]),
        ({"apiToken": TOKEN, "apitoken": TOKEN}, ["apitoken"]),
    ],
)
def test_settings_are_held_against_the_official_providers_rules(
    stub: provider_pb2_grpc.ResourceProviderStub, settings: dict[str, str], refused: list[str]
) -> None:
    news = json_format.ParseDict(settings, struct_pb2.Struct())
    answer = stub.CheckConfig(provider_pb2.CheckRequest(urn="urn", news=news))
    assert [failure.property for failure in answer.failures] == refused
    assert all(value not in str(answer.failures) for key, value in settings.items() if key != "baseUrl")


def test_without_credentials_it_says_what_to_set(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError, match="cloudflare:apiToken"):
        stub.Configure(provider_pb2.ConfigureRequest(args=struct_pb2.Struct(), acceptSecrets=True))


def test_a_refusal_has_cloudflares_message_and_code(world: World) -> None:
    inputs = {"accountId": ACCOUNT, "title": "pairs"}
    with pytest.raises(grpc.RpcError, match=r"already exists.*code 10014"):
        world.resource("cloudflare:index/workersKvNamespace:WorkersKvNamespace").up(inputs)


def test_a_proxied_record_with_a_ttl_is_refused_before_it_is_sent(world: World) -> None:
    inputs = {"zoneId": world.names["zone"], "name": "a.acme.example", "type": "A", "content": "192.0.2.1"}
    with pytest.raises(grpc.RpcError, match="ttl must be set to 1"):
        world.resource("cloudflare:index/dnsRecord:DnsRecord").up({**inputs, "proxied": True, "ttl": 300})


def test_drift_of_a_route_is_found_and_put_right(world: World) -> None:
    route = world.resource("cloudflare:index/workersRoute:WorkersRoute")
    inputs = {"zoneId": world.names["zone"], "pattern": "api.acme.example/*", "script": "worker"}
    route.up(inputs)
    world.api("PUT", f"zones/{world.names['zone']}/workers/routes/{route.id}", {**inputs, "script": "other-worker"})
    assert route.refresh() == "changed"
    assert route.up(inputs) == "update"
    assert route.refresh() == "same"


def test_what_was_deleted_elsewhere_is_gone_and_deleting_it_is_no_problem(world: World) -> None:
    route = world.resource("cloudflare:index/workersRoute:WorkersRoute")
    route.up({"zoneId": world.names["zone"], "pattern": "api.acme.example/*"})
    world.api("DELETE", f"zones/{world.names['zone']}/workers/routes/{route.id}")
    assert route.refresh() == "gone"
    route.delete()

"""The canary before a key signs, and the read-back after: what they ask, and what they stop."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from components import ring_proof
from components.ring_proof import CanaryProvider, RingReadBackProvider, RotationStoppedError
from portcullis.ring import generate_key, worker_ring
from tests.unit.deployed.host import APIGEE, CANARY, EDGE, Host, serve_host, told

PRIVATE, PUBLIC = generate_key("ES256")
_, NEXT = generate_key("ES256")
RING = worker_ring(8, PRIVATE, [PUBLIC, NEXT])
KIDS = [PUBLIC["kid"], NEXT["kid"]]
PROPS: dict[str, Any] = {
    "generation": 8.0,
    "ring": RING,
    "edge_url": EDGE,
    "apigee_url": APIGEE,
    "issuer": EDGE,
    "audience": f"{APIGEE}/store",
    "environment": "test",
}
KEY_MAP = "organizations/acme/environments/prod/keyvaluemaps/portcullis-keys"
READ_BACK: dict[str, Any] = {
    "generation": 8.0,
    "jwks": json.dumps({"keys": [PUBLIC, NEXT]}),
    "edge_url": EDGE,
    "key_map": KEY_MAP,
}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    running = serve_host(tmp_path, monkeypatch)
    # As before a rotation, and in no mood to wait.
    running.holds(7, ["k6", "k7", PUBLIC["kid"]])
    running.answers[CANARY] = [(200, {"accepted": PUBLIC["kid"]})]
    monkeypatch.setattr("portcullis.deployed.canary.PATIENCE", (0, 0))
    monkeypatch.setattr(ring_proof, "POLL_SECONDS", 0)
    yield running
    running.close()


def entry(kid: str) -> str:
    return f"/v1/{KEY_MAP}/entries/jwk.{kid}"


def publish(host: Host, *keys: dict[str, Any]) -> None:
    """Answer as Apigee's API with an entry for each key."""
    for key in keys:
        value = json.dumps({"keys": [key]})
        host.answers[entry(key["kid"])] = [(200, {"name": f"jwk.{key['kid']}", "value": value})]


def reader(host: Host) -> RingReadBackProvider:
    settings = {"gcp:apigeeCustomEndpoint": f"{host.url}/v1/", "gcp:accessToken": "the-token"}
    made = RingReadBackProvider()
    made.configure(ConfigureRequest(Config(settings, "portcullis")))
    return made


def test_a_key_that_apigee_accepts_may_sign(host: Host) -> None:
    done = CanaryProvider().update("canary", {}, PROPS)
    assert done.outs == {name: value for name, value in PROPS.items() if name != "ring"}
    assert [path for path, _ in host.asked if path == CANARY] == [CANARY]


def test_a_first_ring_sends_no_canary(host: Host) -> None:
    outs = CanaryProvider().create(PROPS).outs
    assert outs is not None
    assert "ring" not in outs
    assert host.asked == []


@pytest.mark.parametrize(
    "answer", [(401, {"type": "https://p/edge-token-invalid"}), (503, {}), (200, {"hello": "world"})], ids=str
)
def test_a_canary_that_is_not_accepted_stops_the_update_and_says_what_to_do(answer: Any, host: Host) -> None:
    host.answers[CANARY] = [answer]
    with pytest.raises(
        RotationStoppedError, match=r"the gateway serves with the one before.*run the update again"
    ) as refused:
        CanaryProvider().update("canary", {}, PROPS)
    assert PRIVATE["d"] not in str(refused.value)
    assert "eyJ" not in str(refused.value)


@pytest.mark.parametrize(
    ("seq", "kids", "message"),
    [(9, KIDS, "older state was restored"), (8, ["other", *KIDS], "two states have moved the ring on")],
    ids=["ahead", "at the same seq with other keys"],
)
def test_a_worker_that_is_elsewhere_is_not_written_over(seq: int, kids: list[str], message: str, host: Host) -> None:
    host.holds(seq, kids)
    with pytest.raises(RotationStoppedError, match=message):
        CanaryProvider().update("canary", {}, PROPS)
    assert CANARY not in [path for path, _ in host.asked]


def test_an_update_that_is_run_again_after_the_worker_was_written_goes_through(host: Host) -> None:
    host.holds(8, KIDS)
    CanaryProvider().update("canary", {}, PROPS)


def test_a_worker_that_cannot_be_read_stops_the_update(host: Host) -> None:
    host.answers.clear()
    with pytest.raises(RotationStoppedError, match="could not be read"):
        CanaryProvider().update("canary", {}, PROPS)


def test_the_read_back_waits_until_the_worker_holds_the_ring(host: Host) -> None:
    host.holds(8, KIDS)
    host.answers["/.well-known/portcullis/live"] = [told("v1", 7), told("v1", 7), told("v2", 8)]
    publish(host, PUBLIC, NEXT)
    assert reader(host).update("read-back", {}, READ_BACK).outs == READ_BACK
    asked = [headers["Authorization"] for path, headers in host.asked if "/entries/" in path]
    assert asked == ["Bearer the-token"] * 2


def test_a_key_that_apigee_lacks_keeps_every_other_and_is_named(host: Host) -> None:
    host.holds(8, KIDS)
    publish(host, PUBLIC)
    with pytest.raises(RotationStoppedError, match=rf"Apigee lacks 1 key.*{NEXT['kid']}.*pulumi refresh"):
        reader(host).update("read-back", {}, READ_BACK)


@pytest.mark.parametrize(
    "value",
    [json.dumps({"keys": [PUBLIC]}), json.dumps({"keys": []}), "gone", ""],
    # The key is a new one in each process of a run, and they must agree on the tests' names.
    ids=["another key", "no key", "no JSON", "nothing"],
)
def test_an_entry_that_does_not_hold_its_key_counts_as_lacking(value: str, host: Host) -> None:
    host.holds(8, KIDS)
    publish(host, PUBLIC)
    host.answers[entry(NEXT["kid"])] = [(200, {"name": "jwk", "value": value})]
    with pytest.raises(RotationStoppedError, match="Apigee lacks 1 key"):
        reader(host).update("read-back", {}, READ_BACK)


def test_an_apigee_that_does_not_say_stops_the_update_without_the_token_in_its_words(host: Host) -> None:
    host.holds(8, KIDS)
    host.answers[entry(PUBLIC["kid"])] = [(403, {})]
    with pytest.raises(RotationStoppedError, match=r"could not be read.*answers 403") as refused:
        reader(host).update("read-back", {}, READ_BACK)
    assert "the-token" not in str(refused.value)


@pytest.mark.parametrize(("seq", "kids"), [(7, KIDS), (8, ["other"])], ids=["older", "other keys"])
def test_a_worker_that_does_not_come_to_hold_the_ring_keeps_every_key(
    seq: int, kids: list[str], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring_proof, "EDGE_PROPAGATION_SECONDS", 0)
    host.holds(seq, kids)
    with pytest.raises(RotationStoppedError, match="No key was deleted and the gateway serves"):
        reader(host).update("read-back", {}, READ_BACK)


def test_a_new_stack_waits_for_no_hostname(host: Host) -> None:
    assert RingReadBackProvider().create(READ_BACK).outs == READ_BACK
    assert host.asked == []

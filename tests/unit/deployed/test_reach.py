"""How the deployed gateway is asked: hosts file, limits, and answers that are not the gateway's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portcullis.deployed import CanaryError, CanaryRefusedError, NoAnswerError, Realm, fetch, read_edge, send_canary
from portcullis.ring import generate_key
from tests.unit.deployed.host import APIGEE, EDGE, Host, serve_host, told

REALM = Realm(EDGE, f"{APIGEE}/store", "test")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    running = serve_host(tmp_path, monkeypatch)
    yield running
    running.close()


def test_a_hostname_is_asked_where_the_hosts_file_says_under_its_own_name(host: Host) -> None:
    host.answers["/a%2Fb?c"] = [(200, {"d": 1})]
    assert fetch(f"{EDGE}/a%2Fb?c", {"X-Own": "e"}).json() == {"d": 1}
    [(_, headers)] = host.asked
    assert headers["Host"] == "api.acme.example"
    assert headers["X-Own"] == "e"


@pytest.mark.parametrize("content", ["{}", '{"other.example": "http://127.0.0.1:1"}', None])
def test_no_other_hostname_exists(content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hosts.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("PORTCULLIS_HOSTS_FILE", str(path))
    with pytest.raises(NoAnswerError, match="does not answer"):
        fetch(f"{EDGE}/")


def test_a_hosts_file_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hosts.json"
    path.write_text("[", encoding="utf-8")
    monkeypatch.setenv("PORTCULLIS_HOSTS_FILE", str(path))
    with pytest.raises(NoAnswerError, match="is no hosts file"):
        fetch(f"{EDGE}/")


def test_an_answer_that_is_too_long_is_refused(host: Host) -> None:
    host.answers["/"] = [(200, b"x" * 70_000)]
    with pytest.raises(NoAnswerError, match="over 65536 bytes"):
        fetch(f"{EDGE}/")


def test_the_edge_is_read_whole(host: Host) -> None:
    host.answers["/.well-known/portcullis/live"] = [told()]
    host.answers["/.well-known/portcullis/jwks.json"] = [(200, {"keys": [{"kid": "a"}, {"kid": "b"}]})]
    report = read_edge(EDGE)
    assert (report.version, report.seq, report.kids) == ("v1", 7, ("a", "b"))


def test_an_edge_that_changes_while_it_is_read_is_read_again(host: Host) -> None:
    host.answers["/.well-known/portcullis/live"] = [told("v1"), told("v2", 8)]
    host.answers["/.well-known/portcullis/jwks.json"] = [(200, {"keys": [{"kid": "a"}]})]
    assert read_edge(EDGE).seq == 8


@pytest.mark.parametrize(
    ("live", "keys"),
    [
        ((404, {}), (200, {"keys": [{"kid": "a"}]})),
        ((200, b"<html>"), (200, {"keys": [{"kid": "a"}]})),
        (told(seq="7"), (200, {"keys": [{"kid": "a"}]})),
        (told(), (200, {"keys": []})),
        (told(), (200, {"keys": [{"kid": "a"}, {}]})),
        (told(), (503, {})),
    ],
    ids=["no such path", "a page", "a seq that is text", "no keys", "a key without a kid", "keys unavailable"],
)
def test_what_does_not_speak_as_the_gateway_is_no_answer(live: Any, keys: Any, host: Host) -> None:
    host.answers["/.well-known/portcullis/live"] = [live]
    host.answers["/.well-known/portcullis/jwks.json"] = [keys]
    with pytest.raises(NoAnswerError):
        read_edge(EDGE)


def test_a_canary_is_accepted_only_by_the_name_of_its_key(host: Host) -> None:
    private, public = generate_key("ES256")
    path = "/.well-known/portcullis/canary"
    host.answers[path] = [(200, {"accepted": public["kid"]})]
    send_canary(APIGEE, private, 8, REALM, patience=())
    host.answers[path] = [(200, {"ok": True})]
    with pytest.raises(CanaryError, match="answers 200"):
        send_canary(APIGEE, private, 8, REALM, patience=())


def test_a_canary_is_sent_again_until_it_is_accepted(host: Host) -> None:
    private, public = generate_key("ES256")
    refused, accepted = (
        (401, {"type": "https://p/edge-token-invalid", "trace_id": "t"}),
        (200, {"accepted": public["kid"]}),
    )
    host.answers["/.well-known/portcullis/canary"] = [refused, (502, b""), accepted]
    send_canary(APIGEE, private, 8, REALM, patience=(0, 0, 0))
    tokens = {headers["Txn-Token"] for _, headers in host.asked}
    assert len(tokens) == 3


def test_a_refused_canary_says_which_key_and_why_and_holds_no_token(host: Host) -> None:
    private, public = generate_key("ES256")
    host.answers["/.well-known/portcullis/canary"] = [
        (401, {"type": "https://p/edge-token-invalid", "trace_id": "t-1"})
    ]
    with pytest.raises(CanaryRefusedError) as caught:
        send_canary(APIGEE, private, 8, REALM, patience=())
    text = str(caught.value)
    assert public["kid"] in text
    assert "edge-token-invalid" in text
    assert "t-1" in text
    assert "eyJ" not in text
    assert private["d"] not in text

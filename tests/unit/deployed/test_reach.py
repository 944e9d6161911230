"""How the deployed gateway is asked: hosts file, limits, and answers that are not the gateway's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from portcullis.deployed import CanaryError, CanaryRefusedError, NoAnswerError, Realm, fetch, read_edge, send_canary
from portcullis.ring import generate_key

EDGE = "https://api.acme.example"
APIGEE = "https://apigee.acme.example"
REALM = Realm(EDGE, f"{APIGEE}/store", "test")


class Host:
    """A server on loopback that answers by path, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append((self.path, dict(self.headers)))
                queue = host.answers.get(self.path, [(404, {})])
                status, document = queue.pop(0) if len(queue) > 1 else queue[0]
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    running = Host()
    hosts = {"api.acme.example": running.url, "apigee.acme.example": running.url}
    path = tmp_path / "hosts.json"
    path.write_text(json.dumps(hosts), encoding="utf-8")
    monkeypatch.setenv("PORTCULLIS_HOSTS_FILE", str(path))
    yield running
    running.server.shutdown()
    running.server.server_close()


def told(version: str = "v1", seq: object = 7) -> tuple[int, Any]:
    return 200, {"status": "live", "version": version, "ring_seq": seq}


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

"""The revocation list: what a change makes of it, and the commands against an API that answers as Cloudflare's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from portcullis.cli import deny_commands
from portcullis.cli.deny_list import MAX_REVOCATIONS, DenyList, Revocation, parse
from portcullis.cli.errors import CommandError
from portcullis.cli.main import app
from portcullis.cli.workers_kv import WorkersKv

NOW = 1_800_000_000
ADA = Revocation("workforce", "subject", "ada@acme.example", NOW + 100)
BOB = Revocation("workforce", "subject", "bob@acme.example", NOW + 200)


def test_an_entry_is_added_once_and_the_sequence_grows() -> None:
    first = DenyList().with_entry(ADA, NOW)
    again = first.with_entry(Revocation("workforce", "subject", "ada@acme.example", NOW + 500), NOW)
    assert (first.seq, again.seq) == (1, 2)
    assert [entry.until for entry in again.entries] == [NOW + 500]


def test_entries_that_have_ended_go_with_the_next_change() -> None:
    held = DenyList(3, [ADA, BOB])
    assert held.with_entry(Revocation("workforce", "jti", "t", NOW + 999), NOW + 150).entries[0] == BOB
    assert held.standing(NOW + 250) == []


def test_an_entry_is_removed_by_issuer_kind_and_value() -> None:
    held = DenyList(3, [ADA, BOB])
    assert held.without(Revocation("workforce", "subject", "ada@acme.example", 0), NOW).entries == [BOB]
    for other in (
        Revocation("partners", "subject", "ada@acme.example", 0),
        Revocation("workforce", "client", "ada@acme.example", 0),
    ):
        with pytest.raises(CommandError, match="the list has no"):
            held.without(other, NOW)


@pytest.mark.parametrize(("value", "until"), [("", NOW + 1), ("a\nb", NOW + 1), ("a" * 1001, NOW + 1), ("a", NOW)])
def test_an_entry_that_the_worker_would_not_read_is_refused(value: str, until: int) -> None:
    with pytest.raises(CommandError):
        DenyList().with_entry(Revocation("workforce", "jti", value, until), NOW)


def test_a_list_longer_than_the_worker_reads_is_refused() -> None:
    full = DenyList(1, [Revocation("workforce", "jti", str(number), NOW + 9) for number in range(MAX_REVOCATIONS)])
    with pytest.raises(CommandError, match="the most that the Worker reads"):
        full.with_entry(ADA, NOW)


def test_the_document_is_read_as_it_was_written() -> None:
    held = DenyList().with_entry(ADA, NOW).with_entry(BOB, NOW)
    assert parse(held.text()) == held
    assert parse(None) == DenyList()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seq":1,"entries":[{}]}', '{"seq":1,"entries":1}'])
def test_what_is_no_list_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(CommandError, match="delete the key"):
        parse(text)


class _Api(BaseHTTPRequestHandler):
    """One key of a KV namespace, as Cloudflare's API answers for it."""

    held: bytes | None = None
    """The value."""
    refuse = False
    seen: list[tuple[str, str, str | None]]

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._seen()
        if type(self).held is None:
            self._answer(404, b'{"success":false,"errors":[{"code":10009,"message":"key not found"}]}')
        else:
            self._answer(200, type(self).held or b"")

    def do_PUT(self) -> None:
        self._seen()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if type(self).refuse:
            self._answer(403, b'{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}')
            return
        type(self).held = body
        self._answer(200, b'{"success":true,"errors":[],"messages":[],"result":{}}')

    def _seen(self) -> None:
        type(self).seen.append((self.command, self.path, self.headers["Authorization"]))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Api]]:
    handler = type("Api", (_Api,), {"held": None, "refuse": False, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    kv = WorkersKv(f"http://127.0.0.1:{server.server_port}/client/v4", "t" * 40, "acc", "ns")
    monkeypatch.setattr(deny_commands, "stack_kv", lambda _project, _stack: kv)
    yield handler
    server.shutdown()
    server.server_close()


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["deny", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_the_commands_add_list_and_remove(api: type[_Api]) -> None:
    added = json.loads(_run("add", "subject", "ada@acme.example", "--issuer", "workforce", "--for", "2h", "--json"))
    assert added["seq"] == 1
    assert api.seen[0] == (
        "GET",
        "/client/v4/accounts/acc/storage/kv/namespaces/ns/values/revocations.v1",
        f"Bearer {'t' * 40}",
    )
    listed = json.loads(_run("list", "--json"))
    assert [(entry["issuer"], entry["by"], entry["value"]) for entry in listed["entries"]] == [
        ("workforce", "subject", "ada@acme.example")
    ]
    assert "ada@acme.example" in _run("list")
    assert json.loads(_run("remove", "subject", "ada@acme.example", "--issuer", "workforce", "--json"))["seq"] == 2
    assert _run("list").strip() == "nothing is denied"
    # The list is emptied, never deleted: by a sequence number that is gone, an old answer of KV would look new.
    assert json.loads(api.held or b"") == {"seq": 2, "entries": []}


def test_an_issuer_that_the_contract_lacks_is_refused(api: type[_Api]) -> None:
    with pytest.raises(CommandError, match="it has workforce, partners"):
        _run("add", "jti", "t", "--issuer", "wrokforce")
    assert api.seen == []


def test_a_refusal_of_the_api_is_told_without_the_token(api: type[_Api]) -> None:
    api.refuse = True
    with pytest.raises(CommandError, match="403: 10000 Authentication error") as refused:
        _run("add", "jti", "t", "--issuer", "workforce")
    assert "tttt" not in str(refused.value)

"""The benchmark runs and says its ratios; which numbers they are is nobody's business here."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from bench.edge import main
from bench.errors import BenchError
from bench.generator import Target, running_generator

CASES = {"repeated", "fresh-rs256", "fresh-es256", "bad-tokens", "no-token"}
SIDES = {"gateway", "gateway-reuse"}
BOUNDS = {"pass-through", "least"}
RIVALS = {"hono", "jose", "worker-jwt"}
NUMBER = r"\d+\.\d\d"


@pytest.mark.workerd
def test_a_tiny_run_prints_a_ratio_for_each_case_and_rival(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rounds", "1", "--requests", "8"]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    ratio = rf"^RATIO (\S+) +(\S+) +/ (\S+) +requests/s ({NUMBER})   CPU (?:{NUMBER}|unknown)$"
    ratios = re.findall(ratio, said, re.MULTILINE)
    compared = {(side, rival) for side in SIDES for rival in {*BOUNDS, *RIVALS}} | {("least", "pass-through")}
    assert {(case, side, rival) for case, side, rival, _ in ratios} == {
        (case, *pair) for case in CASES for pair in compared
    }
    assert all(float(number) > 0 for *_, number in ratios)
    everyone = {*SIDES, *BOUNDS, *RIVALS}
    assert set(re.findall(r"^LATENCY (\S+) +p50", said, re.MULTILINE)) == everyone
    assert set(re.findall(r"^SIZE (\S+) +\d", said, re.MULTILINE)) == everyone
    fetches = dict(re.findall(r"^FETCHES (\S+) +(\d+)$", said, re.MULTILINE))
    assert set(fetches) == {"gateway", *RIVALS}
    # Key ids that are made up cost the gateway one fetch for each cool-down, and no more.
    assert int(fetches["gateway"]) <= 1
    asked = re.findall(r"^ASKED (\S+) +(\S+) +(.*?)  looks at the revocation list (\d+)$", said, re.MULTILINE)
    assert {(case, side) for case, side, *_ in asked} == {(case, side) for case in CASES for side in everyone}
    quiet = "issuer 0  KV reads 0  KV writes 0  cache reads 0  cache writes 0"
    for case, side, counts, looks in asked:
        # A warm path asks nobody but the upstream, whether the token was seen before or not.
        if side in SIDES and case != "bad-tokens":
            assert counts == f"upstream {0 if case == 'no-token' else 8}  {quiet}", case
            assert int(looks) <= 1


class _Answers(BaseHTTPRequestHandler):
    """Answers with the status that the token names, or hangs up."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token == "hang-up":
            self.close_connection = True
            return
        self.send_response(int(token or 401))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(json.dumps({}).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


@pytest.fixture
def target() -> Generator[Target]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Target(server.server_address[1], "a.example", "/")
        server.shutdown()


def test_a_batch_tells_what_it_took(target: Target) -> None:
    with running_generator() as load:
        for rate in (None, 1000.0):
            result = load.send(target, ["200"], 5, expected=200, connections=1, rate=rate)
            assert result.seconds > 0
            assert 0 < result.p50 <= result.p99
        assert load.send(target, [None], 1, expected=401, connections=1).seconds > 0


def test_an_answer_of_another_status_ends_the_run_instead_of_giving_a_number(target: Target) -> None:
    with running_generator() as load, pytest.raises(BenchError, match="1 times 200, 1 times 503"):
        load.send(target, ["200", "503"], 2, expected=200, connections=1)


def test_a_connection_that_breaks_ends_the_run_instead_of_giving_a_number(target: Target) -> None:
    with running_generator() as load, pytest.raises(BenchError, match="broke off"):
        load.send(target, ["hang-up"], 1, expected=200, connections=1)


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--requests", "5001"], ["--requests", "many"]])
def test_a_count_out_of_bounds_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

"""The benchmark runs and says its ratios; which numbers they are is nobody's business here."""

from __future__ import annotations

import asyncio
import re

import pytest

from bench.edge import main
from bench.errors import BenchError
from bench.load import send_batch

CASES = ("repeated-token", "fresh-token", "no-token", "forged-token")
NUMBER = r"\d+\.\d\d"


@pytest.mark.workerd
def test_a_tiny_run_prints_one_ratio_line_for_each_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rounds", "2", "--requests", "10"]) == 0, capsys.readouterr().err

    line = rf"^RATIO (\S+) +requests/s  min ({NUMBER})  median ({NUMBER})  max ({NUMBER})   CPU (?:{NUMBER}|unknown)$"
    ratios = re.findall(line, capsys.readouterr().out, re.MULTILINE)
    assert tuple(case for case, *_ in ratios) == CASES
    for _, least, middle, most in ratios:
        assert 0 < float(least) <= float(middle) <= float(most)


async def test_an_answer_of_another_status_ends_the_run_instead_of_giving_a_number() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for status in (b"200 OK", b"503 Service Unavailable"):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BenchError, match="1 times 200, 1 times 503"):
            await send_batch(port, [b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"] * 2, expected=200, connections=1)


async def test_a_connection_that_breaks_ends_the_run_instead_of_giving_a_number() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BenchError, match="broke off"):
            await send_batch(port, [b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"], expected=200, connections=1)


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--requests", "5001"], ["--requests", "many"]])
def test_a_count_out_of_bounds_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

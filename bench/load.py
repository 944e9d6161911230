"""A small HTTP/1.1 keep-alive client: it sends prepared requests over a fixed number of connections.

Its work is part of every measured time, and the same for both sides; it is kept small so that it hides little.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final, TypeAlias

from bench.errors import BenchError

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

BATCH_SECONDS: Final = 30.0
"""What a batch may take; far more than one of the allowed size needs."""

MAX_BODY_BYTES: Final = 64 * 1024
"""Of an answer, and of a chunk; those of the benchmark have some hundred bytes."""


async def send_batch(port: int, requests: Sequence[bytes], expected: int, connections: int) -> float:
    """Send the requests to a loopback port and return the seconds from the first byte sent to the last received.

    Every connection is open before the time starts, and has one request in it at a time.

    Raises:
        BenchError: an answer had another status than `expected`, was no HTTP, or the batch took `BATCH_SECONDS`.
    """
    pending = iter(requests)
    statuses: Counter[int] = Counter()
    with _troubles(f"{len(requests)} requests"):
        async with AsyncExitStack() as stack, asyncio.timeout(BATCH_SECONDS):
            opened = [await stack.enter_async_context(_connection(port)) for _ in range(connections)]
            started = time.perf_counter()
            await asyncio.gather(*(_drive(connection, pending, statuses) for connection in opened))
            seconds = time.perf_counter() - started
    if statuses != {expected: len(requests)}:
        counts = ", ".join(f"{count} times {status}" for status, count in sorted(statuses.items()))
        raise BenchError(f"{len(requests)} requests should be answered with {expected}, but the answers were: {counts}")
    return seconds


async def send_one(port: int, request: bytes) -> tuple[int, bytes]:
    """Send one request and return status and body; raises `BenchError` where no answer comes, or no HTTP."""
    with _troubles("one request"):
        async with asyncio.timeout(BATCH_SECONDS), _connection(port) as connection:
            return await _exchange(connection, request)


@contextmanager
def _troubles(what: str) -> Generator[None]:
    try:
        yield
    except TimeoutError:
        raise BenchError(f"{what} took more than {BATCH_SECONDS:.0f} s; try fewer with --requests") from None
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as problem:
        raise BenchError(f"{what}: workerd broke off or sent no HTTP ({type(problem).__name__})") from None


@asynccontextmanager
async def _connection(port: int) -> AsyncGenerator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MAX_BODY_BYTES)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _drive(connection: Connection, pending: Iterator[bytes], statuses: Counter[int]) -> None:
    for request in pending:
        status, _ = await _exchange(connection, request)
        statuses[status] += 1


async def _exchange(connection: Connection, request: bytes) -> tuple[int, bytes]:
    reader, writer = connection
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    if b"\r\ntransfer-encoding: chunked\r\n" in head:
        return status, await _chunks(reader)
    _, found, rest = head.partition(b"\r\ncontent-length: ")
    if not found:
        raise ValueError("an answer without a length")
    return status, await reader.readexactly(_size(rest.partition(b"\r\n")[0], 10))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """Read a chunked body (RFC 9112 §7.1); workerd sends no extensions and no trailers."""
    body = b""
    while size := _size(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


def _size(digits: bytes, base: int) -> int:
    size = int(digits, base)
    if not 0 <= size <= MAX_BODY_BYTES:
        raise ValueError("an answer of unlikely size")
    return size

"""Knowing when the engine is gone, so that nothing it started outlives it."""

from __future__ import annotations

import contextlib
import socket
import threading

_RECEIVE_BYTES = 4096
_RECONNECT_SECONDS = 0.2


def wait_for_the_end_of(engine_address: str, end: threading.Event) -> None:
    """Return, with `end` set, when nobody listens at `engine_address` (`host:port`) any more, or when `end` is set.

    The engine holds its address for as long as it lives. A connection that says nothing tells at once when the
    process at the other end is gone; the engine itself closes a silent one after two minutes, hence the loop.
    """
    host, _, port = engine_address.rpartition(":")
    with contextlib.suppress(OSError, ValueError):
        while not end.is_set():
            with socket.create_connection((host, int(port))) as connection:
                while connection.recv(_RECEIVE_BYTES):
                    pass
            end.wait(_RECONNECT_SECONDS)
    end.set()

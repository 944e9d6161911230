"""Loopback addresses and free ports: nothing of the sandbox listens beyond them."""

from __future__ import annotations

import socket

ADDRESS = "127.0.0.1"


def is_loopback(hostname: str) -> bool:
    """Tell whether the hostname of a request is the machine itself rather than a name of the virtual network."""
    return hostname in {"localhost", "::1"} or hostname.startswith("127.")


def bind(port: int = 0) -> socket.socket:
    """Return a socket bound to loopback on `port`, or on a free one where it is 0; raises `OSError` where taken."""
    # With the protocol named, asyncio sets TCP_NODELAY on its connections; without, each answer waits some 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
    except OSError:
        listener.close()
        raise
    return listener


def bind_preferring(port: int) -> socket.socket:
    """Return a socket bound to `port` where it is free, else to one that is."""
    try:
        return bind(port)
    except OSError:
        return bind()


def url_of(listener: socket.socket) -> str:
    """Return the base URL of a bound socket."""
    return f"http://{ADDRESS}:{listener.getsockname()[1]}"

"""Hostnames that the user has led to a server of their own: what a backend on the internet is to a public bundle."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from portcullis.sandbox.loopback import is_loopback
from portcullis.sandbox.store import Store

MAX_HOSTS = 256
_COLLECTION = "sandbox.hosts"
_HOSTNAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class HostError(ValueError):
    """The hostname or its address cannot be taken; the message says what to write instead."""


class Hosts:
    """Hostname to the base URL of a server on loopback, durable in the store."""

    def __init__(self, store: Store) -> None:
        """Read and write `store`."""
        self._store = store

    def lead(self, hostname: str, url: str) -> None:
        """Lead a hostname to `http://127.0.0.1:PORT`; raises `HostError`."""
        name = hostname.lower()
        if not _HOSTNAME.fullmatch(name) or is_loopback(name):
            raise HostError(f"{hostname!r} is no hostname that can be led anywhere: write one such as api.example.com")
        if not _is_server(url):
            raise HostError(f"{url!r} is no server on this machine: write http://127.0.0.1:PORT, without a path")
        if len(self.all()) >= MAX_HOSTS and name not in self.all():
            raise HostError(f"no more than {MAX_HOSTS} hostnames can be led: clear one first")
        self._store.put(_COLLECTION, name, {"url": url.rstrip("/")})

    def forget(self, hostname: str) -> None:
        """Lead the hostname nowhere any more."""
        self._store.delete(_COLLECTION, hostname.lower())

    def all(self) -> dict[str, str]:
        """Return every hostname with where it leads."""
        return {name: str(document["url"]) for name, document in self._store.items(_COLLECTION)}

    def resolve(self, hostname: str) -> str | None:
        """Return where a hostname leads, or `None`."""
        document = self._store.get(_COLLECTION, hostname)
        return None if document is None else str(document["url"])


def _is_server(url: str) -> bool:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return False
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment and not parts.username
    return parts.scheme == "http" and is_loopback(parts.hostname or "") and port is not None and plain

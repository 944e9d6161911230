"""How a backend is reached, compiled: what target endpoints and ServiceCallout policies share."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.templates import Template


@dataclass(frozen=True)
class Payloads:
    """What a side buffers of request and answer, in bytes; `None` where it streams, and so has no limit."""

    request: int | None = 10 * 1024 * 1024
    response: int | None = 10 * 1024 * 1024


BUFFERED = Payloads()
"""What holds where no property says otherwise: up to 10 MB, both ways."""


@dataclass(frozen=True)
class Server:
    """A target server of a load balancer."""

    name: Template
    weight: int = 1
    fallback: bool = False


@dataclass(frozen=True)
class SslInfo:
    """An `<SSLInfo>`: each value as a template, `None` where it is not given."""

    enabled: Template | None = None
    enforce: Template | None = None
    client_auth: Template | None = None
    key_store: Template | None = None
    key_alias: Template | None = None
    trust_store: Template | None = None
    ignore_errors: Template | None = None
    common_name: str = ""


@dataclass(frozen=True)
class Monitor:
    """How a server that was taken out comes back: asked again every `interval` seconds.

    `path` is asked for over HTTP with `verb`, and one of `statuses` is health; without a path a connection is enough.
    """

    interval: float
    verb: str = "GET"
    path: str | None = None
    port: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    statuses: frozenset[int] = frozenset({200})
    timeout: float = 10.0


@dataclass(frozen=True)
class Connection:
    """How a target is reached: its URL, or the servers of a load balancer and the path below them.

    Timeouts are in seconds; `success_codes` are statuses or classes of them (`2xx`). `max_failures` is after how many
    failures in a row a server is taken out (0: never), `unhealthy` which statuses count as one.
    """

    url: Template | None
    servers: tuple[Server, ...] = ()
    algorithm: str = "RoundRobin"
    retry: bool = True
    max_failures: int = 0
    unhealthy: frozenset[int] = frozenset()
    monitor: Monitor | None = None
    path: Template | None = None
    ssl: SslInfo | None = None
    connect_timeout: float = 3.0
    io_timeout: float = 55.0
    success_codes: tuple[str, ...] = ("1xx", "2xx", "3xx")
    payloads: Payloads = BUFFERED

    def is_success(self, status: int) -> bool:
        """Tell whether the target's status keeps the flow out of the error state."""
        return str(status) in self.success_codes or f"{status // 100}xx" in self.success_codes


@dataclass(frozen=True)
class LocalConnection:
    """Another proxy of the same environment, called without the network: by name and endpoint, or by path."""

    proxy: Template | None = None
    endpoint: Template | None = None
    path: Template | None = None
    success_codes: tuple[str, ...] = ("1xx", "2xx", "3xx")

    def is_success(self, status: int) -> bool:
        """Tell whether the proxy's status keeps the flow out of the error state."""
        return str(status) in self.success_codes or f"{status // 100}xx" in self.success_codes

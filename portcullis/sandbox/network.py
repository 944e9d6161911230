"""The sandbox's internet: which loopback listener answers for a hostname, and what is wrong with the way there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

FaultKind = Literal["down", "slow", "status"]

Resolver = Callable[[str], str | None]
"""From a hostname to the base URL of a loopback listener, `http://127.0.0.1:PORT`, or `None`."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a host: `down` refuses connections, `slow` answers after `seconds`, `status` answers so."""

    kind: FaultKind
    seconds: float = 0.0
    status: int = 0


class UnknownHostError(httpx.ConnectError):
    """No listener answers for the hostname: what a failed DNS look-up is elsewhere."""


class Network:
    """Sends requests to hostnames over real HTTP on loopback."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        """Use `client`, or one that follows no redirects, keeps cookies of nobody and trusts no proxy settings."""
        self.client = client or httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            # A listener closes an idle connection after 5 s; one closed here first is never met half-closed.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=2.0),
        )
        self._resolvers: list[Resolver] = []
        self._faults: dict[str, Fault] = {}

    def add_resolver(self, resolver: Resolver) -> None:
        """Ask `resolver` too, after those added before it."""
        self._resolvers.append(resolver)

    def resolve(self, hostname: str) -> str:
        """Return the base URL of the listener for `hostname`; raises `UnknownHostError`."""
        for resolver in self._resolvers:
            address = resolver(hostname.lower())
            if address is not None:
                return address
        raise UnknownHostError(f"no such host: {hostname}")

    def set_fault(self, hostname: str, fault: Fault | None) -> None:
        """Break the way to `hostname`, or mend it with `None`."""
        self._faults.pop(hostname.lower(), None)
        if fault is not None:
            self._faults[hostname.lower()] = fault

    def fault(self, hostname: str) -> Fault | None:
        """Return what is wrong with `hostname`, if anything is."""
        return self._faults.get(hostname.lower())

    def faults(self) -> dict[str, Fault]:
        """Return every fault by hostname."""
        return dict(self._faults)

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]] = (),
        content: bytes | AsyncIterable[bytes] | None = None,
        timeout: float = 30.0,  # noqa: ASYNC109 - handed to the client, which knows connect from read
    ) -> httpx.Response:
        """Send to the listener that answers for the URL's hostname; https is served in clear, on loopback.

        The answer's body is read whole. `timeout` is in seconds, for each of connecting, sending and waiting.
        Raises `UnknownHostError`, `httpx.ConnectError` (down) and `httpx.ReadTimeout` as a real network would.
        """
        request = self.build_request(method, url, headers, content, timeout)
        hostname = httpx.URL(url).host
        faulty = await self.apply_fault(hostname, timeout)
        return faulty if faulty is not None else await self.client.send(request)

    def build_request(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        content: bytes | AsyncIterable[bytes] | None,
        timeout: float,
    ) -> httpx.Request:
        """Build the request to the listener, with the Host header of the URL that was asked for."""
        wanted = httpx.URL(url)
        # raw_path is kept to the byte: a gateway's matching and forwarding must see one spelling of a path.
        target = httpx.URL(self.resolve(wanted.host)).copy_with(raw_path=wanted.raw_path)
        kept = [(name, value) for name, value in headers if name.lower() != "host"]
        kept.append(("Host", wanted.netloc.decode("ascii")))
        return self.client.build_request(method, target, headers=kept, content=content, timeout=timeout)

    async def apply_fault(self, hostname: str, timeout: float) -> httpx.Response | None:  # noqa: ASYNC109
        """Suffer the host's fault: raise if it is down, wait if it is slow, return its answer if it is wrong."""
        fault = self.fault(hostname)
        if fault is None:
            return None
        if fault.kind == "down":
            raise httpx.ConnectError(f"connection refused: {hostname}")
        if fault.kind == "slow":
            await asyncio.sleep(min(fault.seconds, timeout))
            if fault.seconds >= timeout:
                raise httpx.ReadTimeout(f"no answer from {hostname} in {timeout} s")
            return None
        return httpx.Response(fault.status, content=b"injected fault")

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

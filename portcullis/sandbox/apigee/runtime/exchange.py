"""One HTTP exchange with a backend: what target endpoints and ServiceCallout policies share.

Hostnames are looked up in the sandbox's network, which serves https in clear; a loopback address is what it says, and
https to it is real TLS, by the settings of an `<SSLInfo>`.
"""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from typing import Literal

import httpx

from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.loopback import is_loopback
from portcullis.sandbox.network import Network, UnknownHostError

MAX_BODY_BYTES = 10 * 1024 * 1024
"""What Apigee buffers of a message without streaming."""

MAX_STREAMED_BYTES = 256 * 1024 * 1024
"""Apigee streams without a limit; here everything passes through memory, and so has one."""

Failure = Literal["unknown_host", "refused", "connect_timeout", "read_timeout", "broken", "too_big", "tls", "bad_url"]

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "content-length",
        "host",
        # The client unpacks what the target packed.
        "content-encoding",
        "accept-encoding",
    }
)
_MAX_CLIENTS = 32


class ExchangeError(Exception):
    """The exchange came to no answer; `failure` says where it ended."""

    def __init__(self, failure: Failure, detail: str = "") -> None:
        super().__init__(detail or failure)
        self.failure: Failure = failure


@dataclass(frozen=True)
class Tls:
    """What an `<SSLInfo>` asks for, with the PEM text of the stores that it names.

    `verify` is false where the target's certificate is taken as it is: Apigee verifies it only where a truststore is
    named, or `<Enforce>` is true. `trusted` are the certificates of the truststore; `certificate` and `key` are the
    gateway's own, for mutual TLS. `common_name` is the name to verify, where it is not the URL's.
    """

    verify: bool = False
    trusted: str = ""
    certificate: str = ""
    key: str = ""
    common_name: str = ""
    check_hostname: bool = True


@dataclass(frozen=True)
class Timeouts:
    """Seconds; the defaults are those of a target endpoint."""

    connect: float = 3.0
    read: float = 55.0


class Exchange:
    """The HTTP client of the runtime."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._loopback: dict[Tls, httpx.AsyncClient] = {}

    async def send(
        self,
        request: Message,
        url: str,
        timeouts: Timeouts = Timeouts(),
        tls: Tls = Tls(),
        max_bytes: int | None = MAX_BODY_BYTES,
    ) -> Message:
        """Send the request's verb, headers and content to `url` and return the answer; raises `ExchangeError`.

        An answer of more than `max_bytes` is a failure; `None` is for one that is streamed.
        """
        headers = [(name, value) for name, value in request.headers.pairs if name.lower() not in _HOP_BY_HOP]
        answer = await self._answered(request, url, headers, timeouts, tls)
        if len(answer.content) > (MAX_STREAMED_BYTES if max_bytes is None else max_bytes):
            raise ExchangeError("too_big")
        kept = [(n, v) for n, v in answer.headers.multi_items() if n.lower() not in _HOP_BY_HOP]
        return Message(
            "response",
            headers=kept,
            content=answer.content,
            status=answer.status_code,
            reason=answer.reason_phrase,
        )

    async def close(self) -> None:
        """Close the connections to loopback addresses; the network closes its own."""
        for client in self._loopback.values():
            await client.aclose()
        self._loopback.clear()

    async def _answered(
        self, request: Message, url: str, headers: list[tuple[str, str]], timeouts: Timeouts, tls: Tls
    ) -> httpx.Response:
        try:
            target = httpx.URL(url)
            if target.scheme not in {"http", "https"} or not target.host:
                raise ExchangeError("bad_url", url)
            content = request.content or None
            if is_loopback(target.host):
                return await self._to_loopback(request.verb, target, headers, content, timeouts, tls)
            return await self._network.send(request.verb, url, headers, content, timeout=timeouts.read)
        except httpx.HTTPError as error:
            raise ExchangeError(_failure(error), type(error).__name__) from None
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise ExchangeError("bad_url", type(error).__name__) from None

    async def _to_loopback(
        self,
        verb: str,
        target: httpx.URL,
        headers: list[tuple[str, str]],
        content: bytes | None,
        timeouts: Timeouts,
        tls: Tls,
    ) -> httpx.Response:
        faulty = await self._network.apply_fault(target.host, timeouts.read)
        if faulty is not None:
            return faulty
        extensions = {"sni_hostname": tls.common_name} if tls.common_name and target.scheme == "https" else {}
        limits = httpx.Timeout(timeouts.read, connect=timeouts.connect)
        client = self._client(tls if target.scheme == "https" else Tls())
        request = client.build_request(
            verb, target, headers=headers, content=content, timeout=limits, extensions=extensions
        )
        return await client.send(request)

    def _client(self, tls: Tls) -> httpx.AsyncClient:
        client = self._loopback.get(tls)
        if client is None:
            if len(self._loopback) >= _MAX_CLIENTS:
                self._loopback.clear()
            client = httpx.AsyncClient(verify=_context(tls), trust_env=False, follow_redirects=False)
            # A gateway adds nothing to what it forwards.
            client.headers.clear()
            self._loopback[tls] = client
        return client


def _failure(error: httpx.HTTPError) -> Failure:
    if isinstance(error, httpx.ConnectTimeout):
        return "connect_timeout"
    if isinstance(error, httpx.TimeoutException):
        return "read_timeout"
    if isinstance(error, UnknownHostError):
        return "unknown_host"
    if isinstance(error, httpx.ConnectError):
        return "tls" if isinstance(_root(error), ssl.SSLError) else "refused"
    if isinstance(error, httpx.UnsupportedProtocol):
        return "bad_url"
    return "broken"


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return error


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = tls.verify and tls.check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    try:
        if tls.trusted:
            context.load_verify_locations(cadata=tls.trusted)
        if tls.certificate and tls.key:
            _present(context, tls)
    except ssl.SSLError as error:
        raise ExchangeError("tls", f"the key material cannot be read: {error.reason}") from None
    return context


def _present(context: ssl.SSLContext, tls: Tls) -> None:
    """Load the gateway's own certificate, which Python reads from a file only: one of the owner's, gone at once."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{tls.certificate}\n{tls.key}\n")
        file.flush()
        context.load_cert_chain(file.name)

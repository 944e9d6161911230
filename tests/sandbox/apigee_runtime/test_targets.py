"""Target servers by the table of `balancing.yaml`; URLs, timeouts, payload limits and TLS."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from tests.sandbox.apigee_runtime.tables import rows
from tests.sandbox.apigee_runtime.test_flows import ROUTE, connection, steps
from tests.sandbox.apigee_runtime.world import AUTHORIZED, ENV, World, bundle


@pytest.mark.parametrize(("group", "row"), rows("balancing.yaml"))
async def test_a_load_balancer(world: World, group: dict[str, Any], row: dict[str, Any]) -> None:
    down, asked = set(row.get("down", [])), list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        name, path = request.headers["host"].partition(".")[0], request.url.path
        asked.append(name if path == "/" else name + path)
        if name in down:
            raise httpx.ConnectError("refused")
        return httpx.Response(row.get("answers", {}).get(name, 200))

    for name in ("a", "b", "c", "f", "off"):
        world.backends[f"{name}.example"] = answer
        server = {"name": name, "host": f"{name}.example", "port": 80, "isEnabled": name != "off"}
        await world.ok("POST", f"{ENV}/targetservers", server)
    monitor = f"<HealthMonitor>{row['monitor']}</HealthMonitor>" if "monitor" in row else ""
    target = f"<HTTPTargetConnection><LoadBalancer>{row['servers']}</LoadBalancer>{monitor}</HTTPTargetConnection>"
    await world.deploy(bundle({"default": connection() + ROUTE}, {"default": target}))
    for call in row["calls"]:
        words = str(call).split()
        while words and (words[0] == "up" or words[0].startswith("+")):
            word = words.pop(0)
            if word == "up":
                down.clear()
            else:
                world.clock.advance(float(word))
        asked.clear()
        status = (await world.call()).status_code
        assert [*asked, *([str(status)] if status != 200 else [])] == words, call


async def test_target_servers_lead_to_variables(world: World) -> None:
    world.backends["a.example"] = lambda _: httpx.Response(200)
    await world.ok("POST", f"{ENV}/targetservers", {"name": "a", "host": "a.example", "port": 8080})
    header = (
        "<AssignMessage name='A'><Set><Headers><Header name='X'>{target.host} {target.port} {target.basepath} "
        "{loadbalancing.targetserver} {target.name} {route.name}</Header></Headers></Set></AssignMessage>"
    )
    target = steps("<PreFlow><Response>{A}</Response></PreFlow>") + (
        "<HTTPTargetConnection><LoadBalancer><Server name='a'/></LoadBalancer><Path>/v2</Path></HTTPTargetConnection>"
    )
    await world.deploy(bundle({"default": connection("/shop") + ROUTE}, {"default": target}, {"A": header}))
    answer = await world.call("GET", "/shop/items?q=1")
    assert answer.headers["x"] == "a.example 8080 /v2/items a default default"
    assert str(world.received[0].url.raw_path, "ascii") == "/v2/items?q=1"


@pytest.mark.parametrize(
    ("set_variables", "sent"),
    [
        ({}, "/v1/items/7?q=1&r=2"),
        ({"target.copy.pathsuffix": "false"}, "/v1?q=1&r=2"),
        ({"target.copy.queryparams": "false"}, "/v1/items/7"),
        ({"target.url": "https://backend.example/other?x=1"}, "/other?x=1"),
    ],
)
async def test_path_and_query_reach_the_target(world: World, set_variables: dict[str, str], sent: str) -> None:
    world.backends["backend.example"] = lambda _: httpx.Response(200)
    assigned = "".join(
        f"<AssignVariable><Name>{name}</Name><Value>{value}</Value></AssignVariable>"
        for name, value in set_variables.items()
    )
    target = steps("<PreFlow><Request>{A}</Request></PreFlow>") + (
        "<HTTPTargetConnection><URL>https://backend.example/v1</URL></HTTPTargetConnection>"
    )
    policies = {"A": f"<AssignMessage name='A'>{assigned}</AssignMessage>"}
    await world.deploy(bundle({"default": connection("/shop") + ROUTE}, {"default": target}, policies))
    await world.call("GET", "/shop/items/7?q=1&r=2")
    assert str(world.received[0].url.raw_path, "ascii") == sent


# ---- failures, limits ----


def _raise(error: httpx.HTTPError) -> httpx.Response:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "code", "reason"),
    [
        (httpx.ConnectError("x"), 503, "messaging.adaptors.http.flow.ServiceUnavailable", None),
        (httpx.ConnectTimeout("x"), 503, "messaging.adaptors.http.flow.ServiceUnavailable", "TARGET_CONNECT_TIMEOUT"),
        (httpx.ReadTimeout("x"), 504, "messaging.adaptors.http.flow.GatewayTimeout", "TARGET_READ_TIMEOUT"),
        (httpx.RemoteProtocolError("x"), 502, "messaging.adaptors.http.flow.UnexpectedEOFAtTarget", None),
    ],
)
async def test_a_target_that_fails(
    world: World, error: httpx.HTTPError, status: int, code: str, reason: str | None
) -> None:
    world.backends["backend.example"] = lambda _: _raise(error)
    target = "<HTTPTargetConnection><URL>https://backend.example</URL></HTTPTargetConnection>"
    await world.deploy(bundle({"default": connection() + ROUTE}, {"default": target}))
    answer = await world.call()
    assert answer.status_code == status
    detail = answer.json()["fault"]["detail"]
    assert (detail["errorcode"], detail.get("reason")) == (code, reason)


async def test_the_whole_call_has_a_timeout(world: World) -> None:
    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

    world.backends["backend.example"] = lambda _: httpx.Response(200)
    world.network.client = httpx.AsyncClient(transport=Slow())
    proxy = (
        "<HTTPProxyConnection><BasePath>/</BasePath><Properties><Property name='api.timeout'>20</Property>"
        "</Properties></HTTPProxyConnection>" + ROUTE
    )
    target = "<HTTPTargetConnection><URL>https://backend.example</URL></HTTPTargetConnection>"
    await world.deploy(bundle({"default": proxy}, {"default": target}))
    answer = await world.call()
    assert answer.status_code == 504
    assert answer.json()["fault"]["detail"]["errorcode"] == "messaging.adaptors.http.flow.GatewayTimeout"


MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("properties", "request_size", "response_size", "status"),
    [
        ({}, 10 * MEGABYTE, 10 * MEGABYTE, 200),
        ({}, 10 * MEGABYTE + 1, 0, 413),
        ({}, 0, 10 * MEGABYTE + 1, 502),
        ({"request.streaming.enabled": "true"}, 10 * MEGABYTE + 1, 0, 200),
        ({"response.streaming.enabled": "true"}, 0, 10 * MEGABYTE + 1, 200),
        (
            {"request.payload.parse.limit": "15M", "response.payload.parse.limit": "15M"},
            12 * MEGABYTE,
            12 * MEGABYTE,
            200,
        ),
        ({"request.payload.parse.limit": "1K"}, 1025, 0, 413),
    ],
)
async def test_payloads_have_a_limit_unless_they_are_streamed(
    world: World, properties: dict[str, str], request_size: int, response_size: int, status: int
) -> None:
    world.backends["backend.example"] = lambda _: httpx.Response(200, content=bytes(response_size))
    listed = "".join(f"<Property name='{name}'>{value}</Property>" for name, value in properties.items())
    proxy = f"<HTTPProxyConnection><BasePath>/</BasePath><Properties>{listed}</Properties></HTTPProxyConnection>{ROUTE}"
    target = f"<HTTPTargetConnection><URL>https://backend.example</URL><Properties>{listed}</Properties></HTTPTargetConnection>"
    await world.deploy(bundle({"default": proxy}, {"default": target}))
    answer = await world.call("POST", content=bytes(request_size))
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["fault"]["detail"]["errorcode"] == "protocol.http.TooBigBody"


# ---- TLS ----


def _certificate(name: str) -> tuple[str, str]:
    """Return a self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


@asynccontextmanager
async def _tls_server(folder: Path, certificate: str, key: str, client_ca: str = "") -> AsyncGenerator[int]:
    """Serve `ok` over TLS on a free port; with `client_ca` only to clients that show a certificate of it."""
    path = folder / "server.pem"
    path.write_text(certificate + key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _keystore(world: World, name: str, certificate: str, key: str = "") -> None:
    await world.ok("POST", f"{ENV}/keystores", {"name": name})
    files = {"certFile": certificate.encode(), **({"keyFile": key.encode()} if key else {})}
    answer = await world.api.post(
        f"{ENV}/keystores/{name}/aliases?format=keycertfile&alias=one",
        files={part: (part, data) for part, data in files.items()},
        headers=AUTHORIZED,
    )
    assert answer.status_code == 200, answer.text


TRUST = "<SSLInfo><Enabled>true</Enabled><TrustStore>{0}</TrustStore>{1}</SSLInfo>"
ENFORCED = "<Enforce>true</Enforce>"


@pytest.mark.parametrize(
    ("ssl_info", "status"),
    [
        ("", 200),
        ("<SSLInfo><Enabled>true</Enabled></SSLInfo>", 200),
        (f"<SSLInfo><Enabled>true</Enabled>{ENFORCED}</SSLInfo>", 503),
        (TRUST.format("right", ""), 200),
        (TRUST.format("ref://current", ""), 200),
        (TRUST.format("{store:right}", ""), 200),
        (TRUST.format("wrong", ""), 503),
        (TRUST.format("wrong", "<IgnoreValidationErrors>true</IgnoreValidationErrors>"), 200),
        (TRUST.format("right", ENFORCED), 503),
        (TRUST.format("right", f"{ENFORCED}<CommonName>backend.example</CommonName>"), 200),
        (TRUST.format("missing", ""), 503),
    ],
)
async def test_tls_is_verified_as_the_target_says(world: World, tmp_path: Path, ssl_info: str, status: int) -> None:
    certificate, key = _certificate("backend.example")
    await _keystore(world, "right", certificate)
    await _keystore(world, "wrong", _certificate("other.example")[0])
    await world.ok("POST", f"{ENV}/references", {"name": "current", "resourceType": "TrustStore", "refers": "right"})
    async with _tls_server(tmp_path, certificate, key) as port:
        target = f"<HTTPTargetConnection><URL>https://127.0.0.1:{port}</URL>{ssl_info}</HTTPTargetConnection>"
        await world.deploy(bundle({"default": connection() + ROUTE}, {"default": target}))
        answer = await world.call()
    assert answer.status_code == status, answer.text
    if status == 503:
        assert answer.json()["fault"]["detail"]["errorcode"] == "messaging.adaptors.http.flow.SslHandshakeFailed"


@pytest.mark.parametrize(("enabled", "works"), [("true", True), ("false", False)])
async def test_the_gateway_shows_its_own_certificate(world: World, tmp_path: Path, enabled: str, works: bool) -> None:
    certificate, key = _certificate("backend.example")
    own, own_key = _certificate("gateway.example")
    await _keystore(world, "own", own, own_key)
    async with _tls_server(tmp_path, certificate, key, own) as port:
        server = {
            "name": "a",
            "host": "127.0.0.1",
            "port": port,
            "sSLInfo": {"enabled": True, "clientAuthEnabled": enabled == "true", "keyStore": "own", "keyAlias": "one"},
        }
        await world.ok("POST", f"{ENV}/targetservers", server)
        target = "<HTTPTargetConnection><LoadBalancer><Server name='a'/></LoadBalancer></HTTPTargetConnection>"
        await world.deploy(bundle({"default": connection() + ROUTE}, {"default": target}))
        answer = await world.call()
    assert (answer.status_code == 200) is works

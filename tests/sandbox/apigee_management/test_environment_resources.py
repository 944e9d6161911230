"""Shared flows, flow hooks, keystores, references, resource files, debug masks, and maps of every scope."""

from __future__ import annotations

import datetime
import io
import zipfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from tests.sandbox.apigee_management.bundle import make_bundle
from tests.sandbox.apigee_management.conftest import ENV, HEADERS, ORG, Api

FLOW = "<SharedFlow name='default'/>"
CALLOUT = "<FlowCallout name='FC-log'><SharedFlowBundle>log</SharedFlowBundle></FlowCallout>"


def shared_flow() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("sharedflowbundle/log.xml", "<SharedFlowBundle name='log'/>")
        archive.writestr("sharedflowbundle/sharedflows/default.xml", FLOW)
    return buffer.getvalue()


@pytest.fixture
async def deployed(api: Api) -> Api:
    """The API with shared flow `log` deployed in prod."""
    headers = {**HEADERS, "Content-Type": "application/octet-stream"}
    made = await api.send("POST", f"{ORG}/sharedflows?name=log&action=import", shared_flow(), headers=headers)
    assert made.status_code == 200, made.text
    await api.ok("POST", f"{ENV}/sharedflows/log/revisions/1/deployments?override=true")
    return api


async def test_a_shared_flow_lives(deployed: Api) -> None:
    found = await deployed.ok("GET", f"{ORG}/sharedflows/log")
    assert (found["revision"], found["latestRevisionId"]) == (["1"], "1")
    assert (await deployed.ok("GET", f"{ORG}/sharedflows")) == {"sharedFlows": [{"name": "log"}]}
    revision = await deployed.ok("GET", f"{ORG}/sharedflows/log/revisions/1")
    assert revision["sharedFlows"] == ["default"]
    deployment = await deployed.ok("GET", f"{ENV}/sharedflows/log/revisions/1/deployments")
    assert {deployment[part] for part in ("apiProxy", "revision", "environment")} == {"log", "1", "prod"}
    assert (await deployed.ok("GET", f"{ENV}/deployments?sharedFlows=true"))["deployments"][0]["apiProxy"] == "log"
    assert await deployed.ok("GET", f"{ENV}/deployments") == {}
    error = await deployed.error("DELETE", f"{ORG}/sharedflows/log")
    assert error["details"][0]["violations"][0]["type"] == "WOULD_BREAK_DEPENDENT"
    await deployed.ok("DELETE", f"{ENV}/sharedflows/log/revisions/1/deployments")
    await deployed.ok("DELETE", f"{ORG}/sharedflows/log")
    assert (await deployed.error("GET", f"{ORG}/sharedflows/log"))["code"] == 404


async def test_a_shared_flow_that_a_deployed_proxy_calls_stays(deployed: Api) -> None:
    target = await deployed.send("POST", f"{ENV}/targetservers", {"name": "orders", "host": "o.example", "port": 443})
    assert target.status_code == 200
    await deployed.upload("store", make_bundle("store", extra={"apiproxy/policies/FC-log.xml": CALLOUT}))
    await deployed.ok("POST", f"{ENV}/apis/store/revisions/1/deployments")
    error = await deployed.error("DELETE", f"{ENV}/sharedflows/log/revisions/1/deployments")
    assert error["message"] == "undeployment validations failed"
    assert error["details"][0]["violations"][0]["subject"] == f"{ORG}/apis/store/revisions/1"


async def test_a_flow_hook_lives(deployed: Api) -> None:
    hook = f"{ENV}/flowhooks/PreProxyFlowHook"
    assert "sharedFlow" not in await deployed.ok("GET", hook)
    made = await deployed.ok("PUT", hook, {"sharedFlow": "log"})
    assert made == {"flowHookPoint": "PreProxyFlowHook", "sharedFlow": "log", "continueOnError": True}
    assert await deployed.ok("GET", hook) == made
    error = await deployed.error("DELETE", f"{ENV}/sharedflows/log/revisions/1/deployments")
    assert error["details"][0]["violations"][0]["subject"] == hook
    assert await deployed.ok("DELETE", hook) == made
    assert (await deployed.error("DELETE", hook))["code"] == 404


@pytest.mark.parametrize(("point", "flow", "code"), [("PreFlow", "log", 404), ("PostProxyFlowHook", "missing", 400)])
async def test_a_flow_hook_of_another_point_or_flow_is_refused(deployed: Api, point: str, flow: str, code: int) -> None:
    assert (await deployed.error("PUT", f"{ENV}/flowhooks/{point}", {"sharedFlow": flow}))["code"] == code


# ---- keystores and references ----


def certificate() -> tuple[bytes, bytes, ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "backend.example")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=365))
        .sign(key, SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"open")
    )
    return made.public_bytes(serialization.Encoding.PEM), pem, key, made


async def _form(api: Api, path: str, files: dict[str, bytes], data: dict[str, str] | None = None) -> tuple[int, str]:
    answer = await api.client.post(
        f"/v1/{path}",
        files={name: (name, body) for name, body in files.items()},
        data=data,
        headers={"Authorization": "Bearer any"},
    )
    return answer.status_code, answer.text


async def test_a_keystore_holds_certificates_and_keys(api: Api) -> None:
    assert await api.ok("POST", f"{ENV}/keystores", {"name": "south"}) == {"name": "south", "aliases": []}
    pem, key, private, made = certificate()
    aliases = f"{ENV}/keystores/south/aliases"
    status, text = await _form(
        api, f"{aliases}?format=keycertfile&alias=own", {"certFile": pem, "keyFile": key}, {"password": "open"}
    )
    assert status == 200, text
    p12 = pkcs12.serialize_key_and_certificates(b"x", private, made, None, serialization.BestAvailableEncryption(b"p"))
    status, text = await _form(api, f"{aliases}?format=pkcs12&alias=packed", {"file": p12}, {"password": "p"})
    assert status == 200, text
    found = await api.ok("GET", f"{aliases}/own")
    assert found["type"] == "KEY_CERT"
    assert found["certsInfo"]["certInfo"][0]["subject"] == "CN=backend.example"
    assert found["certsInfo"]["certInfo"][0]["isValid"] == "Yes"
    assert "PRIVATE" not in str(found)
    assert (await api.send("GET", f"{aliases}/own/certificate")).content == pem
    await api.ok("POST", f"{aliases}?format=selfsignedcert", {"alias": "made", "subject": {"commonName": "x.example"}})
    assert (await api.ok("GET", f"{ENV}/keystores/south"))["aliases"] == ["own", "packed", "made"]
    await api.ok("DELETE", f"{aliases}/own")
    await api.ok("DELETE", f"{ENV}/keystores/south")
    assert (await api.error("GET", f"{aliases}/packed"))["code"] == 404


async def test_what_is_no_key_or_has_another_password_is_refused(api: Api) -> None:
    await api.ok("POST", f"{ENV}/keystores", {"name": "south"})
    pem, key, _, _ = certificate()
    path = f"{ENV}/keystores/south/aliases?format=keycertfile&alias=own"
    for files in ({"certFile": pem, "keyFile": key}, {"certFile": b"nothing"}, {"keyFile": key}):
        status, _ = await _form(api, path, files, {"password": "wrong"})
        assert status == 400


async def test_a_reference_leads_to_a_keystore_that_is_there(api: Api) -> None:
    await api.ok("POST", f"{ENV}/keystores", {"name": "south"})
    body = {"name": "current", "resourceType": "KeyStore", "refers": "south"}
    # With the slash that the official provider sends.
    assert await api.ok("POST", f"{ENV}/references/", body) == body
    assert (await api.error("PUT", f"{ENV}/references/current", {**body, "refers": "north"}))["code"] == 400
    assert await api.ok("DELETE", f"{ENV}/references/current") == body


# ---- resource files and debug masks ----


async def test_a_resource_file_lives(api: Api) -> None:
    files, octets = f"{ENV}/resourcefiles", {**HEADERS, "Content-Type": "application/octet-stream"}
    entry = {"name": "limits.properties", "type": "properties"}
    made = await api.send("POST", f"{files}?type=properties&name=limits.properties", b"a=1", headers=octets)
    assert made.json() == entry
    assert (await api.ok("GET", files)) == {"resourceFile": [entry]}
    assert (await api.send("GET", f"{files}/properties/limits.properties")).content == b"a=1"
    assert (await api.send("PUT", f"{files}/properties/limits.properties", b"a=2", headers=octets)).json() == entry
    assert (await api.send("GET", f"{files}/properties/limits.properties")).content == b"a=2"
    await api.ok("DELETE", f"{files}/properties/limits.properties")
    assert (await api.error("GET", f"{files}/properties/limits.properties"))["code"] == 404


async def test_resource_files_are_listed_by_type(api: Api) -> None:
    files, octets = f"{ENV}/resourcefiles", {**HEADERS, "Content-Type": "application/octet-stream"}
    script = {"name": "lib/util.js", "type": "jsc"}
    assert (await api.send("POST", f"{files}?type=jsc&name=lib/util.js", b"1;", headers=octets)).json() == script
    await api.send("POST", f"{files}?type=properties&name=limits", b"a=1", headers=octets)
    assert await api.ok("GET", f"{files}/jsc") == {"resourceFile": [script]}
    assert await api.ok("GET", f"{files}?type=jsc") == {"resourceFile": [script]}
    assert await api.ok("GET", f"{files}/xsl") == {"resourceFile": []}
    assert (await api.send("GET", f"{files}/jsc/lib%2Futil.js")).content == b"1;"
    assert await api.ok("DELETE", f"{files}/jsc/lib%2Futil.js") == script


async def test_a_resource_file_may_come_as_a_form(api: Api) -> None:
    path = f"/v1/{ENV}/resourcefiles"
    headers = {"Authorization": HEADERS["Authorization"]}
    made = await api.client.post(f"{path}?type=jsc&name=a.js", files={"file": ("a.js", b"1;")}, headers=headers)
    assert made.json() == {"name": "a.js", "type": "jsc"}
    assert (await api.send("GET", f"{ENV}/resourcefiles/jsc/a.js")).content == b"1;"
    await api.client.put(f"{path}/jsc/a.js", files={"file": ("a.js", b"2;")}, headers=headers)
    assert (await api.send("GET", f"{ENV}/resourcefiles/jsc/a.js")).content == b"2;"


@pytest.mark.parametrize(
    ("method", "path", "content", "code", "says"),
    [
        ("POST", "?type=exe&name=a.js", b"1;", 400, "invalid type"),
        ("POST", "?type=jsc", b"1;", 400, "invalid name"),
        ("POST", "?type=jsc&name=a%0Ab", b"1;", 400, "invalid name"),
        ("POST", "?type=jsc&name=a.js", b"", 400, "the body must be the file"),
        ("POST", "?type=jsc&name=there.js", b"1;", 409, "already exists"),
        ("PUT", "/jsc/none.js", b"1;", 404, "not found"),
        ("DELETE", "/jsc/none.js", None, 404, "not found"),
        ("GET", "/exe", None, 400, "invalid type"),
    ],
)
async def test_a_resource_file_is_refused(
    api: Api, method: str, path: str, content: bytes | None, code: int, says: str
) -> None:
    files, octets = f"{ENV}/resourcefiles", {**HEADERS, "Content-Type": "application/octet-stream"}
    await api.send("POST", f"{files}?type=jsc&name=there.js", b"1;", headers=octets)
    error = await api.error(method, files + path, content, headers=octets)
    assert error["code"] == code
    assert says in error["message"]


async def test_a_debug_mask_is_changed_member_by_member(api: Api) -> None:
    mask = f"{ENV}/debugmask"
    assert await api.ok("GET", mask) == {"name": mask}
    await api.ok("PATCH", f"{mask}?updateMask=variables,namespaces", {"variables": ["a"], "namespaces": {"x": "urn:x"}})
    more = await api.ok("PATCH", f"{mask}?updateMask=variables&replaceRepeatedFields=false", {"variables": ["b", "a"]})
    assert more == {"name": mask, "variables": ["a", "b"], "namespaces": {"x": "urn:x"}}
    assert await api.ok("PATCH", f"{mask}?updateMask=variables,namespaces", {}) == {"name": mask}
    assert (await api.error("PATCH", f"{mask}?updateMask=other", {}))["code"] == 400


# ---- key value maps ----


@pytest.mark.parametrize("owner", [ORG, ENV, f"{ORG}/apis/store"])
async def test_a_map_belongs_to_organization_environment_or_proxy(api: Api, owner: str) -> None:
    await api.upload("store", make_bundle("store"))
    others = {ORG, ENV, f"{ORG}/apis/store"} - {owner}
    await api.ok("POST", f"{owner}/keyvaluemaps", {"name": "limits"})
    entry = {"name": "a", "value": "1"}
    assert await api.ok("POST", f"{owner}/keyvaluemaps/limits/entries", entry) == entry
    assert await api.ok("GET", f"{owner}/keyvaluemaps") == ["limits"]
    assert await api.ok("GET", f"{owner}/keyvaluemaps/limits/entries/a") == entry
    for other in others:
        assert await api.ok("GET", f"{other}/keyvaluemaps") == []
        assert (await api.error("GET", f"{other}/keyvaluemaps/limits/entries/a"))["code"] == 404
    await api.ok("DELETE", f"{owner}/keyvaluemaps/limits")
    assert await api.ok("GET", f"{owner}/keyvaluemaps") == []


async def test_the_maps_of_a_proxy_are_gone_with_it(api: Api) -> None:
    await api.upload("store", make_bundle("store"))
    await api.ok("POST", f"{ORG}/apis/store/keyvaluemaps", {"name": "limits"})
    await api.ok("DELETE", f"{ORG}/apis/store")
    await api.upload("store", make_bundle("store"))
    assert await api.ok("GET", f"{ORG}/apis/store/keyvaluemaps") == []


async def test_an_entry_may_be_named_after_a_path(shop: Api) -> None:
    """As in the sample monolith-to-microservices-based-on-paths, whose map has an entry for each path."""
    entry = {"name": "/orders/*", "value": "microservice"}
    entries = f"{ENV}/keyvaluemaps/keys/entries"
    assert await shop.ok("POST", entries, entry) == entry
    assert await shop.ok("GET", f"{entries}/%2Forders%2F*") == entry
    assert await shop.ok("PUT", f"{entries}/%2Forders%2F*", {**entry, "value": "monolith"})
    await shop.ok("DELETE", f"{entries}/%2Forders%2F*")

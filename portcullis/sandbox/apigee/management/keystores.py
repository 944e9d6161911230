"""Keystores of an environment, and the certificates and keys in them by alias."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field, invalid
from portcullis.sandbox.apigee.management.messages import INT32, TEXT, check, require_name
from portcullis.sandbox.apigee.management.service import (
    ALIASES,
    KEYSTORES,
    Answer,
    Call,
    Endpoint,
    Raw,
    Service,
)
from portcullis.sandbox.store import JsonObject

_NAME = r"[\w. -]+"
_SELF_SIGNED = {
    "alias": TEXT,
    "keySize": TEXT,
    "sigAlg": TEXT,
    "subject": {
        "commonName": TEXT,
        "countryCode": TEXT,
        "email": TEXT,
        "locality": TEXT,
        "org": TEXT,
        "orgUnit": TEXT,
        "state": TEXT,
    },
    "subjectAlternativeDnsNames": {"subjectAlternativeName": TEXT},
    "certValidityInDays": INT32,
}
_MIN_KEY_BITS, _MAX_KEY_BITS = 2048, 4096


def _create(service: Service, call: Call) -> Answer:
    service.environment(call)
    name = check(call.body, {"name": TEXT}, "keystore").get("name", "") or call.query.get("name", "")
    require_name(name, _NAME, "keystore.name")
    key = f"{call.key('org', 'env')}/{name}"
    if service.store.get(KEYSTORES, key):
        raise already_exists(f"KeyStore {call.path}/{name} already exists")
    service.store.put(KEYSTORES, key, {"name": name})
    return _shown(service, key, {"name": name})


def _shown(service: Service, key: str, store: JsonObject) -> JsonObject:
    return {**store, "aliases": [item["alias"] for item in service.list(ALIASES, key)]}


def _found(service: Service, call: Call) -> JsonObject:
    service.environment(call)
    called = f"organizations/{call.names['org']}/environments/{call.names['env']}/keystores/{call.names['store']}"
    return service.find(KEYSTORES, call.key("org", "env", "store"), called)


def _get(service: Service, call: Call) -> Answer:
    return _shown(service, call.key("org", "env", "store"), _found(service, call))


def _list(service: Service, call: Call) -> Answer:
    service.environment(call)
    return [item["name"] for item in service.list(KEYSTORES, call.key("org", "env"))]


def _delete(service: Service, call: Call) -> Answer:
    found, key = _found(service, call), call.key("org", "env", "store")
    shown = _shown(service, key, found)
    service.delete_all(ALIASES, key)
    service.store.delete(KEYSTORES, key)
    return shown


# ---- aliases ----


def _create_alias(service: Service, call: Call) -> Answer:
    _found(service, call)
    form = call.query.get("format", "")
    reader = _READERS.get(form)
    if reader is None:
        raise bad_field("format", f"the query parameter format must be one of {', '.join(sorted(_READERS))}")
    alias = call.query.get("alias") or str(call.body.get("alias", ""))
    require_name(alias, _NAME, "alias")
    key = f"{call.key('org', 'env', 'store')}/{alias}"
    if service.store.get(ALIASES, key):
        raise already_exists(f"Alias {call.path}/{alias} already exists")
    return _put(service, key, alias, *reader(service, call))


def _put(service: Service, key: str, alias: str, certificate: str, private: str) -> JsonObject:
    document: JsonObject = {
        "alias": alias,
        "type": "KEY_CERT" if private else "CERT",
        "certsInfo": {"certInfo": [_info(one, int(service.now())) for one in _certificates(certificate)]},
        "_certificate": certificate,
        "_key": private,
    }
    service.store.put(ALIASES, key, document)
    return document


def _certificates(pem: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise invalid("the certificate is not readable PEM") from None
    return found


def _info(certificate: x509.Certificate, now: int) -> JsonObject:
    start = int(certificate.not_valid_before_utc.timestamp() * 1000)
    end = int(certificate.not_valid_after_utc.timestamp() * 1000)
    return {
        "version": 3,
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serialNumber": format(certificate.serial_number, "x"),
        "validFrom": str(start),
        "expiryDate": str(end),
        "isValid": "Yes" if start <= now <= end else "No",
        "sigAlgName": certificate.signature_algorithm_oid._name,  # pyright: ignore[reportPrivateUsage]
        "publicKey": type(certificate.public_key()).__name__,
    }


def _part(call: Call, name: str) -> str:
    data = call.form.get(name)
    if data is None:
        raise bad_field(name, f"the form must have a part {name}")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise bad_field(name, f"{name} is not PEM text") from None


def _key_and_certificate(_service: Service, call: Call) -> tuple[str, str]:
    certificate = _part(call, "certFile")
    if "keyFile" not in call.form:
        return certificate, ""
    return certificate, _private(_part(call, "keyFile").encode(), call.form.get("password"))


def _private(pem: bytes, password: bytes | None) -> str:
    try:
        key = serialization.load_pem_private_key(pem, password or None)
    except (ValueError, TypeError):
        raise invalid("the private key cannot be read: it is no PEM, or its password is wrong") from None
    return _pem(key)


def _pem(key: PrivateKeyTypes) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def _pem_only(_service: Service, call: Call) -> tuple[str, str]:
    return (call.form.get("certFile") or call.form.get("file") or call.content).decode("utf-8", "replace"), ""


def _pkcs12(_service: Service, call: Call) -> tuple[str, str]:
    data = call.form.get("file") or call.form.get("pfxFile") or call.content
    try:
        bundle = pkcs12.load_pkcs12(data, call.form.get("password"))
    except ValueError:
        raise invalid("the PKCS12 file cannot be read, or its password is wrong") from None
    if bundle.key is None or bundle.cert is None:
        raise invalid("the PKCS12 file holds no key with its certificate")
    chain = [bundle.cert, *bundle.additional_certs]
    return "".join(one.certificate.public_bytes(serialization.Encoding.PEM).decode() for one in chain), _pem(bundle.key)


def _self_signed(_service: Service, call: Call) -> tuple[str, str]:
    body = check(call.body, _SELF_SIGNED, "self_signed_certificate")
    subject: JsonObject = body.get("subject") or {}
    common_name = str(subject.get("commonName", "")) or str(body.get("alias", "")) or "localhost"
    size = int(body.get("keySize", "2048") or 2048)
    if not _MIN_KEY_BITS <= size <= _MAX_KEY_BITS:
        raise bad_field("key_size", f"keySize must be between {_MIN_KEY_BITS} and {_MAX_KEY_BITS}")
    key = rsa.generate_private_key(public_exponent=65537, key_size=size)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    names: JsonObject = body.get("subjectAlternativeDnsNames") or {}
    alternative = names.get("subjectAlternativeName") or common_name
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=int(body.get("certValidityInDays") or 365)))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(str(alternative))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), _pem(key)


_READERS: dict[str, Callable[[Service, Call], tuple[str, str]]] = {
    "keycertfile": _key_and_certificate,
    "pem": _pem_only,
    "pkcs12": _pkcs12,
    "selfsignedcert": _self_signed,
}


def _alias(service: Service, call: Call) -> JsonObject:
    _found(service, call)
    return service.find(ALIASES, call.key("org", "env", "store", "alias"), call.path)


def _get_alias(service: Service, call: Call) -> Answer:
    return _alias(service, call)


def _get_certificate(service: Service, call: Call) -> Answer:
    return Raw(str(_alias(service, call)["_certificate"]).encode(), "application/x-pem-file")


def _list_aliases(service: Service, call: Call) -> Answer:
    _found(service, call)
    return [item["alias"] for item in service.list(ALIASES, call.key("org", "env", "store"))]


def _update_alias(service: Service, call: Call) -> Answer:
    old = _alias(service, call)
    certificate = (call.form.get("certFile") or call.content).decode("utf-8", "replace")
    return _put(service, call.key("org", "env", "store", "alias"), old["alias"], certificate, str(old["_key"]))


def _delete_alias(service: Service, call: Call) -> Answer:
    alias = _alias(service, call)
    service.store.delete(ALIASES, call.key("org", "env", "store", "alias"))
    return alias


_STORES = "organizations/{org}/environments/{env}/keystores"
_ALIASES = f"{_STORES}/{{store}}/aliases"

ENDPOINTS = (
    Endpoint("GET", _STORES, _list),
    Endpoint("POST", _STORES, _create),
    Endpoint("GET", f"{_STORES}/{{store}}", _get),
    Endpoint("DELETE", f"{_STORES}/{{store}}", _delete),
    Endpoint("GET", _ALIASES, _list_aliases),
    Endpoint("POST", _ALIASES, _create_alias),
    Endpoint("GET", f"{_ALIASES}/{{alias}}", _get_alias),
    Endpoint("PUT", f"{_ALIASES}/{{alias}}", _update_alias),
    Endpoint("DELETE", f"{_ALIASES}/{{alias}}", _delete_alias),
    Endpoint("GET", f"{_ALIASES}/{{alias}}/certificate", _get_certificate),
)

"""What the TLS settings of a connection mean: key and trust material from the keystores of the environment."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.exchange import Tls
from portcullis.sandbox.store import JsonObject, Store

ALIASES = "apigee.aliases"
REFERENCES = "apigee.references"


class TlsError(Exception):
    """A keystore, alias or reference that is named is not there; the message says which."""


@dataclass(frozen=True)
class Settings:
    """An SSLInfo with its values filled in, of a target server as well as of a connection."""

    enabled: bool = False
    enforce: bool = False
    client_auth: bool = False
    key_store: str = ""
    key_alias: str = ""
    trust_store: str = ""
    ignore_errors: bool = False
    common_name: str = ""


def settings_of(document: JsonObject) -> Settings:
    """Read the `sSLInfo` of a target server."""
    common_name: JsonObject = document.get("commonName") or {}
    return Settings(
        enabled=bool(document.get("enabled")),
        enforce=bool(document.get("enforce")),
        client_auth=bool(document.get("clientAuthEnabled")),
        key_store=str(document.get("keyStore", "")),
        key_alias=str(document.get("keyAlias", "")),
        trust_store=str(document.get("trustStore", "")),
        ignore_errors=bool(document.get("ignoreValidationErrors")),
        common_name=str(common_name.get("value", "")),
    )


def tls_of(store: Store, place: str, settings: Settings) -> Tls:
    """Return what the settings ask for; `place` is `ORGANIZATION/ENVIRONMENT`. Raises `TlsError`.

    A target's certificate is verified where `<Enforce>` is true, and against a truststore that is named unless
    validation errors are to be ignored; its hostname only where `<Enforce>` is true (TLS guide).
    """
    trusted = ""
    if settings.trust_store:
        name = _store_name(store, place, settings.trust_store)
        found = [document for _, document in store.items(ALIASES, f"{place}/{name}/")]
        if not found:
            raise TlsError(f"truststore {name} is not there or has no certificate")
        trusted = "\n".join(str(document["_certificate"]) for document in found)
    certificate, key = _own(store, place, settings) if settings.client_auth else ("", "")
    return Tls(
        verify=settings.enforce or (bool(trusted) and not settings.ignore_errors),
        trusted=trusted,
        certificate=certificate,
        key=key,
        common_name=settings.common_name,
        check_hostname=settings.enforce,
    )


def _own(store: Store, place: str, settings: Settings) -> tuple[str, str]:
    name = _store_name(store, place, settings.key_store)
    document = store.get(ALIASES, f"{place}/{name}/{settings.key_alias}")
    if document is None or not document.get("_key"):
        raise TlsError(f"keystore {name} has no key under alias {settings.key_alias}")
    return str(document["_certificate"]), str(document["_key"])


def _store_name(store: Store, place: str, name: str) -> str:
    if not name.startswith("ref://"):
        return name
    reference = store.get(REFERENCES, f"{place}/{name.removeprefix('ref://')}")
    if reference is None:
        raise TlsError(f"reference {name} is not there")
    return str(reference["refers"])

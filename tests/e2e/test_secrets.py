"""What must not be readable anywhere: private keys, consumer secrets, tokens."""

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from tests.e2e.checkout import Checkout

PRIVATE_MEMBER = re.compile(r'"d"\s*:\s*"[A-Za-z0-9_-]{20,}"')
JWT = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")


def test_the_exported_state_holds_no_secret_in_plaintext(provisioned: Checkout) -> None:
    text = provisioned.exported_state()
    unescaped = text.replace("\\", "")
    assert not PRIVATE_MEMBER.search(unescaped)
    assert not JWT.search(unescaped)
    for secret in _secrets_of_the_clouds(provisioned):
        assert secret not in unescaped, "a secret that a cloud was given stands in the state in plaintext"


def test_every_secret_property_in_the_state_is_ciphertext(provisioned: Checkout) -> None:
    resources = json.loads(provisioned.exported_state())["deployment"]["resources"]
    found = {
        (resource["type"].rpartition(":")[2], name): value
        for resource in resources
        for name, value in resource.get("outputs", {}).items()
        if (resource["type"].rpartition(":")[2], name)
        in {("SigningKey", "private_jwk"), ("RandomSecret", "value"), ("DeveloperApp", "consumerSecret")}
    }
    assert {name for name, _ in found} == {"SigningKey", "RandomSecret", "DeveloperApp"}
    assert all("ciphertext" in value for value in found.values())


def test_logs_and_audit_lines_hold_no_token(provisioned: Checkout) -> None:
    token = provisioned.portcullis("token")["token"]
    assert provisioned.portcullis("call", "GET", "/orders")["status"] == 200
    logs = provisioned.root / ".portcullis" / "sandbox" / "logs"
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in logs.iterdir())
    assert text
    assert not JWT.search(text)
    assert token.rpartition(".")[2] not in text


def _secrets_of_the_clouds(checkout: Checkout) -> Iterator[str]:
    """Yield what both clouds hold as secrets: it came from the state, so it must be encrypted there."""
    with sqlite3.connect(f"file:{checkout.database}?mode=ro", uri=True) as database:
        versions = _documents(database, "cf.versions")
        apps = _documents(database, "apigee.apps")
    secrets = [b["text"] for version in versions for b in version["bindings"] if b["type"] == "secret_text"]
    rings = [json.loads(text) for text in secrets if text.startswith('{"seq"')]
    consumer = [credential["consumerSecret"] for app in apps for credential in app["credentials"]]
    assert rings
    assert consumer
    yield from (ring["signing"]["d"] for ring in rings)
    yield from (text for text in secrets if not text.startswith("{"))
    yield from consumer


def _documents(database: sqlite3.Connection, collection: str) -> list[Any]:
    rows = database.execute("SELECT body FROM documents WHERE collection = ?", (collection,)).fetchall()
    return [json.loads(body) for (body,) in rows]

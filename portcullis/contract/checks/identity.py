"""Two things that must not be taken for each other: issuers and consumers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from portcullis.contract.document import Document
from portcullis.contract.problem import Problem
from portcullis.contract.secrets_guard import shown


def issuers(document: Document) -> Iterator[Problem]:
    """Refuse two issuers with one URL, and a trailing slash where the profile's `iss` never has one."""
    seen: dict[str, str] = {}
    for name in document.names("issuers"):
        path = ("issuers", name, "issuer")
        url = document.text(*path)
        if url is None:
            continue
        profile = document.text("issuers", name, "profile")
        if url.endswith("/") and profile in {"okta", "okta-org", "google"}:
            yield document.problem(
                path,
                f"{shown(url)} ends with `/`, and the `iss` of the profile `{profile}` never does; they are compared "
                "as they are",
                shown(url.rstrip("/")),
            )
        other = seen.setdefault(url.rstrip("/"), name)
        if other != name:
            yield document.problem(
                path,
                f"the issuers `{other}` and `{name}` have one URL, so nobody could say whose token it is",
                "one issuer with the role mappings of both",
            )


def consumers(document: Document) -> Iterator[Problem]:
    """Refuse two consumers with one client id, or whose client ids become one consumer key at Apigee."""
    seen: dict[str, tuple[str, str]] = {}
    for name in document.names("consumers"):
        path = ("consumers", name, "client_id")
        client_id = document.text(*path)
        if client_id is None:
            continue
        other, other_id = seen.setdefault(re.sub(r"[^A-Za-z0-9_-]", "_", client_id), (name, client_id))
        if other == name:
            continue
        how = "have one client id" if client_id == other_id else "have client ids that Apigee cannot tell apart"
        yield document.problem(
            path, f"the consumers `{other}` and `{name}` {how}", "a client id of its own for each consumer"
        )

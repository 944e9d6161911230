"""Names that must be defined elsewhere in the contract."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from portcullis.contract.document import Document
from portcullis.contract.problem import Problem
from portcullis.contract.secrets_guard import shown
from portcullis.contract.yaml_reader import KeyPath


def references(document: Document) -> Iterator[Problem]:
    """Refuse a role, backend, protection, issuer or product that is used and not defined."""
    for issuer in document.names("issuers"):
        for mapping in document.role_mappings(issuer):
            yield from _defined(document, (*mapping, "role"), "roles", "role")
    for operation in document.operations():
        for path, _ in document.texts(*operation, "roles"):
            yield from _defined(document, path, "roles", "role")
        yield from _defined(document, (*operation, "backend"), "backends", "backend")
        yield from _defined(document, (*operation, "protection"), "protections", "protection")
    for consumer in document.names("consumers"):
        yield from _defined(document, ("consumers", consumer, "issuer"), "issuers", "issuer")
        for path, _ in document.texts("consumers", consumer, "products"):
            yield from _defined(document, path, "products", "product")


def _defined(document: Document, path: KeyPath, section: str, kind: str) -> Iterator[Problem]:
    name = document.text(*path)
    known = document.names(section)
    if name is None or not name.strip() or name in known or not known:
        return
    definition: KeyPath = (section, name)
    if document.removed(definition):
        user = ".".join(str(step) for step in path if isinstance(step, str))
        yield document.problem(
            definition,
            f"the {kind} {shown(name)} is removed here, and `{user}` uses it ({document.position(path)})",
            "no `null` here, or remove what uses it as well",
        )
        return
    near = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(f"`{other}`" for other in known[:20])
    choice = f"`{near[0]}`" if near else f"one of {listed}"
    yield document.problem(
        path, f"the {kind} {shown(name)} is not defined under `{section}`", f"{choice}, or define it there"
    )

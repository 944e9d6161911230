"""Everything that is offered must be reachable by somebody: what nobody can call was meant otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from portcullis.contract.document import Document
from portcullis.contract.problem import Problem
from portcullis.contract.yaml_reader import KeyPath


def reach(document: Document) -> Iterator[Problem]:
    """Refuse an issuer without consumer, a product without consumer, and an operation that no consumer's roles open."""
    consumers = {
        name: (document.text("consumers", name, "issuer"), _products(document, name))
        for name in document.names("consumers")
    }
    used_issuers = {issuer for issuer, _ in consumers.values()}
    for issuer in document.names("issuers"):
        if issuer not in used_issuers:
            yield document.problem(
                ("issuers", issuer),
                f"no consumer has tokens of the issuer `{issuer}`, so none of them is ever accepted",
                f"a consumer with `issuer: {issuer}`, or remove the issuer",
            )
    for product in document.names("products"):
        issuers = [issuer for issuer, products in consumers.values() if product in products and issuer is not None]
        if issuers:
            yield from _operations(document, product, issuers)
        else:
            yield document.problem(
                ("products", product),
                f"the product `{product}` is unreachable: no consumer has it",
                f"`{product}` among the `products` of a consumer, or remove the product",
            )


def _operations(document: Document, product: str, issuers: list[str]) -> Iterator[Problem]:
    for operation in document.names("products", product, "operations"):
        path: KeyPath = ("products", product, "operations", operation)
        wanted = [role for _, role in document.texts(*path, "roles") if role in document.names("roles")]
        if not wanted or any(role in _given(document, issuer) for role in wanted for issuer in issuers):
            continue
        names = ", ".join(f"`{role}`" for role in wanted)
        sources = ", ".join(f"`{issuer}`" for issuer in dict.fromkeys(issuers))
        yield document.problem(
            (*path, "roles"),
            f"the operation `{operation}` is unreachable: it wants {names}, and no role mapping of the issuers whose "
            f"consumers have the product `{product}` ({sources}) gives that",
            f"a mapping `{{claim: groups, value: …, role: {wanted[0]}}}` under one of them, or other roles here",
        )


def _given(document: Document, issuer: str) -> set[str]:
    roles = (document.text(*mapping, "role") for mapping in document.role_mappings(issuer))
    return {role for role in roles if role is not None}


def _products(document: Document, consumer: str) -> set[str]:
    return {product for _, product in document.texts("consumers", consumer, "products")}

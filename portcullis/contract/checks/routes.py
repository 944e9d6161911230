"""One request must mean one operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portcullis.contract.document import Document
from portcullis.contract.paths import overlap, refines
from portcullis.contract.problem import Problem
from portcullis.contract.yaml_reader import KeyPath

# The policy table is read by every isolate when it starts, and Apigee looks through its flows one after the other.
MAX_OPERATIONS: Final = 500


def routes(document: Document) -> Iterator[Problem]:
    """Refuse two operations with one name, and templates of one method of which both match some path.

    Within a product, one of the two may refine the other (`/orders/export` and `/orders/{order}`): it goes first.
    Across products it may not, since Apigee's `/orders/*` opens `/orders/export` to the other product's consumers.
    """
    known = list(document.operations())
    if len(known) > MAX_OPERATIONS:
        yield document.problem(
            known[MAX_OPERATIONS], f"the contract has {len(known)} operations", f"at most {MAX_OPERATIONS}"
        )
        return
    yield from _names(document, known)
    alike: dict[tuple[str | None, int], list[KeyPath]] = {}
    for operation in known:
        template = document.text(*operation, "path") or ""
        rivals = alike.setdefault((document.text(*operation, "method"), template.count("/")), [])
        for earlier in rivals:
            yield from _conflict(document, earlier, operation)
        rivals.append(operation)


def _names(document: Document, known: list[KeyPath]) -> Iterator[Problem]:
    seen: dict[str, KeyPath] = {}
    for operation in known:
        name = str(operation[-1])
        earlier = seen.setdefault(name, operation)
        if earlier != operation:
            yield document.problem(
                operation,
                f"the operation `{name}` is already defined in the product `{earlier[1]}`, and audit lines name "
                "operations",
                "another name",
            )


def _conflict(document: Document, earlier: KeyPath, later: KeyPath) -> Iterator[Problem]:
    one, other = document.text(*earlier, "path"), document.text(*later, "path")
    if one is None or other is None or not overlap(one, other):
        return
    if earlier[1] == later[1] and (refines(one, other) or refines(other, one)):
        return
    where = document.position((*earlier, "path"))
    method = document.text(*later, "method")
    yield document.problem(
        (*later, "path"),
        f"`{method} {other}` of the operation `{later[-1]}` and `{method} {one}` of `{earlier[-1]}` ({where}) match "
        "the same paths",
        "a path or a method of its own for each"
        if earlier[1] == later[1]
        else f"a path of its own for each, or both in one product (here `{earlier[1]}` and `{later[1]}`)",
    )

"""What an operation is protected by, and whether its answers may be kept."""

from __future__ import annotations

from collections.abc import Iterator

from portcullis.contract.document import Document
from portcullis.contract.problem import Problem
from portcullis.contract.yaml_reader import KeyPath

_NAMED = {"query": "parameter", "header": "header"}


def protections(document: Document) -> Iterator[Problem]:
    """Refuse a protection that checks nothing, that nobody uses, or whose patterns say not where to look."""
    used = {document.text(*operation, "protection") for operation in document.operations()}
    for name in document.names("protections"):
        path: KeyPath = ("protections", name)
        if name not in used:
            yield document.problem(
                path,
                f"no operation is protected by `{name}`, so it checks nothing",
                f"`protection: {name}` in the operations it is meant for, or remove it",
            )
        if document.at(path) == {}:
            yield document.problem(path, f"`{name}` checks nothing", "`max_body_bytes`, `json_body` or `patterns`")
        yield from _patterns(document, name)


def caches(document: Document) -> Iterator[Problem]:
    """Refuse to keep answers of methods that change something."""
    for operation in document.operations():
        method = document.text(*operation, "method")
        if document.at((*operation, "cache")) is not None and method not in {"GET", "HEAD", None}:
            yield document.problem(
                (*operation, "cache"),
                f"the operation `{operation[-1]}` is a {method}, and an answer given again would not do it again",
                "`cache` in operations with GET or HEAD alone",
            )


def _patterns(document: Document, protection: str) -> Iterator[Problem]:
    value = document.at(("protections", protection, "patterns"))
    for index in range(len(value) if isinstance(value, list) else 0):
        path: KeyPath = ("protections", protection, "patterns", index)
        where, name = document.text(*path, "where"), document.text(*path, "name")
        if where in _NAMED and name is None:
            yield document.problem(
                path, f"the pattern looks into a {_NAMED[where]} and does not say which", "`name: …` beside `where`"
            )
        elif where in {"path", "body"} and name is not None:
            yield document.problem(
                (*path, "name"), f"the pattern looks into the {where}, which has no name", "it without `name`"
            )

"""What a contract means: references, tokens, reachability, ambiguity, times and protections.

Each check reads the merged document, skips what has the wrong type (the structure check reports that) and yields
problems, so that every problem is reported in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from portcullis.contract.checks.identity import consumers, issuers
from portcullis.contract.checks.protections import caches, protections
from portcullis.contract.checks.reach import reach
from portcullis.contract.checks.references import references
from portcullis.contract.checks.routes import routes
from portcullis.contract.checks.times import times
from portcullis.contract.checks.tokens import tokens
from portcullis.contract.document import Document
from portcullis.contract.problem import Problem
from portcullis.contract.yaml_reader import KeyPath

_CHECKS: Final[tuple[Callable[[Document], Iterator[Problem]], ...]] = (
    references,
    issuers,
    tokens,
    consumers,
    routes,
    times,
    protections,
    caches,
)


def meaning_problems(document: Document, misshapen: Sequence[KeyPath]) -> list[Problem]:
    """Every problem of meaning. `misshapen` are the paths whose shape is wrong, reported already."""
    problems = [problem for check in _CHECKS for problem in check(document)]
    # A misspelled key or a dangling name would be reported again as all that it makes unreachable.
    dangling = any(True for _ in references(document))
    return problems if dangling or any(map(_decides_reach, misshapen)) else [*problems, *reach(document)]


def _decides_reach(path: KeyPath) -> bool:
    """Whether who can reach what depends on the value at `path`."""
    section, key = path[:1], path[2:3]
    if section == ("issuers",):
        return key in {(), ("roles",)}
    if section == ("products",):
        return key in {(), ("operations",)}
    return section in {("roles",), ("consumers",)}

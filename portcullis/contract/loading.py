"""Loads a contract: read, merge, check, freeze."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from portcullis.contract.checks import meaning_problems
from portcullis.contract.document import Document, merge
from portcullis.contract.model import Contract
from portcullis.contract.problem import ContractError, Problem
from portcullis.contract.structure import structure_problems
from portcullis.contract.yaml_reader import Json, SourceFile, read_file


def load(path: Path, overlay: Path | None = None) -> Contract:
    """Load gateway.yaml, with gateway.<stack>.yaml laid over it as a JSON merge patch (RFC 7396).

    Raises ContractError with every problem found in one go, each as `FILE:LINE: what is wrong; write X instead`,
    at the file and line that contributed the wrong value.
    """
    base, patch = _read_both(path, overlay)
    document = merge(base, patch)
    problems = [*base.problems, *(patch.problems if patch is not None else ())]
    shape = structure_problems(document)
    problems += [problem for _, problem in shape]
    problems += meaning_problems(document, [place for place, _ in shape])
    if problems:
        raise ContractError(_in_order(problems, document))
    return Contract.model_validate_json(json.dumps({**document.data, "version_hash": version_hash(document.data)}))


def version_hash(data: dict[str, Json]) -> str:
    """The version of a merged contract: 12 hexadecimal digits of the SHA-256 of its canonical JSON."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _read_both(path: Path, overlay: Path | None) -> tuple[SourceFile, SourceFile | None]:
    files: list[SourceFile] = []
    problems: list[Problem] = []
    for file in (path, overlay):
        if file is None:
            continue
        try:
            files.append(read_file(file))
        except ContractError as error:
            problems += error.problems
    if problems:
        raise ContractError([*(problem for file in files for problem in file.problems), *problems])
    return files[0], files[1] if overlay is not None else None


def _in_order(problems: list[Problem], document: Document) -> list[Problem]:
    """Sort by file, the contract before its overlay, and by line; equal lines keep the order found."""
    return sorted(problems, key=lambda problem: (problem.position.file != document.base.name, problem.position.line))

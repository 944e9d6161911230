"""The ring of the deployed Worker, held against the stack's outputs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from portcullis.cli.project import SANDBOX_STACK, Project
from portcullis.deployed import HOSTS_FILE_VARIABLE, EdgeReport, NoAnswerError, read_edge


def deployed_ring(project: Project, stack: str, outputs: Mapping[str, Any]) -> EdgeReport:
    """Ask the gateway of the stack which ring it holds; raises `NoAnswerError`."""
    if stack == SANDBOX_STACK:
        # As `portcullis env` sets it, for those who have not evaluated that.
        os.environ[HOSTS_FILE_VARIABLE] = str(project.hosts_file)
    return read_edge(str(outputs["url"]))


def deployed_problem(project: Project, stack: str, outputs: Mapping[str, Any]) -> str:
    """Say how the deployed Worker's ring differs from the stack's; empty where it does not."""
    generation, kids = int(outputs["ringGeneration"]), published_kids(outputs)
    try:
        found = deployed_ring(project, stack, outputs)
    except NoAnswerError as problem:
        return f"the deployed gateway could not be asked for its ring: {problem}"
    if found.seq == generation and found.kids == kids:
        return ""
    if found.seq == generation:
        return f"the Worker holds other keys at generation {generation} than the stack: two states manage this gateway"
    return f"the Worker holds the ring of generation {found.seq}, the stack that of {generation}: " + (
        "an older state was restored, or another one manages this gateway"
        if found.seq > generation
        else "somebody deployed an older version of it; `pulumi refresh`, then `pulumi up`"
    )


def published_kids(outputs: Mapping[str, Any]) -> tuple[str, ...]:
    """The kids of the stack's published keys, in the ring's order."""
    return tuple(str(key["kid"]) for key in json.loads(str(outputs["jwks"]))["keys"])

"""How a command answers: a table of lines for people, one JSON document for programs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]


def say(document: Any, lines: list[str], *, as_json: bool) -> None:
    """Print the document as JSON, or the lines."""
    typer.echo(json.dumps(document, indent=2) if as_json else "\n".join(lines))


def pairs(values: dict[str, Any]) -> list[str]:
    """Return aligned `name  value` lines."""
    width = max((len(name) for name in values), default=0)
    return [f"{name:<{width}}  {value}" for name, value in values.items()]

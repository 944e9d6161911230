"""The bundle of the good contract, edited, and what its XML says."""

from pathlib import Path
from typing import Any

from lxml import etree
from ruamel.yaml import YAML

from portcullis.contract import load
from portcullis.contract.bundle import render_bundle
from tests.unit.contract.edits import edited

SOURCE = Path(__file__).parents[3] / "apigee_bundle"
ISSUER = "https://api.acme.example"
AUDIENCE = "https://apigee.acme.example/store"

EVERYTHING: list[list[str]] = YAML(typ="safe").load(Path(__file__).with_name("everything.yaml"))
"""Edits of the good contract by which it asks for all that the bundle can do."""


def bundle(folder: Path, edits: list[list[str]] | None = None, source: Path = SOURCE) -> dict[str, bytes]:
    (folder / "gateway.yaml").write_text(edited(edits or []))
    return render_bundle(load(folder / "gateway.yaml"), source, ISSUER, AUDIENCE, "test")


def parsed(files: dict[str, bytes], part: str) -> dict[str, Any]:
    """The XML documents of one part (policies, proxies, targets), by the name of the file."""
    return {
        Path(path).stem: etree.fromstring(content)
        for path, content in files.items()
        if path.startswith(f"apiproxy/{part}/")
    }


def endpoints(files: dict[str, bytes]) -> dict[str, Any]:
    return {**parsed(files, "proxies"), **parsed(files, "targets")}

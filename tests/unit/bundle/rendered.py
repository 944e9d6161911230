"""The bundle of the good contract, edited, and what its XML says."""

from pathlib import Path
from typing import Any

from lxml import etree

from portcullis.contract import load
from portcullis.contract.bundle import render_bundle
from tests.unit.contract.edits import edited

SOURCE = Path(__file__).parents[3] / "apigee_bundle"
ISSUER = "https://api.acme.example"
AUDIENCE = "https://apigee.acme.example/store"


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

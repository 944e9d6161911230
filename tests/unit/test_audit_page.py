"""The page about the audit line tells of every member that is written, and of no other."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_lists_exactly_the_members_of_the_line_in_their_order() -> None:
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    schema = json.loads((ROOT / "worker" / "test" / "data" / "audit_schema.json").read_text(encoding="utf-8"))
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == list(schema)


def test_what_only_the_edge_knows_is_a_constant_null_of_apigees_line() -> None:
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    line = (ROOT / "apigee_bundle" / "apiproxy" / "policies" / "ML-Audit.xml").read_text(encoding="utf-8")
    edge_alone = re.findall(r"^\| `([^`]+)` \|[^|]*\| edge \|", page, re.MULTILINE)
    assert edge_alone == re.findall(r'"([^"]+)":null', line)

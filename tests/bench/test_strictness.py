"""The list of rows that each rival fails."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
RIVALS = ("hono", "jose", "worker_jwt")

pytestmark = pytest.mark.workerd


def test_every_rival_takes_a_good_token_and_fails_other_rows() -> None:
    node = shutil.which("node")
    assert node is not None
    command = [node, str(PROJECT / "bench" / "strictness" / "run.mjs"), "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    rows = json.loads(run.stdout)
    named = {row["name"]: row for row in rows}
    assert len(rows) > 300
    for rival in RIVALS:
        # What each of them must do, so that a rival that does not run at all is not taken for a strict or a lax one.
        assert named["a good access token of Okta"][rival] is None
        assert named["a signature of a stranger's key"][rival] is None
        assert named["sub twice in the claims"][rival] == "takes it"
        assert not [row["name"] for row in rows if str(row[rival]).startswith("answers")]

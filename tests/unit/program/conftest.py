"""The program under mocks asks no network."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no hostname to be found."""
    monkeypatch.setenv("PORTCULLIS_HOSTS_FILE", str(tmp_path / "no-hosts.json"))

"""A running edge for each test."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.sandbox.edge.running import RunningEdge, running_edge


@pytest.fixture
async def running(tmp_path: Path) -> AsyncGenerator[RunningEdge]:
    async with running_edge(tmp_path) as edge:
        yield edge

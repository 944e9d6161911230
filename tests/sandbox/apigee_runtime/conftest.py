from collections.abc import AsyncGenerator

import pytest

from tests.sandbox.apigee_runtime.world import World


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    """The runtime and its management API, with nothing deployed."""
    made = await World().start()
    yield made
    await made.close()

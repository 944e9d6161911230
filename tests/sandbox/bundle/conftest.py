from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox.bundle.deployed import Deployed, contract_of


@pytest.fixture
async def apigee(tmp_path: Path) -> AsyncIterator[Deployed]:
    deployed = Deployed(contract_of(tmp_path))
    yield deployed
    await deployed.close()

"""A cloud's API that is broken on purpose, as a provider meets it."""

import httpx
import pytest
from starlette.responses import PlainTextResponse

from portcullis.sandbox.faulty import with_faults
from portcullis.sandbox.network import Fault, Network


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (None, 200),
        (Fault("down"), 502),
        (Fault("status", status=403), 403),
        (Fault("slow", seconds=0.01), 200),
    ],
    ids=["well", "down", "refusing", "slow"],
)
async def test_an_api_that_is(fault: Fault | None, status: int) -> None:
    network = Network()
    network.set_fault("api.cloudflare.com", fault)
    app = with_faults(PlainTextResponse("told"), network, "api.cloudflare.com")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
        answer = await client.get("/")
    assert answer.status_code == status
    assert (answer.text == "told") == (status == 200)
    await network.close()

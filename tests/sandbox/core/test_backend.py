"""What the echo backend tells of a request."""

import httpx

from portcullis.sandbox import backend


async def test_the_backend_echoes_what_reached_it() -> None:
    transport = httpx.ASGITransport(backend.create_app())
    async with httpx.AsyncClient(transport=transport, base_url="https://orders.example") as client:
        headers = [("X-Many", "1"), ("X-Many", "2")]
        answer = await client.post("/a%2Fb?q=1&q=2", headers=headers, content=b'{"n": 1}')
    echoed = answer.json()
    assert (echoed["backend"], echoed["method"]) == ("orders.example", "POST")
    assert (echoed["path"], echoed["query"]) == ("/a%2Fb", "q=1&q=2")
    assert echoed["body"] == '{"n": 1}'
    assert [value for name, value in echoed["headers"] if name == "x-many"] == ["1", "2"]


async def test_a_body_over_the_limit_is_refused() -> None:
    transport = httpx.ASGITransport(backend.create_app())
    async with httpx.AsyncClient(transport=transport, base_url="https://orders.example") as client:
        answer = await client.post("/", content=b"x" * (backend.MAX_BODY_BYTES + 1))
    assert answer.status_code == 413

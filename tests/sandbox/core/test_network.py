"""How the virtual network carries requests by hostname."""

import httpx
import pytest

from portcullis.sandbox.network import Fault, Network, UnknownHostError


def _network() -> tuple[Network, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text="hello")

    network = Network(httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    network.add_resolver(lambda host: "http://127.0.0.1:4711" if host == "orders.example" else None)
    return network, seen


async def test_a_request_goes_to_the_listener_with_the_hosts_own_name() -> None:
    network, seen = _network()
    await network.send("GET", "https://orders.example:8443/a", [("Host", "forged.example"), ("X-One", "1")])
    assert str(seen[0].url) == "http://127.0.0.1:4711/a"
    assert seen[0].headers.get_list("host") == ["orders.example:8443"]
    assert seen[0].headers["x-one"] == "1"


@pytest.mark.parametrize("path", ["/a%2Fb/%7Ec", "/a//b", "/a;v=1?q=%20+x&q", "/%C3%A9"])
async def test_a_path_arrives_as_it_was_spelled(path: str) -> None:
    network, seen = _network()
    await network.send("GET", f"https://orders.example{path}")
    assert seen[0].url.raw_path.decode() == path


async def test_a_name_nobody_answers_for_is_an_unknown_host() -> None:
    network, _ = _network()
    with pytest.raises(UnknownHostError, match=r"nowhere\.example"):
        await network.send("GET", "https://nowhere.example/")


async def test_a_host_that_is_down_refuses_and_recovers() -> None:
    network, seen = _network()
    network.set_fault("Orders.example", Fault("down"))
    with pytest.raises(httpx.ConnectError):
        await network.send("GET", "https://orders.example/")
    network.set_fault("orders.example", None)
    assert (await network.send("GET", "https://orders.example/")).status_code == 200
    assert len(seen) == 1


async def test_a_host_that_is_wrong_answers_the_injected_status() -> None:
    network, seen = _network()
    network.set_fault("orders.example", Fault("status", status=500))
    assert (await network.send("GET", "https://orders.example/")).status_code == 500
    assert not seen


async def test_a_host_slower_than_the_timeout_is_a_read_timeout() -> None:
    network, seen = _network()
    network.set_fault("orders.example", Fault("slow", seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        await network.send("GET", "https://orders.example/", timeout=0.01)
    assert not seen


async def test_a_host_that_is_a_little_slow_still_answers() -> None:
    network, _ = _network()
    network.set_fault("orders.example", Fault("slow", seconds=0.01))
    assert (await network.send("GET", "https://orders.example/")).text == "hello"

"""Hostnames that lead to a server of the user's own."""

from pathlib import Path

import pytest

from portcullis.sandbox.hosts import MAX_HOSTS, HostError, Hosts
from portcullis.sandbox.store import Store


def test_a_hostname_leads_where_it_is_led_until_it_is_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    Hosts(store).lead("API.example.com", "http://127.0.0.1:8000/")
    store.close()
    hosts = Hosts(Store(tmp_path / "state.db"))
    assert hosts.all() == {"api.example.com": "http://127.0.0.1:8000"}
    assert hosts.resolve("api.example.com") == "http://127.0.0.1:8000"
    hosts.forget("Api.example.com")
    assert hosts.resolve("api.example.com") is None


@pytest.mark.parametrize(
    ("hostname", "url"),
    [
        ("localhost", "http://127.0.0.1:1"),
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("a b", "http://127.0.0.1:1"),
        ("", "http://127.0.0.1:1"),
        ("a.example", "https://127.0.0.1:1"),
        ("a.example", "http://127.0.0.1"),
        ("a.example", "http://127.0.0.1:1/path"),
        ("a.example", "http://u@127.0.0.1:1"),
        ("a.example", "http://127.0.0.1:99999"),
        ("a.example", "http://other.example:80"),
        ("a.example", "http://169.254.169.254:80"),
        ("a.example", ""),
    ],
)
def test_what_is_no_hostname_or_no_server_on_this_machine_is_refused(hostname: str, url: str) -> None:
    with pytest.raises(HostError):
        Hosts(Store()).lead(hostname, url)


def test_their_number_has_a_limit() -> None:
    hosts = Hosts(Store())
    for index in range(MAX_HOSTS):
        hosts.lead(f"h{index}.example", "http://127.0.0.1:1")
    hosts.lead("h0.example", "http://127.0.0.1:2")
    with pytest.raises(HostError):
        hosts.lead("one.more.example", "http://127.0.0.1:1")

"""Which Worker answers a URL."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from portcullis.sandbox.cloudflare.edge.routing import Domain, Route, RoutingTable

CASES = YAML(typ="safe").load(Path(__file__).with_name("routes.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "in reverse order"])
def test_the_most_specific_pattern_wins_in_any_order(case: dict[str, Any], backwards: bool) -> None:
    patterns = case["patterns"][::-1] if backwards else case["patterns"]
    table = RoutingTable([Route(pattern, f"worker of {pattern}") for pattern in patterns])
    url = urlsplit(case["url"])
    target = url.path + (f"?{url.query}" if url.query else "")
    won = table.worker_for(url.netloc, target)
    assert won == (None if case["wins"] == "none" else f"worker of {case['wins']}")


def test_a_custom_domain_takes_the_whole_hostname() -> None:
    table = RoutingTable(domains=[Domain("API.acme.example", "store")])
    assert table.worker_for("api.acme.example", "/any?thing") == "store"
    assert table.worker_for("www.api.acme.example", "/") is None


def test_a_route_goes_before_a_custom_domain() -> None:
    table = RoutingTable([Route("api.acme.example/logged/*", "logger")], [Domain("api.acme.example", "store")])
    assert table.worker_for("api.acme.example", "/logged/a") == "logger"
    assert table.worker_for("api.acme.example", "/a") == "store"


def test_a_route_without_a_worker_negates_less_specific_ones() -> None:
    table = RoutingTable([Route("*acme.example/images/cat.png", None), Route("*acme.example/images/*", "images")])
    assert table.worker_for("acme.example", "/images/cat.png") is None
    assert table.worker_for("acme.example", "/images/cat.png?foo=bar") == "images"


def test_only_hostnames_spelled_out_are_told() -> None:
    routes = [Route("b.example/*", "w"), Route("*.c.example/*", "w"), Route("https://a.example/x*", "w")]
    table = RoutingTable([*routes, Route("none.example/*", None)], [Domain("b.example", "w")])
    assert table.hostnames() == ["a.example", "b.example"]

"""A fresh API for each test."""

import pytest

from tests.sandbox.cloudflare_api.client import Api, Edge


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
def api(edge: Edge) -> Api:
    return Api(edge=edge)

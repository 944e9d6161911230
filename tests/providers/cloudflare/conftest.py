"""One served API and one plugin for all tests; each test finds them empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from portcullis.sandbox.store import Store
from tests.providers.cloudflare.world import World, api_listener, plugin


@pytest.fixture(scope="session")
def store() -> Store:
    return Store()


@pytest.fixture(scope="session")
def api(store: Store) -> Iterator[str]:
    with api_listener(store) as url:
        yield url


@pytest.fixture
def stub() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """A plugin that is not configured yet."""
    with plugin() as stub:
        yield stub


@pytest.fixture
def world(store: Store, api: str, stub: provider_pb2_grpc.ResourceProviderStub, tmp_path: Path) -> World:
    """A configured plugin, and an API with a KV namespace, Workers and versions."""
    store.clear()
    world = World(api, stub, tmp_path)
    world.configure()
    world.furnish()
    return world

"""One provisioned sandbox for all end-to-end tests: creating it takes most of their time."""

from collections.abc import Iterator

import pytest

from tests.e2e.checkout import Checkout, make_checkout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.workerd)


@pytest.fixture(scope="session")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose sandbox runs and whose stack was made by the real `pulumi up`."""
    checkout = make_checkout(tmp_path_factory.mktemp("checkout"))
    checkout.portcullis("sandbox", "start")
    try:
        checkout.run("pulumi", "stack", "init", "local", "--non-interactive")
        checkout.up()
        yield checkout
    finally:
        checkout.portcullis("sandbox", "stop")

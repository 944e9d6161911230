"""Options of the unit tests."""

import pytest

# To be imported before any test: else its plugin for pytest does so after the last. By then threads that tests leave
# behind may parse, too, and the parser of CPython 3.11 fails where two do at once ("AST constructor recursion depth
# mismatch").
from hypothesis import settings

# No test is to fail for taking long.
settings.register_profile("portcullis", deadline=None)
settings.load_profile("portcullis")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="Write the snapshots anew instead of comparing.")


@pytest.fixture
def update_snapshots(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-snapshots"))

"""Options of the unit tests."""

# Its plugin for pytest would import it after the last test. By then threads that tests leave behind may parse, too, and
# the parser of CPython 3.11 fails where two do at once ("AST constructor recursion depth mismatch").
import hypothesis  # noqa: F401
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-snapshots", action="store_true", help="Write the snapshots anew instead of comparing.")


@pytest.fixture
def update_snapshots(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-snapshots"))

"""The page about the contract is the one that the format makes, and every key of a contract is on it."""

from pathlib import Path

from portcullis.contract.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "contract.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "run: python -m portcullis.contract.reference > docs/contract.md"


def test_nested_keys_and_their_bounds_are_on_it() -> None:
    page = reference()
    assert "## `products.NAME.operations.NAME.cache`" in page
    assert "## `protections.NAME.patterns[]`" in page
    assert "| `seconds` | whole number, 1 to 86400. How long an answer is kept. | yes | `30` |" in page
    assert "| `cors` | see below. Which web pages may call the API; absent: none. | no |  |" in page

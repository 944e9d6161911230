"""Writes edited copies of the good contract, and finds lines in them."""

from pathlib import Path

from portcullis.contract import ContractError, load

GOOD = Path(__file__).with_name("good.yaml").read_text()


def edited(edits: list[list[str]]) -> str:
    text = GOOD
    for old, new in edits:
        assert text.count(old) == 1, f"the edit wants {old!r} once, and finds it {text.count(old)} times"
        text = text.replace(old, new)
    return text


def line_of(text: str, fragment: str, nth: int = 1) -> int:
    start = -1
    for _ in range(nth):
        start = text.index(fragment, start + 1)
    return text.count("\n", 0, start) + 1


def problems_of(folder: Path, text: str, overlay: str | None = None) -> list[tuple[str, int, str]]:
    """The problems of a contract as (file, line, message)."""
    (folder / "gateway.yaml").write_text(text)
    patch = None
    if overlay is not None:
        patch = folder / "gateway.dev.yaml"
        patch.write_text(overlay)
    try:
        load(folder / "gateway.yaml", patch)
    except ContractError as error:
        parts = [line.split(":", 2) for line in str(error).splitlines()]
        return [(file, int(line), message) for file, line, message in parts]
    return []

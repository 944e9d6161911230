"""Property set files, in the format of Java's `.properties`."""

from __future__ import annotations

import re

from portcullis.sandbox.apigee.runtime.elements import BundleError

_PAIR = re.compile(r"(?P<key>(?:\\.|[^\\=:\s])+)\s*[=:\s]?\s*(?P<value>.*)", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)


def parse_properties(data: bytes, name: str) -> dict[str, str]:
    """Return key → value; raises `BundleError` for bytes that are no UTF-8 text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BundleError(f"resources/properties/{name}: the file is no UTF-8 text") from None
    found: dict[str, str] = {}
    for line in _logical_lines(text):
        match = _PAIR.fullmatch(line)
        if match is not None:
            found[_unescape(match["key"])] = _unescape(match["value"])
    return found


def _logical_lines(text: str) -> list[str]:
    """Drop comments and blank lines, and join lines that end in an odd number of backslashes."""
    lines: list[str] = []
    pending = ""
    for raw in text.splitlines():
        line = raw.lstrip()
        if not pending and (not line or line[0] in "#!"):
            continue
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            pending += line[:-1]
            continue
        lines.append(pending + line)
        pending = ""
    return [*lines, pending] if pending else lines


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPES.get(m[2], m[2]), text)

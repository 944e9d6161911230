"""Which version of the Worker answers, and which ring it holds: from the gateway's own endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from portcullis.deployed.reach import Answer, NoAnswerError, fetch

_OWN_PREFIX: Final = "/.well-known/portcullis"
_TRIES: Final = 3


@dataclass(frozen=True)
class EdgeReport:
    """The Worker that answered: its version's id, its ring's `seq`, and the kids that ring publishes, in its order."""

    version: str
    seq: int
    kids: tuple[str, ...]


def read_edge(url: str) -> EdgeReport:
    """Ask the gateway at `url` (its public URL without a path) what it runs.

    Raises `NoAnswerError` where it cannot be reached, is not the gateway, or goes on changing while it is read.
    """
    for _ in range(_TRIES):
        before, kids, after = _live(url), _kids(url), _live(url)
        # Two answers of one version enclose the one that does not say which version gave it.
        if before == after:
            return EdgeReport(before[0], before[1], kids)
    raise NoAnswerError(f"{url} answers with another version each time: it is being updated; try again in two minutes")


def _live(url: str) -> tuple[str, int]:
    document = _told(f"{url}{_OWN_PREFIX}/live")
    version, seq = document.get("version"), document.get("ring_seq")
    if not isinstance(version, str) or not isinstance(seq, int):
        raise NoAnswerError(f"{url} does not say which ring it holds")
    return version, seq


def _kids(url: str) -> tuple[str, ...]:
    keys = _told(f"{url}{_OWN_PREFIX}/jwks.json").get("keys")
    listed: list[Any] = keys if isinstance(keys, list) else []  # pyright: ignore[reportUnknownVariableType]
    kids = tuple(str(key["kid"]) for key in listed if isinstance(key, dict) and "kid" in key)  # pyright: ignore[reportUnknownArgumentType]
    if not kids or len(kids) != len(listed):
        raise NoAnswerError(f"{url} does not say which keys it publishes")
    return kids


def _told(url: str) -> dict[str, Any]:
    answer: Answer = fetch(url)
    if answer.status != 200:
        raise NoAnswerError(f"{url} answers {answer.status}")
    return answer.json()

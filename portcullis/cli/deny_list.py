"""The revocation list, as the Worker reads it from KV: pure, one change at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from portcullis.cli.errors import CommandError

ENTRY: Final = "revocations.v1"
"""The key in KV."""

MAX_REVOCATIONS: Final = 5_000
"""Entries the Worker reads; it refuses a longer list as a whole."""

DEFAULT_SECONDS: Final = 25 * 3600
"""How long an entry stands: no token that the Worker accepts lives longer than a day, and an hour is to spare."""

MAX_VALUE: Final = 1_000


class Kind(StrEnum):
    """What an entry names: one token, a subject, a client, or every token that one key of the issuer signed."""

    jti = "jti"
    subject = "subject"
    client = "client"
    kid = "kid"


@dataclass(frozen=True)
class Revocation:
    """One entry; `until` is when it ends, in seconds since the epoch."""

    issuer: str
    by: str
    value: str
    until: int


@dataclass(frozen=True)
class DenyList:
    """The whole list. `seq` grows with every change: by it an isolate tells a newer list from an older answer of KV."""

    seq: int = 0
    entries: Sequence[Revocation] = ()

    def with_entry(self, entry: Revocation, now: int) -> DenyList:
        """Add an entry, in place of one that names the same; entries that have ended go. Raises `CommandError`."""
        if not 0 < len(entry.value) <= MAX_VALUE or not entry.value.isprintable():
            raise CommandError(f"a value has 1 to {MAX_VALUE} printable characters")
        if entry.until <= now:
            raise CommandError("the entry would have ended already")
        kept = [other for other in self.standing(now) if not _same(other, entry)]
        if len(kept) >= MAX_REVOCATIONS:
            raise CommandError(
                f"the list holds {MAX_REVOCATIONS} entries, the most that the Worker reads: deny a subject, a client "
                "or a kid in place of many tokens"
            )
        return DenyList(self.seq + 1, [*kept, entry])

    def without(self, entry: Revocation, now: int) -> DenyList:
        """Remove an entry; raises `CommandError` where there is none."""
        kept = [other for other in self.standing(now) if not _same(other, entry)]
        if len(kept) == len(self.standing(now)):
            raise CommandError(f"the list has no {entry.by} {entry.value!r} of the issuer {entry.issuer}")
        return DenyList(self.seq + 1, kept)

    def standing(self, now: int) -> list[Revocation]:
        """The entries that have not ended."""
        return [entry for entry in self.entries if entry.until > now]

    def text(self) -> str:
        """The document."""
        return json.dumps({"seq": self.seq, "entries": [asdict(entry) for entry in self.entries]})


def parse(text: str | None) -> DenyList:
    """Read the document, or none yet; raises `CommandError` where it is no list."""
    if text is None:
        return DenyList()
    try:
        document: Any = json.loads(text)
        entries = [Revocation(**entry) for entry in document["entries"]]
        return replace(DenyList(), seq=int(document["seq"]), entries=entries)
    except (ValueError, KeyError, TypeError):
        raise CommandError(
            f"what KV holds as {ENTRY} is no revocation list, and the Worker goes on with the one it saw before: "
            f"delete the key, and deny again"
        ) from None


def _same(one: Revocation, other: Revocation) -> bool:
    return (one.issuer, one.by, one.value) == (other.issuer, other.by, other.value)

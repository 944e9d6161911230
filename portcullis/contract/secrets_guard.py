"""Finds secrets that were pasted into a contract, so that they are refused without being repeated anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from portcullis.contract.problem import Position, Problem

_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")),
    # The private members of a JWK: RFC 7518 §6.2.2 (d), §6.3.2 (p, q, dp, dq, qi) and §6.4.1 (k).
    ("a private JWK", re.compile(r"""["']?\b(?:d|p|q|dp|dq|qi|k)["']?\s*:\s*["']?[A-Za-z0-9_-]{20,}""")),
    ("a token", re.compile(r"\beyJ[A-Za-z0-9_-]{5,}")),
    (
        "a cloud credential",
        re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|\bGOCSPX-[A-Za-z0-9_-]{20,}"),
    ),
    (
        "an access token",
        re.compile(r"\b(?:gh[oprsu]_|github_pat_|glpat-|xox[abpr]-|[sr]k_live_|ya29\.|pul-)[A-Za-z0-9_-]{16,}"),
    ),
    ("a password in a URL", re.compile(r"://[^/\s:@]*:[^/\s@]+@")),
)
# Long, unbroken and mixed: what generated secrets look like (an Okta client secret has 64 such characters).
_RUN = re.compile(r"[A-Za-z0-9_+-]{40,}={0,2}")
_MIXED = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"[0-9].*[0-9].*[0-9]"))


def secret_in(text: str) -> str | None:
    """Say what kind of secret `text` seems to hold ("a private key", "a token", …), or None."""
    for kind, shape in _SHAPES:
        if shape.search(text):
            return kind
    for run in _RUN.findall(text):
        if all(needed.search(run) for needed in _MIXED):
            return "a generated secret"
    return None


def find_secrets(file: str, text: str) -> Iterator[Problem]:
    """Report each line of a contract file, comments included, that seems to hold a secret; never its content."""
    for number, line in enumerate(text.splitlines(), start=1):
        kind = secret_in(line)
        if kind is not None:
            yield Problem(
                Position(file, number),
                f"this line looks like it holds {kind} (not shown here), and the contract is public to every reader",
                "no secret here: revoke this one, and keep its successor in the stack's configuration "
                "(`pulumi config set --secret`)",
            )


def shown(value: object) -> str:
    """Write a value of the contract for an error message: short, printable, and never a secret."""
    text = value if isinstance(value, str) else repr(value)
    if secret_in(text) is not None:
        return "(a value not shown here)"
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return f"`{clean}`" if len(clean) <= 80 else f"`{clean[:77]}…`"

"""What is wrong with a contract, where, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Position:
    """A place in a contract file: the file's name and a line, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, order=True)
class Problem:
    """One fault of a contract.

    `what` says what is wrong, `write` completes the sentence "write …" with what to do about it. Neither ever
    holds a value that looks like a secret.
    """

    position: Position
    what: str
    write: str

    def __str__(self) -> str:
        return f"{self.position}: {self.what}; write {self.write}"


class ContractError(Exception):
    """The contract is refused. `str()` lists every problem, one a line, in the order of the files."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))

"""Checks the shape of a contract: keys, types, units, bounds and names. Puts Pydantic's findings into words."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic import ValidationError

from portcullis.contract.document import Document
from portcullis.contract.format import annotation, bounds, example, is_collection, is_list, members
from portcullis.contract.model import GatewayFile
from portcullis.contract.problem import Problem
from portcullis.contract.secrets_guard import secret_in, shown
from portcullis.contract.yaml_reader import Json, KeyPath

_DURATION = re.compile(r"\s*(\d{1,9})\s*(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?|d|days?)\s*\Z")
_UNIT_SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# What people write for a unit of time, by its first letters.
_UNIT_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("mo", "month"),
    ("mi", "minute"),
    ("m", "minute"),
    ("s", "second"),
    ("h", "hour"),
    ("dai", "day"),
    ("d", "day"),
)


def structure_problems(document: Document) -> list[tuple[KeyPath, Problem]]:
    """Every problem of shape, each with the path of the value it is about."""
    try:
        GatewayFile.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        findings = error.errors(include_url=False)
        return [_in_words(document, finding) for finding in findings if not _follows(document, finding)]
    return []


def _follows(document: Document, finding: Any) -> bool:
    """Whether a list only counts as too short since entries in it are wrong, which are reported themselves."""
    return finding["type"] == "too_short" and bool(document.at(tuple(finding["loc"])))


def _in_words(document: Document, finding: Any) -> tuple[KeyPath, Problem]:
    kind: str = finding["type"]
    path: KeyPath = tuple(step for step in finding["loc"] if step != "[key]")
    context: dict[str, Any] = finding.get("ctx", {})
    about = _dotted(path)
    if kind == "contract":
        what, write = f"`{about}`: {context['what']}", str(context["write"])
    elif kind == "extra_forbidden":
        what, write = _unknown_key(path)
    elif kind == "missing":
        what, write = f"the key `{about}` is missing", example(path)
    elif document.at(path) is None:
        what, write = f"`{about}` is blank", example(path)
    elif kind in {"literal_error", "enum"}:
        what, write = _not_one_of(path, finding["input"])
    elif kind in {"too_short", "too_long", "string_too_long"}:
        what, write = _wrong_length(about, kind, context, path)
    elif kind in {"greater_than_equal", "less_than_equal"}:
        what, write = _out_of_bounds(path, finding["input"])
    else:
        what, write = _wrong_type(path, document.at(path))
    return path, document.problem(path, what, write)


def _dotted(path: KeyPath) -> str:
    text = ""
    for step in path:
        word = f"[{step + 1}]" if isinstance(step, int) else str(step)
        text += word if isinstance(step, int) or not text else f".{word}"
    return text if secret_in(text) is None and len(text) <= 160 else "(a key not shown here)"


def _unknown_key(path: KeyPath) -> tuple[str, str]:
    key = str(path[-1])
    known = list(members(path[:-1]))
    near = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1, cutoff=0.55)
    place = f"in `{_dotted(path[:-1])}`" if path[:-1] else "at the top of the contract"
    choice = f"`{near[0]}`" if near else "one of " + ", ".join(f"`{name}`" for name in known)
    return f"the key {shown(key)} is unknown {place}", choice + ", or remove it"


def _not_one_of(path: KeyPath, given: object) -> tuple[str, str]:
    choices = [value for value in get_args(annotation(path)) if value is not None]
    word = _nearest(str(given), [str(choice) for choice in choices])
    listed = ", ".join(f"`{choice}`" for choice in choices)
    what = f"{shown(given)} is not known as `{_dotted(path)}`"
    if str(given).lower() == "none" or str(given).upper().startswith("HS"):
        what = f"the algorithm {shown(given)} would let anyone who verifies tokens, or anyone at all, make them"
    if path[0] == "products" and path[-1] == "per" and word is None and str(given).lower().startswith("s"):
        return what + ", as Apigee knows no quota per second", f"one of {listed}, and limit seconds by `burst`"
    if len(choices) == 1:
        return what, f"`{choices[0]}`"
    return what, f"`{word}` (one of {listed})" if word else f"one of {listed}"


def _nearest(given: str, choices: list[str]) -> str | None:
    for choice in choices:
        if choice.lower() == given.strip().lower():
            return choice
    if set(choices) & set(_UNIT_SECONDS_WORDS):
        unit = next((unit for start, unit in _UNIT_WORDS if given.lower().startswith(start)), None)
        return unit if unit in choices else None
    near = difflib.get_close_matches(given.upper() if choices[0].isupper() else given.lower(), choices, n=1)
    return near[0] if near else None


_UNIT_SECONDS_WORDS: Final = ("second", "minute", "hour", "day", "month")


def _wrong_length(about: str, kind: str, context: Mapping[str, Any], path: KeyPath) -> tuple[str, str]:
    if kind == "too_short":
        return f"`{about}` is empty", example(path)
    limit = context.get("max_length")
    unit = "characters" if kind == "string_too_long" else "entries"
    return f"`{about}` has more than {limit} {unit}", f"at most {limit}"


def _out_of_bounds(path: KeyPath, given: object) -> tuple[str, str]:
    lowest, highest = bounds(path)
    return (
        f"`{_dotted(path)}` is {shown(given)}, outside {lowest} to {highest}",
        f"a whole number from {lowest} to {highest}",
    )


def _wrong_type(path: KeyPath, given: Json) -> tuple[str, str]:
    about = _dotted(path)
    if annotation(path) is int:
        return _not_a_whole_number(path, given)
    if isinstance(given, bool | int | float) and not is_collection(path):
        # 010 and 1_000 would be read differently by other parsers: what was written is not known here.
        return f"`{about}` is a number or a truth value where a text is wanted", f'it in quotes, such as "{given}"'
    wanted = (
        "a list, such as `[a, b]`"
        if is_list(path)
        else "a mapping (`key: value` lines)"
        if is_collection(path)
        else "a text"
    )
    kind = "a mapping" if isinstance(given, dict) else "a list" if isinstance(given, list) else "a text"
    return f"`{about}` is {kind} where {wanted} is wanted", example(path)


def _not_a_whole_number(path: KeyPath, given: object) -> tuple[str, str]:
    about = _dotted(path)
    wanted = "whole seconds" if str(path[-1]).endswith("_seconds") else "a whole number"
    duration = _DURATION.match(given) if isinstance(given, str) else None
    if duration is not None and str(path[-1]).endswith("_seconds"):
        seconds = int(duration[1]) * _UNIT_SECONDS[duration[2][0]]
        return f"`{about}` is {shown(given)} where {wanted} are wanted", f"`{seconds}`, without a unit"
    if isinstance(given, str) and given.strip().isdecimal():
        return f"`{about}` is a text, as it stands in quotes", f"`{int(given)}`, without quotes"
    return f"`{about}` is {shown(given)} where {wanted} is wanted".replace("seconds is", "seconds are"), example(path)

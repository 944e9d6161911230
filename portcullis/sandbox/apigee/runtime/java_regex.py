"""Java's regular expressions, as the policies and conditions of Apigee use them (`java.util.regex.Pattern`).

The `regex` library reads almost the whole of Java's syntax (possessive quantifiers, atomic groups, intersections of
classes, flags in the middle); what it writes otherwise is translated. Every match has a limit of time: no input can
make an expression run without bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import regex

MAX_PATTERN = 16 * 1024
MATCH_SECONDS = 0.25
"""How long one match may take; Java would go on."""

_FLAGS = frozenset("imsx")
_CLASSES = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7F",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-\/:-@\[-`{-\~",
    "Graph": r"!-\~",
    "Print": r"\x20-\x7E",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1F\x7F",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0B\f\r",
}
_PREDEFINED = {
    "d": "0-9",
    "w": "a-zA-Z_0-9",
    "s": r" \t\n\x0B\f\r",
    "h": r" \t\xA0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
}
_JAVA = {"LowerCase": "Ll", "UpperCase": "Lu", "Whitespace": "White_Space", "Mirrored": "Bidi_Mirrored"}
_META = frozenset(r"\^$.|?*+()[]{}-&~#" + " ")


class JavaRegexError(ValueError):
    """The text is no regular expression; the message says why."""


class MatchTimeoutError(Exception):
    """A match took longer than it may."""


@dataclass(frozen=True)
class JavaRegex:
    """A compiled expression. Its methods raise `MatchTimeoutError`."""

    text: str
    pattern: regex.Pattern[str]

    def found_in(self, text: str) -> bool:
        """Tell whether any part of `text` matches (`Matcher.find`)."""
        return self._run(self.pattern.search, text) is not None

    def matches(self, text: str) -> bool:
        """Tell whether the whole of `text` matches (`Matcher.matches`)."""
        return self._run(self.pattern.fullmatch, text) is not None

    def groups(self, text: str) -> tuple[str | None, ...] | None:
        """Return what the groups took where the whole of `text` matches, else `None`."""
        match = self._run(self.pattern.fullmatch, text)
        return None if match is None else match.groups()

    def replace(self, text: str, replacement: str, count: int = 0) -> str:
        """Replace matches, `count` of them or all (0); `$1` and `${name}` in `replacement` stand for groups."""
        parts = _replacement(replacement)

        def fill(match: regex.Match[str]) -> str:
            return "".join(part if isinstance(part, str) else match[part[0]] or "" for part in parts)

        try:
            return self.pattern.sub(fill, text, count=count, timeout=MATCH_SECONDS)
        except TimeoutError:
            raise MatchTimeoutError(self.text) from None
        except IndexError:
            raise JavaRegexError(f"the replacement {replacement!r} names a group that is not there") from None

    def _run(self, method: Callable[..., regex.Match[str] | None], text: str) -> regex.Match[str] | None:
        try:
            return method(text, timeout=MATCH_SECONDS)
        except TimeoutError:
            raise MatchTimeoutError(self.text) from None


@lru_cache(maxsize=1024)
def compile_java(text: str, *, ignore_case: bool = False) -> JavaRegex:
    """Compile a Java regular expression; raises `JavaRegexError`."""
    if len(text) > MAX_PATTERN:
        raise JavaRegexError(f"the pattern is longer than {MAX_PATTERN} characters")
    try:
        flags = regex.VERSION1 | (regex.IGNORECASE if ignore_case else 0)
        return JavaRegex(text, regex.compile(_Translator(text).run(), flags))
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise JavaRegexError(f"the pattern {text!r} cannot be read: {error}") from None


def _replacement(text: str) -> list[str | tuple[int | str]]:
    """Take apart a replacement in Java's form: texts, and groups as a tuple of their number or name."""
    parts: list[str | tuple[int | str]] = []
    for match in regex.finditer(
        r"\\(?P<escaped>.)|\$(?P<number>\d)|\$\{(?P<name>\w+)\}|(?P<text>[^\\$]+)", text, regex.DOTALL
    ):
        if match["number"] is not None:
            parts.append((int(match["number"]),))
        elif match["name"] is not None:
            parts.append((match["name"],))
        else:
            parts.append(match["escaped"] or match["text"])
    return parts


class _Translator:
    """Rewrites what Java writes otherwise, reading the text once from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def run(self) -> str:
        parts: list[str] = []
        while self._at < len(self._text):
            parts.append(self._next())
        return "".join(parts)

    def _next(self) -> str:
        char = self._text[self._at]
        if char == "\\":
            return self._escape()
        self._at += 1
        if self._depth:
            return self._in_class(char)
        if char == "[":
            self._depth = 1
            return char + self._class_start()
        return self._group() if char == "(" else char

    def _class_start(self) -> str:
        """Take the `^` and a literal `]` that may begin a class."""
        taken = ""
        for char in "^]":
            if self._text[self._at : self._at + 1] == char:
                self._at += 1
                taken += char if char == "^" else r"\]"
        return taken

    def _in_class(self, char: str) -> str:
        if char == "[":
            self._depth += 1
            return char + self._class_start()
        if char == "]":
            self._depth -= 1
        # The library's other operators on classes are plain characters to Java.
        return "\\" + char if char in "|~" or (char == "-" and self._text[self._at : self._at + 1] == "-") else char

    def _group(self) -> str:
        """Keep of inline flags those that mean something here: `(?du)` and `(?U)` do not."""
        match = regex.compile(r"\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])").match(self._text, self._at)
        if match is None or not set(match[1] + (match[2] or "")) <= _FLAGS | set("duU"):
            return "("
        self._at = match.end()
        on, off = ("".join(flag for flag in flags or "" if flag in _FLAGS) for flags in (match[1], match[2]))
        shown = on + (f"-{off}" if off else "")
        if match[3] == ")":
            return f"(?{shown})" if shown else ""
        return f"(?{shown}:"

    def _escape(self) -> str:
        char = self._text[self._at + 1 : self._at + 2]
        if char == "Q":
            end = self._text.find(r"\E", self._at)
            quoted = self._text[self._at + 2 : end if end >= 0 else None]
            self._at = end + 2 if end >= 0 else len(self._text)
            return "".join("\\" + one if one in _META else one for one in quoted)
        for pattern, write in _ESCAPES:
            match = pattern.match(self._text, self._at)
            if match is not None:
                self._at = match.end()
                return write(match)
        self._at += 2
        return "\\" + char


def _character(code: int) -> str:
    return f"\\U{code:08x}" if code <= 0x10FFFF else "(?!)"


def _property(match: regex.Match[str]) -> str:
    negative, name = match[1] == "P", match[2] or match[3]
    if name in _CLASSES:
        return f"[{'^' if negative else ''}{_CLASSES[name]}]"
    for prefix in ("java", "Is", "In"):
        if name.startswith(prefix):
            name = _JAVA.get(name.removeprefix(prefix), name.removeprefix(prefix))
            break
    return f"\\{match[1]}{{{name}}}"


def _predefined(match: regex.Match[str]) -> str:
    members = _PREDEFINED[match[1].lower()]
    return f"[{'^' if match[1].isupper() else ''}{members}]"


_ESCAPES: tuple[tuple[regex.Pattern[str], Callable[[regex.Match[str]], str]], ...] = (
    (regex.compile(r"\\([pP])(?:\{(\^?[\w=\- ]+)\}|(\w))"), _property),
    (regex.compile(r"\\([dwshDWSH])"), _predefined),
    (regex.compile(r"\\k<(\w+)>"), lambda match: f"(?P={match[1]})"),
    (regex.compile(r"\\x\{([0-9a-fA-F]{1,6})\}"), lambda match: _character(int(match[1], 16))),
    (regex.compile(r"\\0([0-3]?[0-7]{1,2})"), lambda match: _character(int(match[1], 8))),
    (regex.compile(r"\\c(.)"), lambda match: _character(ord(match[1]) ^ 64)),
    (regex.compile(r"\\e"), lambda match: r"\x1B"),
    (regex.compile(r"\\v"), lambda match: "[\\n\\x0B\\f\\r\\x85\\u2028\\u2029]"),
    (regex.compile(r"\\Z"), lambda match: r"(?=\r?\n?\Z)"),
    (regex.compile(r"\\z"), lambda match: r"\Z"),
)

"""The functions of message templates, by the message template reference."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import math
import re
import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import cast
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import rstr
from lxml import etree

from portcullis.sandbox.apigee.runtime import jsonpath, xml
from portcullis.sandbox.apigee.runtime.java_regex import JavaRegexError, MatchTimeoutError, compile_java
from portcullis.sandbox.apigee.runtime.values import Value, as_text

Arguments = Sequence[Value]
Body = Callable[[Arguments], str]


class FunctionError(ValueError):
    """A function was given arguments it cannot work with."""


@dataclass(frozen=True)
class Function:
    """A function and how many arguments it takes."""

    body: Body
    least: int
    most: int


def _texts(body: Callable[..., str]) -> Body:
    return lambda arguments: body(*(as_text(argument) for argument in arguments))


def _digest(name: str, *, encode: Callable[[bytes], str]) -> Body:
    def digest(text: str) -> str:
        return encode(hashlib.new(name, text.encode(), usedforsecurity=False).digest())

    return _texts(digest)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _encode_base64(text: str) -> str:
    return _base64(text.encode())


def _hmac(name: str) -> Body:
    def body(arguments: Arguments) -> str:
        key, text, key_encoding, output = (*(as_text(argument) for argument in arguments), "", "")[:4]
        digest = hmac.digest(_key_bytes(key, key_encoding), text.encode(), name)
        return _encoders(output.lower() or "base64")(digest)

    return body


def _encoders(name: str) -> Callable[[bytes], str]:
    encoders: dict[str, Callable[[bytes], str]] = {
        "base64": _base64,
        "hex": bytes.hex,
        "base16": bytes.hex,
    }
    if name not in encoders:
        raise FunctionError(f"unknown encoding {name!r}")
    return encoders[name]


def _key_bytes(key: str, encoding: str) -> bytes:
    try:
        if encoding.lower() == "base64":
            return base64.b64decode(key, validate=True)
        if encoding.lower() in {"hex", "base16"}:
            return bytes.fromhex(key)
    except ValueError:
        raise FunctionError("the key is not in the encoding given") from None
    return key.encode()


def _decode_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", errors="replace")
    except ValueError:
        raise FunctionError("the text is not base64") from None


def _escape_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _escape_xml(text: str) -> str:
    return escape(text, {'"': "&quot;", "'": "&apos;"})


def _encode_html(text: str) -> str:
    return html.escape(text, quote=False).replace('"', "&quot;").replace("'", "&#39;")


_NOT_IN_XML11 = re.compile(r"[\x00\ud800-\udfff\ufffe\uffff]")
_ESCAPED_IN_XML11 = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")


def _escape_xml11(text: str) -> str:
    """Escape as `escapeXML`, and also the control characters that XML 1.1 can hold; what it cannot is left out."""
    kept = _NOT_IN_XML11.sub("", text)
    return _ESCAPED_IN_XML11.sub(lambda match: f"&#{ord(match[0])};", _escape_xml(kept))


def _substring(arguments: Arguments) -> str:
    text = as_text(arguments[0])
    start = _integer(arguments[1])
    end = _integer(arguments[2]) if len(arguments) > 2 else len(text)
    # Negative positions count from the end, as in the reference's examples.
    start = start + len(text) if start < 0 else start
    end = end + len(text) if end < 0 else end
    return text[max(start, 0) : max(end, 0)]


def _replace(count: int) -> Body:
    def body(arguments: Arguments) -> str:
        text, pattern, replacement = (as_text(argument) for argument in arguments)
        try:
            return compile_java(pattern).replace(text, replacement, count)
        except (JavaRegexError, MatchTimeoutError) as error:
            raise FunctionError(str(error)) from None

    return body


def _first_nonnull(arguments: Arguments) -> str:
    found = next((argument for argument in arguments if argument is not None), None)
    return "null" if found is None else as_text(found)


def _xeger(arguments: Arguments) -> str:
    """Return a text that fits a regular expression; `*` and `+` are at most a hundred times."""
    try:
        return rstr.Rstr(secrets.SystemRandom()).xeger(as_text(arguments[0]))
    except (re.error, IndexError, KeyError, RecursionError) as error:
        raise FunctionError(f"no text can be made for the pattern: {error}") from None


def _integer(value: Value) -> int:
    try:
        return int(as_text(value))
    except ValueError:
        raise FunctionError(f"{as_text(value)!r} is no whole number") from None


def _number(value: Value) -> float:
    try:
        return float(as_text(value))
    except ValueError:
        raise FunctionError(f"{as_text(value)!r} is no number") from None


def _random_long(arguments: Arguments) -> str:
    least = _integer(arguments[0]) if len(arguments) > 0 else 0
    most = _integer(arguments[1]) if len(arguments) > 1 else 2**63 - 1
    if most < least:
        raise FunctionError("the largest number is below the smallest")
    return str(least + secrets.randbelow(most - least + 1))


def _time_format(*, milliseconds: bool, utc: bool) -> Body:
    def body(arguments: Arguments) -> str:
        seconds = _number(arguments[1]) / (1000 if milliseconds else 1)
        zone = UTC if utc or len(arguments) < 3 else _zone(as_text(arguments[2]))
        return format_java_time(as_text(arguments[0]), seconds, zone)

    return body


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise FunctionError(f"unknown time zone {name!r}") from None


_JAVA_TIME = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|.", re.DOTALL)


def format_java_time(pattern: str, seconds: float, zone: tzinfo) -> str:
    """Format a time, seconds since the epoch, by a pattern of Java's SimpleDateFormat; raises `FunctionError`."""
    try:
        moment = datetime.fromtimestamp(math.floor(seconds * 1000) / 1000, zone)
    except (OverflowError, ValueError, OSError):
        raise FunctionError("the time is out of range") from None
    return "".join(_java_field(match.group(0), moment) for match in _JAVA_TIME.finditer(pattern))


def _java_field(text: str, moment: datetime) -> str:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'") or "'"
    letter, width = text[0], len(text)
    if not letter.isascii() or not letter.isalpha():
        return text
    if letter in _JAVA_NUMBERS:
        return f"{_JAVA_NUMBERS[letter](moment):0{width}d}"
    if letter in _JAVA_WORDS:
        return _JAVA_WORDS[letter](moment, width)
    raise FunctionError(f"unknown letter {letter!r} in a time pattern")


_JAVA_NUMBERS: dict[str, Callable[[datetime], int]] = {
    "d": lambda t: t.day,
    "H": lambda t: t.hour,
    "k": lambda t: t.hour or 24,
    "h": lambda t: t.hour % 12 or 12,
    "K": lambda t: t.hour % 12,
    "m": lambda t: t.minute,
    "s": lambda t: t.second,
    "S": lambda t: t.microsecond // 1000,
    "D": lambda t: t.timetuple().tm_yday,
    "u": lambda t: t.isoweekday(),
}


def _offset(moment: datetime, separator: str) -> str:
    minutes = int((moment.utcoffset() or UTC.utcoffset(None)).total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{separator}{abs(minutes) % 60:02d}"


def _iso_offset(moment: datetime, width: int) -> str:
    text = _offset(moment, ":")
    if text == "+00:00":
        return "Z"
    return {1: text[:3], 2: text.replace(":", "")}.get(width, text)


_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def _month(moment: datetime, width: int) -> str:
    name = _MONTHS[moment.month - 1]
    return f"{moment.month:0{width}d}" if width < 3 else (name[:3] if width == 3 else name)


_JAVA_WORDS: dict[str, Callable[[datetime, int], str]] = {
    "y": lambda t, width: f"{t.year % 100:02d}" if width == 2 else f"{t.year:0{width}d}",
    "M": _month,
    "E": lambda t, width: _DAYS[t.weekday()] if width > 3 else _DAYS[t.weekday()][:3],
    "a": lambda t, _: "AM" if t.hour < 12 else "PM",
    "z": lambda t, _: t.tzname() or "",
    "Z": lambda t, _: _offset(t, ""),
    "X": _iso_offset,
}


def _json_path(arguments: Arguments) -> str:
    """Return what a path selects; of an array its first item, or all of it where the third argument is true."""
    want_array = len(arguments) > 2 and as_text(arguments[2]).lower() == "true"
    try:
        there, found = jsonpath.parse(as_text(arguments[0])).result(json.loads(as_text(arguments[1])))
    except ValueError as error:
        raise FunctionError(str(error)) from None
    if not there:
        return ""
    items = _items(found)
    if items is None or want_array:
        return jsonpath.as_text(found)
    return jsonpath.as_text(items[0]) if items else ""


def _items(found: object) -> list[object] | None:
    return cast("list[object]", found) if isinstance(found, list) else None


_XPATH_TYPES = frozenset({"nodeset", "node", "number", "boolean", "string"})


def _x_path(arguments: Arguments) -> str:
    """Return what an XPath selects: nodes as XML, text nodes and attributes as text, or a value of the type wanted.

    After the document come namespaces, as `prefix:uri`, and the type; a type that is unknown is `nodeset`.
    """
    expression, document, *more = (as_text(argument) for argument in arguments)
    namespaces = dict(one.split(":", 1) for one in more if ":" in one)
    kind = next((one.lower() for one in more if one.lower() in _XPATH_TYPES), "nodeset")
    if kind in {"number", "boolean", "string"}:
        expression = f"{kind}({expression})"
    try:
        found = xml.select(xml.parse(document.encode()), expression, namespaces)
    except (xml.XmlError, etree.XPathError) as error:
        raise FunctionError(str(error)) from None
    return "".join(found[:1] if kind == "node" else found)


def _hashes() -> dict[str, Function]:
    found: dict[str, Function] = {}
    for name in ("md5", "sha1", "sha256", "sha384", "sha512"):
        found[f"{name}Hex"] = Function(_digest(name, encode=bytes.hex), 1, 1)
        found[f"{name}Base64"] = Function(_digest(name, encode=_base64), 1, 1)
    for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"):
        found[f"hmac{name.capitalize()}"] = Function(_hmac(name), 2, 4)
    return found


FUNCTIONS: dict[str, Function] = {
    **_hashes(),
    "createUuid": Function(lambda _: str(uuid.uuid4()), 0, 0),
    "randomLong": Function(_random_long, 0, 2),
    "encodeBase64": Function(_texts(_encode_base64), 1, 1),
    "decodeBase64": Function(_texts(_decode_base64), 1, 1),
    "encodeHTML": Function(_texts(_encode_html), 1, 1),
    "escapeJSON": Function(_texts(_escape_json), 1, 1),
    "escapeXML": Function(_texts(_escape_xml), 1, 1),
    "escapeXML11": Function(_texts(_escape_xml11), 1, 1),
    "toUpperCase": Function(_texts(str.upper), 1, 1),
    "toLowerCase": Function(_texts(str.lower), 1, 1),
    "substring": Function(_substring, 2, 3),
    "replaceAll": Function(_replace(0), 3, 3),
    "replaceFirst": Function(_replace(1), 3, 3),
    "firstnonnull": Function(_first_nonnull, 1, 64),
    "timeFormat": Function(_time_format(milliseconds=False, utc=False), 2, 3),
    "timeFormatMs": Function(_time_format(milliseconds=True, utc=False), 2, 3),
    "timeFormatUTC": Function(_time_format(milliseconds=False, utc=True), 2, 2),
    "timeFormatUTCMs": Function(_time_format(milliseconds=True, utc=True), 2, 2),
    "jsonPath": Function(_json_path, 2, 3),
    "xeger": Function(_xeger, 1, 1),
    "xpath": Function(_x_path, 2, 13),
    "xPath": Function(_x_path, 2, 13),
}
"""Every function by its name, which is case-sensitive."""

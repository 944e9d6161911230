"""One call of the API: its path, query and body, read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from portcullis.sandbox.cloudflare.api.answers import BAD_BODY, invalid
from portcullis.sandbox.cloudflare.api.changes import Changes
from portcullis.sandbox.store import JsonObject

T = TypeVar("T")

MAX_PARTS = 256
JSON_BYTES = 1024 * 1024
"""The largest body of a call that uploads nothing."""


@dataclass(frozen=True)
class Part:
    """One part of a multipart body."""

    name: str
    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Call:
    """A call as its handler sees it.

    Attributes:
        params: the path's variable segments, decoded once each.
        query: the query's parameters, the last of each name.
        body: the whole body, already held against the endpoint's limit.
        content_type: the body's Content-Type header.
        data: the store, with this call's changes.
        seconds: the time of the call, seconds since the epoch.
        time: the same as RFC 3339 text.
    """

    params: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    content_type: str
    data: Changes
    seconds: float
    time: str

    @property
    def account(self) -> str:
        """The account's id in the path."""
        return self.params["account"]

    def json(self) -> Any:
        """Return the body as JSON; raises `ApiError`."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise invalid("the body is not JSON", BAD_BODY) from None

    def object(self) -> JsonObject:
        """Return the body as a JSON object; raises `ApiError`."""
        return expect_object(self.json(), "the body")

    def parts(self) -> list[Part]:
        """Return the parts of a multipart body; raises `ApiError`."""
        media_type, options = parse_options_header(self.content_type)
        boundary = options.get(b"boundary")
        if media_type != b"multipart/form-data" or not boundary:
            raise invalid("the body must be multipart/form-data with a boundary", BAD_BODY)
        return _PartReader(boundary).read(self.body)


Handler: TypeAlias = Callable[[Call], Any]
"""Answers a call with the envelope's `result`, or a `Paged` or `Raw`; raises `ApiError`."""


@dataclass(frozen=True)
class Endpoint:
    """One route.

    Attributes:
        method: the HTTP method.
        template: the path under `/client/v4/`; `{name}` is one segment.
        handler: what answers it.
        edge: it changes what the edge has to run.
        limit: the largest body, in bytes.
    """

    method: str
    template: str
    handler: Handler
    edge: bool = False
    limit: int = JSON_BYTES


def expect_object(value: Any, what: str) -> JsonObject:
    """Return `value` if it is a JSON object; raises `ApiError` naming `what`."""
    if not isinstance(value, dict):
        raise invalid(f"{what} must be an object", BAD_BODY)
    return cast("JsonObject", value)


def expect_list(value: Any, what: str) -> list[Any]:
    """Return `value` if it is a JSON array; raises `ApiError` naming `what`."""
    if not isinstance(value, list):
        raise invalid(f"{what} must be an array", BAD_BODY)
    return cast("list[Any]", value)


def member(document: JsonObject, name: str, kind: type[T], default: T | None = None) -> T:
    """Return a member of the given type; an absent or null one is `default`, without which it is required.

    Raises:
        ApiError: it is missing or of another type.
    """
    value = document.get(name)
    if value is None and default is not None:
        return default
    # In Python a bool is an int; in JSON it is not.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise invalid(f"{name} must be {_KINDS[kind]}" + ("" if value is not None else " and is missing"), BAD_BODY)
    return value


def name_member(document: JsonObject, name: str, longest: int) -> str:
    """Return a required text member of 1 to `longest` characters; raises `ApiError`."""
    value = member(document, name, str)
    if not 0 < len(value) <= longest:
        raise invalid(f"{name} must have 1 to {longest} characters", BAD_BODY)
    return value


_KINDS: Mapping[type, str] = {str: "text", int: "a whole number", bool: "true or false", dict: "an object"}


class _PartReader:
    """Collects the callbacks of the multipart parser."""

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary
        self._parts: list[Part] = []
        self._headers: dict[str, bytes] = {}
        self._field = b""
        self._value = b""
        self._content: list[bytes] = []

    def read(self, body: bytes) -> list[Part]:
        parser = MultipartParser(
            self._boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._header_end,
                "on_part_data": self._on_data,
                "on_part_end": self._end,
            },
        )
        try:
            parser.write(body)
            parser.finalize()
        except MultipartParseError as problem:
            raise invalid(f"the multipart body is malformed: {problem}", BAD_BODY) from None
        return self._parts

    def _begin(self) -> None:
        self._headers, self._content = {}, []

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value
        self._field = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end(self) -> None:
        if len(self._parts) >= MAX_PARTS:
            raise invalid(f"the body has more than {MAX_PARTS} parts", BAD_BODY)
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        content_type, _ = parse_options_header(self._headers.get("content-type", b""))
        part = Part(
            options.get(b"name", b"").decode("utf-8", "replace"),
            options.get(b"filename", b"").decode("utf-8", "replace"),
            content_type.decode("latin-1"),
            b"".join(self._content),
        )
        self._parts.append(part)

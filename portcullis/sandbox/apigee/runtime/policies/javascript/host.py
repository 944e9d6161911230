"""What a script can reach: variables and messages of its request, HTTP, hashes and times. `object_model.js` calls it.

Scripts run in a thread of their own while the request's coroutine waits, so nothing else touches the request
meanwhile; HTTP runs on the event loop.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import UTC, tzinfo
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lxml import etree

from portcullis.sandbox.apigee.runtime import xml
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.exchange import ExchangeError
from portcullis.sandbox.apigee.runtime.functions import format_java_time
from portcullis.sandbox.apigee.runtime.message import Message, MultiMap
from portcullis.sandbox.apigee.runtime.values import as_text

MAX_WAIT_SECONDS = 60.0
MAX_EXCHANGES = 64
"""Of one request; a script that loops over httpClient must end somewhere."""
MAX_PRINTED = 4096
PRINTED = "stepExecution-stdout"

_EXCHANGES = "httpClient exchanges"
_KEPT = "context.session "
_PARAMETERS = {"headers": "header", "query": "queryparam", "form": "formparam"}
_ZONES = {
    "PST": "America/Los_Angeles",
    "MST": "America/Denver",
    "CST": "America/Chicago",
    "EST": "America/New_York",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
}
"""The abbreviations of Java that zone databases do not hold."""

Pairs = Sequence[Sequence[str]]


class Host:
    """Serves the object model for one run of one policy."""

    def __init__(self, context: Context, properties: Mapping[str, str]) -> None:
        """Serve `context`; to be made on the event loop."""
        self._context = context
        self._printed = False
        self._loop = asyncio.get_running_loop()
        self._operations: dict[str, Callable[..., object]] = {
            "get": self._get,
            "set": self._set,
            "remove": context.variables.remove,
            "names": self._names,
            "values": self._values,
            "assign": self._assign,
            "messages": lambda: list(context.variables.messages),
            "flow": lambda: self._context.flow_state,
            "url": self._url,
            "properties": lambda: dict(properties),
            "print": self._print,
            "keep": self._keep,
            "recall": self._recall,
            "kept": self._kept,
            "send": self._send,
            "wait": self._wait,
            "digest": _digest,
            "date_format": self._date_format,
            "xml": _parse_xml,
            "parse_form": _parse_form,
            "write_form": _write_form,
        }

    def __call__(self, operation: str, *arguments: object) -> object:
        """Run one operation of the object model."""
        return self._operations[operation](*arguments)

    def _get(self, name: str) -> object:
        value = self._context.variables.get(name)
        if isinstance(value, Message):
            return as_text(value)
        return list(value) if isinstance(value, tuple) else value

    def _set(self, name: str, value: Any) -> None:
        if value is None:
            self._context.variables.remove(name)
        else:
            self._context.variables.set(name, value)

    def _message(self, name: str) -> Message:
        found = self._context.variables.messages.get(name)
        return found if found is not None else Message("request")

    def _names(self, message: str, part: str) -> list[str]:
        return _part(self._message(message), part).names()

    def _values(self, message: str, part: str, name: str) -> list[str]:
        found = self._message(message).get(f"{_PARAMETERS[part]}.{name}.values")
        return list(found) if isinstance(found, tuple) else []

    def _assign(self, message: str, part: str, name: str, values: list[str]) -> None:
        owner = self._message(message)
        held = _part(owner, part)
        held.remove(name)
        for value in values:
            held.add(name, " ".join(value.splitlines()) if part == "headers" else value)
        if part == "form":
            owner.set_form(held)

    def _url(self) -> str | None:
        variables = self._context.variables
        return variables.text("target.url") or variables.text("proxy.url")

    def _print(self, text: str) -> None:
        # A variable, as in Apigee's trace: what masks variables there masks this one.
        before = self._context.variables.text(PRINTED) if self._printed else None
        self._printed = True
        printed = f"{before}\n{text}" if before else text
        self._context.variables.fill({PRINTED: printed[:MAX_PRINTED]})

    def _keep(self, key: str, packed: object) -> None:
        if packed is None:
            self._context.session.pop(_KEPT + key, None)
        else:
            self._context.session[_KEPT + key] = packed

    def _recall(self, key: str) -> object:
        return self._context.session.get(_KEPT + key)

    def _kept(self) -> list[str]:
        return [key.removeprefix(_KEPT) for key in self._context.session if key.startswith(_KEPT)]

    def _exchanges(self) -> list[Future[dict[str, object]]]:
        kept = self._context.session.setdefault(_EXCHANGES, list[Future[dict[str, object]]]())
        return cast("list[Future[dict[str, object]]]", kept)

    def _send(self, method: str, url: str, pairs: Pairs, body: str) -> int:
        exchanges = self._exchanges()
        if len(exchanges) >= MAX_EXCHANGES:
            raise ValueError(f"httpClient was used more than {MAX_EXCHANGES} times in one request")
        headers = [(name, value) for name, value in pairs]
        request = Message("request", headers=headers, content=body.encode(), verb=method.upper())
        exchanges.append(asyncio.run_coroutine_threadsafe(self._exchanged(request, url), self._loop))
        return len(exchanges) - 1

    async def _exchanged(self, request: Message, url: str) -> dict[str, object]:
        try:
            answer = await self._context.services.exchange.send(request, url)
        except ExchangeError as error:
            return {"error": f"{error.failure}: {error}"}
        return {
            "error": None,
            "status": answer.status,
            "reason": answer.reason,
            "headers": [list(pair) for pair in answer.headers.pairs],
            "body": answer.text,
        }

    def _wait(self, exchange: int, milliseconds: float) -> dict[str, object] | None:
        """Return the outcome of an exchange, or `None` where it is not there in time; a negative time is no limit."""
        seconds = MAX_WAIT_SECONDS if milliseconds < 0 else min(milliseconds / 1000, MAX_WAIT_SECONDS)
        try:
            return self._exchanges()[exchange].result(seconds)
        except FutureTimeoutError:
            return None

    def _date_format(self, pattern: str, zone: str, milliseconds: float | None) -> str:
        seconds = self._context.now if milliseconds is None else milliseconds / 1000
        # A week year, which is what `Y` asks Java for, is the year but for a few days around the New Year.
        return format_java_time(pattern.replace("Y", "y"), seconds, _zone(zone))


def _part(message: Message, part: str) -> MultiMap:
    if part == "headers":
        return message.headers
    return message.query if part == "query" else message.form


def _digest(algorithm: str, text: str, encoding: str) -> str:
    found = hashlib.new(algorithm.lower(), text.encode(), usedforsecurity=False)
    return found.hexdigest() if encoding == "hex" else base64.b64encode(found.digest()).decode()


def _parse_form(text: str) -> list[list[str]]:
    return [list(pair) for pair in parse_qsl(text, keep_blank_values=True)]


def _write_form(pairs: Pairs) -> str:
    return urlencode([(name, value) for name, value in pairs])


def _zone(name: str) -> tzinfo:
    """Return a zone by its name; one that Java does not know is GMT there, and here."""
    if name.startswith(("GMT+", "GMT-")):
        sign, hours = name[3], name[4:].partition(":")[0]
        # The zone database counts these the other way round.
        name = f"Etc/GMT{'-' if sign == '+' else '+'}{hours.lstrip('0') or '0'}"
    try:
        return ZoneInfo(_ZONES.get(name, name))
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _parse_xml(text: str) -> dict[str, object] | None:
    try:
        return _xml_node(xml.parse(text.encode()))
    except xml.XmlError:
        return None


def _xml_node(element: etree._Element) -> dict[str, object]:  # pyright: ignore[reportPrivateUsage]
    children: list[object] = [element.text] if element.text and (element.text.strip() or not len(element)) else []
    for child in element:
        children.append(_xml_node(child))
        if child.tail and child.tail.strip():
            children.append(child.tail)
    return {
        "name": _xml_name(element, str(element.tag)),
        "attributes": [[_xml_name(element, str(name)), str(value)] for name, value in element.attrib.items()],
        "children": children,
    }


def _xml_name(element: etree._Element, name: str) -> str:  # pyright: ignore[reportPrivateUsage]
    """Return a name with its prefix."""
    if not name.startswith("{"):
        return name
    namespace, _, local = name[1:].partition("}")
    prefix = next((p for p, uri in element.nsmap.items() if uri == namespace and p), None)
    return f"{prefix}:{local}" if prefix else local

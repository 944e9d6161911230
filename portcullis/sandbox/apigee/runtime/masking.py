"""What a trace never shows: the debug mask of the environment, `private.` variables and credentials in headers.

A value that is hidden once is hidden wherever else it appears, so that a token copied into another variable, a header
or a payload does not show there. The debug mask is the environment's `debugmask` resource:
https://cloud.google.com/apigee/docs/api-platform/security/data-masking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from lxml import etree

from portcullis.sandbox.apigee.runtime import jsonpath, xml
from portcullis.sandbox.apigee.runtime.trace import Event
from portcullis.sandbox.store import JsonObject

MASK = "*****"
_CREDENTIALS = ("authorization", "proxy-authorization", "cookie", "set-cookie")
_MIN_SECRET = 8
"""Characters; a shorter value is hidden in its own place only, since it appears everywhere by chance."""

_SIDES = {"request": "request", "response": "response", "error": "fault", "message": "request"}


@dataclass
class Masking:
    """Masks the events of one trace by one debug mask."""

    mask: JsonObject
    _secrets: set[str] = field(default_factory=set[str])

    def events(self, events: Iterable[Event]) -> list[JsonObject]:
        """Return the events as JSON, with everything hidden that is to be hidden."""
        listed = list(events)
        for event in listed:
            for values in (event.reads, event.writes):
                self._collect(values)
        return [self._event(event) for event in listed]

    def text(self, text: str) -> str:
        """Return a text with what was hidden elsewhere hidden in it too."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def _event(self, event: Event) -> JsonObject:
        shown: JsonObject = {"kind": event.kind, "name": event.name}
        if event.detail:
            shown["detail"] = self.text(event.detail)
        if event.milliseconds:
            shown["milliseconds"] = round(event.milliseconds, 3)
        for name, values in (("reads", event.reads), ("writes", event.writes)):
            if values:
                shown[name] = {key: self._value(key, value) for key, value in values.items()}
        return shown

    def _collect(self, values: Mapping[str, str | None]) -> None:
        for name, value in values.items():
            if value is None:
                continue
            if self._hidden(name):
                # `Bearer x` and `Basic x` are copied without their first word.
                self._remember(value, value.rpartition(" ")[2])
            else:
                self._remember(*self._inside(name, value))

    def _remember(self, *values: str) -> None:
        self._secrets.update(value for value in values if len(value) >= _MIN_SECRET)

    def _hidden(self, name: str) -> bool:
        if name.startswith("private.") or name in self.mask.get("variables", ()):
            return True
        _, found, header = name.lower().partition(".header.")
        return bool(found) and header.partition(".values")[0].rstrip(".0123456789") in _CREDENTIALS

    def _value(self, name: str, value: str | None) -> str | None:
        if value is None:
            return None
        if self._hidden(name):
            return MASK
        for secret in self._inside(name, value):
            value = value.replace(secret, MASK)
        return self.text(value)

    def _inside(self, name: str, value: str) -> list[str]:
        """Return what the paths of the mask select in a payload, as it is written there."""
        message, _, part = name.partition(".")
        side = _SIDES.get(message)
        if side is None or part not in ("content", ""):
            return []
        found: list[str] = []
        for path in self.mask.get(f"{side}JSONPaths", ()):
            found += _selected(lambda path=path: _in_json(path, value))
        for path in self.mask.get(f"{side}XPaths", ()):
            found += _selected(lambda path=path: _in_xml(path, value, self.mask.get("namespaces", {})))
        return [one for one in found if one]


def _selected(select: Callable[[], list[str]]) -> list[str]:
    """Return what a path selects; a payload of another kind has nothing that it could."""
    try:
        return select()
    except (ValueError, etree.XPathError):
        return []


def _in_json(path: str, text: str) -> list[str]:
    found = jsonpath.parse(path).find(json.loads(text))
    return [part for value in found for part in _texts(value)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in cast("dict[str, Any]", value).values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in cast("list[Any]", value) for text in _texts(item)]
    written = json.dumps(value, ensure_ascii=False)
    return [written[1:-1] if isinstance(value, str) else written]


def _in_xml(path: str, text: str, namespaces: Mapping[str, str]) -> list[str]:
    return xml.evaluate(xml.parse(text.encode()), path, namespaces)

"""MessageLogging: writes to Cloud Logging, to a syslog server or to a file, all of which are the sandbox's log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Self, cast

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common, template
from portcullis.sandbox.apigee.runtime.templates import Template
from portcullis.sandbox.store import JsonObject

LEVELS = frozenset({"ALERT", "ERROR", "WARN", "INFO"})
PROTOCOLS = frozenset({"TCP", "UDP"})

_CLOUD = """
CloudLogging/LogName
CloudLogging/Message @contentType @ignoreUnresolvedVariables
CloudLogging/Labels/Label/Key
CloudLogging/Labels/Label/Value
"""


@dataclass(frozen=True)
class Destination:
    """Where a message goes: what is kept beside a text, and the labels of Cloud Logging."""

    message: Template
    place: dict[str, Template]
    labels: tuple[tuple[Template, Template], ...] = ()


@dataclass(frozen=True)
class MessageLogging(Policy):
    """Fills each message and hands it to the log; a log that fails never fails the call.

    A message that is a JSON object is kept as it is. Another is kept as `message`, beside the level and where it would
    have gone.
    """

    type_name = "MessageLogging"
    fault_prefix = "messagelogging"
    elements = elements(
        "\n".join(
            [
                "logLevel",
                _CLOUD,
                "Syslog/Message",
                "Syslog/Host",
                "Syslog/Port",
                "Syslog/Protocol",
                "File/Message",
                "File/FileName",
            ]
        ),
        ignored="BufferMessage\nIgnoreUnresolvedVariables\nNotificationIntervalInSec\nCloudLogging/ResourceType"
        "\nSyslog/FormatMessage\nSyslog/PayloadOnly\nSyslog/DateFormat\nSyslog/SSLInfo\nFile/FileRotationOptions",
    )

    level: str
    destinations: tuple[Destination, ...]

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        level = node.words("logLevel", "INFO").upper()
        if level not in LEVELS:
            raise node.error(f"<logLevel> {level!r} is not one of {', '.join(sorted(LEVELS))}")
        read = {"CloudLogging": _cloud, "Syslog": partial(_syslog, policy=base.name), "File": _file}
        destinations = tuple(read[child.tag](child) for child in node.children() if child.tag in read)
        if not destinations:
            raise node.error("the policy needs a <CloudLogging>, a <Syslog> or a <File>")
        return cls(base.name, base.enabled, base.continue_on_error, level, destinations)

    async def execute(self, context: Context) -> None:
        """Write the lines."""
        for destination in self.destinations:
            text = destination.message.fill(context.lookup)
            place = {name: value.fill(context.lookup) for name, value in destination.place.items()}
            entry: JsonObject = _object(text) or {"severity": self.level, **place, "message": text}
            if destination.labels:
                labels = {key.fill(context.lookup): value.fill(context.lookup) for key, value in destination.labels}
                entry.setdefault("labels", labels)
            context.services.logs.write("apigee", json.dumps(entry, ensure_ascii=False))


def _object(text: str) -> JsonObject | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("JsonObject", found) if isinstance(found, dict) else None


def _message(node: Node) -> Template:
    message = node.need("Message")
    return template(message, message.text)


def _place(node: Node, **paths: str) -> dict[str, Template]:
    return {name: template(found, found.text) for name, path in paths.items() if (found := node.find(path)) is not None}


def _cloud(node: Node) -> Destination:
    if not node.words("LogName").startswith(("projects/", "{")):
        raise node.error("<LogName> must be of the form projects/{organization.name}/logs/NAME")
    labels = tuple(
        (template(key, key.text), template(value, value.text))
        for label in node.find_all("Labels/Label")
        for key, value in [(label.need("Key"), label.need("Value"))]
    )
    return Destination(_message(node), _place(node, log="LogName"), labels)


def _syslog(node: Node, policy: str) -> Destination:
    protocol, port = node.words("Protocol", "UDP").upper(), node.words("Port", "514")
    if protocol not in PROTOCOLS:
        raise node.error(f"InvalidProtocol: Invalid Protocol: {protocol} for Syslog handler in policy {policy}.")
    if not (port.isdecimal() and 0 < int(port) < 65536):
        raise node.error(f"InvalidPort: Invalid Port: {port} for Syslog handler in policy {policy}.")
    return Destination(_message(node), _place(node, host="Host", port="Port"))


def _file(node: Node) -> Destination:
    return Destination(_message(node), _place(node, file="FileName"))

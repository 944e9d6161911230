"""MessageLogging: writes a line to Cloud Logging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common, template
from portcullis.sandbox.apigee.runtime.templates import Template


@dataclass(frozen=True)
class MessageLogging(Policy):
    """Fills the message and hands it to the log service; a log that fails never fails the call.

    Only Cloud Logging is known here: a policy that writes to a file or to syslog is refused at deployment.
    """

    type_name = "MessageLogging"
    fault_prefix = "messagelogging"
    elements = elements(
        "DisplayName\nCloudLogging/LogName\nCloudLogging/Message @contentType",
        ignored="logLevel\nCloudLogging/Labels\nCloudLogging/ResourceType\nProperties",
    )

    message: Template

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        message = node.need("CloudLogging/Message")
        if not node.words("CloudLogging/LogName").startswith("projects/"):
            raise node.error("<LogName> must be of the form projects/{organization.name}/logs/NAME")
        return cls(base.name, base.enabled, base.continue_on_error, template(message, message.text))

    async def execute(self, context: Context) -> None:
        """Write the line."""
        context.services.logs.write("apigee", self.message.fill(context.lookup))

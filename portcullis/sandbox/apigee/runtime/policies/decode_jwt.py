"""DecodeJWT: reads a token without verifying it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies import jwt
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.verify_jwt import source_name


@dataclass(frozen=True)
class DecodeJWT(Policy):
    """Puts header and claims into `jwt.NAME.decoded.*`."""

    type_name = "DecodeJWT"
    fault_prefix = "jwt"
    elements = elements("Source")

    source: str

    @property
    def failed_variable(self) -> str:
        """`JWT.failed`, without the policy's name."""
        return "JWT.failed"

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        return cls(base.name, base.enabled, base.continue_on_error, source_name(node))

    async def execute(self, context: Context) -> None:
        """Read the token."""
        text = jwt.source_text(context, self.name, self.source)
        jwt.publish(context, self.name, jwt.take_apart(self.name, text), valid=None)

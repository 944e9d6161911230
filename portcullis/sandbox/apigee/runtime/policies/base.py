"""What every policy is: a class that declares its elements, reads them once, and is run for each request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from portcullis.sandbox.apigee.runtime.elements import Elements, Node
from portcullis.sandbox.apigee.runtime.readers import condition, template
from portcullis.sandbox.apigee.runtime.templates import Template
from portcullis.sandbox.apigee.runtime.values import Value, as_text

if TYPE_CHECKING:
    from portcullis.sandbox.apigee.runtime.context import Context

__all__ = ["Common", "Policy", "Setting", "Source", "common", "condition", "setting", "template"]


@dataclass(frozen=True)
class Source:
    """What surrounds a policy's XML in its bundle: the resource files by `type/name`."""

    resources: Mapping[str, bytes]


@dataclass(frozen=True)
class Policy(ABC):
    """A policy as its XML describes it.

    Subclasses declare `type_name`, the root element; `elements`, all that may be below it; and `fault_prefix`, the
    first part of the variable `PREFIX.NAME.failed` that tells of a fault, and where `tells_success` also that there was
    none.
    """

    type_name: ClassVar[str]
    elements: ClassVar[Elements]
    fault_prefix: ClassVar[str]
    tells_success: ClassVar[bool] = False

    name: str
    enabled: bool
    continue_on_error: bool

    @classmethod
    @abstractmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML, checked already against `elements`; raises `BundleError`."""

    @abstractmethod
    async def execute(self, context: Context) -> None:
        """Run for one request; raises `Fault`."""

    @property
    def failed_variable(self) -> str:
        """The variable that is true after the policy has raised a fault."""
        return f"{self.fault_prefix}.{self.name}.failed"


@dataclass(frozen=True)
class Common:
    """The attributes of every policy's root."""

    name: str
    enabled: bool
    continue_on_error: bool


def common(node: Node) -> Common:
    """Read the attributes that every policy has; raises `BundleError`."""
    return Common(
        name=node.attribute("name"),
        enabled=node.flag_attribute("enabled", default=True),
        continue_on_error=node.flag_attribute("continueOnError", default=False),
    )


@dataclass(frozen=True)
class Setting:
    """The value of an element that names a variable with `ref` and has its own text as the fallback.

    The text is a message template. `Setting()` is the value of an element that is not there: always unset.
    """

    ref: str = ""
    literal: Template | None = None

    def value(self, context: Context) -> Value:
        """Return the variable's value, else the text; `None` where neither is there."""
        found = context.variables.get(self.ref) if self.ref else None
        if found is None and self.literal is not None:
            return self.literal.fill(context.lookup)
        return found

    def text(self, context: Context) -> str | None:
        """Return the value as text; `None` where neither the variable nor a text is there."""
        found = self.value(context)
        return None if found is None else as_text(found)


def setting(node: Node | None, attribute: str = "ref") -> Setting:
    """Read an element with a `ref` attribute and a text, which an absent element is too; raises `BundleError`."""
    if node is None:
        return Setting()
    return Setting(node.attribute(attribute), template(node, node.text) if node.text else None)

"""Templates and conditions in a bundle's XML, compiled as they are read."""

from __future__ import annotations

from portcullis.sandbox.apigee.runtime.conditions import Condition, ConditionError, parse_condition
from portcullis.sandbox.apigee.runtime.elements import Node
from portcullis.sandbox.apigee.runtime.templates import Template, TemplateError, parse_template


def template(node: Node, text: str, prefix: str = "{", suffix: str = "}") -> Template:
    """Compile a message template; raises `BundleError`."""
    try:
        return parse_template(text, prefix, suffix)
    except TemplateError as error:
        raise node.error(f"<{node.tag}>: {error}") from None


def condition(node: Node | None) -> Condition | None:
    """Compile a `<Condition>`; an absent or empty one is none; raises `BundleError`."""
    if node is None or not node.text:
        return None
    try:
        return parse_condition(node.text)
    except ConditionError as error:
        raise node.error(f"{error} (condition: {node.text})") from None

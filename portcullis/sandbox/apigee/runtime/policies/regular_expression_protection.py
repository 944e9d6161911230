"""RegularExpressionProtection: refuses a message in which an expression finds something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self, cast

from lxml import etree

from portcullis.sandbox.apigee.runtime import jsonpath
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.java_regex import JavaRegex, JavaRegexError, MatchTimeoutError, compile_java
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies import payloads
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common

PREFIX = "steps.regexprotection"
PARTS = ("URIPath", "QueryParam", "Header", "FormParam", "Variable")
TYPES = frozenset({"string", "boolean", "integer", "long", "float", "double", "nodeset"})
MAX_SHOWN = 4096

Texts = Callable[[Context, Message], Iterator[str]]


@dataclass(frozen=True)
class Check:
    """Texts of a message, and the expressions none of which may find anything in them."""

    texts: Texts
    patterns: tuple[JavaRegex, ...]


@dataclass(frozen=True)
class RegularExpressionProtection(Policy):
    """Looks into parts of a message. Every value of a parameter is looked at, not the first alone.

    An expression that takes too long to search a text is a fault too: what cannot be checked does not pass.
    """

    type_name = "RegularExpressionProtection"
    fault_prefix = "regularexpressionprotection"
    elements = elements(
        "\n".join(
            [
                "Source",
                "IgnoreUnresolvedVariables",
                *(f"{part} @name" for part in PARTS),
                *(f"{part}/Pattern @ignoreCase" for part in PARTS),
                "JSONPayload @escapeSlashCharacter",
                "JSONPayload/JSONPath/Expression",
                "JSONPayload/JSONPath/Pattern @ignoreCase",
                "XMLPayload/Namespaces/Namespace @prefix",
                "XMLPayload/XPath/Expression",
                "XMLPayload/XPath/Type",
                "XMLPayload/XPath/Pattern @ignoreCase",
            ]
        )
    )

    source: str
    checks: tuple[Check, ...]

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        label = f"RegularExpressionProtection {base.name}"
        strict = not node.flag("IgnoreUnresolvedVariables", default=False)
        checks: list[Check] = []
        for child in node.children():
            if child.tag in PARTS:
                checks.append(Check(_part(child, label, strict=strict), _patterns(child, label)))
            elif child.tag == "JSONPayload":
                checks.extend(Check(_json(one, base.name), _patterns(one, label)) for one in child.children("JSONPath"))
            elif child.tag == "XMLPayload":
                prefixes = payloads.namespaces(child, label)
                checks.extend(
                    Check(_xml(one, base.name, prefixes), _patterns(one, label)) for one in child.children("XPath")
                )
        if not checks:
            raise node.error(
                f"NothingToEnforce: {label}: at least one of URIPath, QueryParam, Header, FormParam, XMLPayload, "
                "JSONPayload is mandatory"
            )
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            source=node.words("Source", "message"),
            checks=tuple(checks),
        )

    async def execute(self, context: Context) -> None:
        """Look; raises `ThreatDetected` where an expression finds something."""
        message = self._message(context)
        for check in self.checks:
            for text in check.texts(context, message):
                self._search(check.patterns, text)

    def _search(self, patterns: tuple[JavaRegex, ...], text: str) -> None:
        for pattern in patterns:
            try:
                found = pattern.found_in(text)
            except MatchTimeoutError:
                raise failed(self.name, f"the expression {pattern.text} takes too long") from None
            if found:
                shown = f"regex: {pattern.text} input: {text[:MAX_SHOWN]}"
                raise Fault(f"{PREFIX}.ThreatDetected", f"Regular Expression Threat Detected in {self.name}: {shown}")

    def _message(self, context: Context) -> Message:
        message = context.message(self.source)
        if message is not None:
            return message
        if context.variables.get(self.source) is None:
            text = f"{self.source} message is not available for RegularExpressionProtection StepDefinition {self.name}"
            raise Fault(f"{PREFIX}.SourceMessageNotAvailable", text)
        raise Fault(f"{PREFIX}.NonMessageVariable", f"Variable {self.source} does not resolve to a Message")


def failed(policy: str, reason: str) -> Fault:
    """Return the fault of a policy that could not look."""
    text = f"Failed to execute the RegularExpressionProtection StepDefinition {policy}. Reason: {reason}"
    return Fault(f"{PREFIX}.ExecutionFailed", text)


def _patterns(node: Node, label: str) -> tuple[JavaRegex, ...]:
    found = tuple(_pattern(one, label) for one in node.children("Pattern"))
    if not found:
        raise node.error(f"NoPatternsToEnforce: {label}: No patterns to enforce in {node.tag}")
    return found


def _pattern(node: Node, label: str) -> JavaRegex:
    try:
        return compile_java(node.text, ignore_case=node.flag_attribute("ignoreCase", default=False))
    except JavaRegexError as error:
        raise node.error(
            f"InvalidRegularExpression: {label}: Invalid Regular Expression {node.text}: {error}"
        ) from None


def _part(node: Node, label: str, *, strict: bool) -> Texts:
    name, kind = node.attribute("name"), node.tag
    if kind != "URIPath" and not name:
        raise node.error(f"{label}: <{kind}> needs a name")

    def variable(context: Context, message: Message) -> Iterator[str]:
        del message
        value = context.variables.text(name)
        if value is not None:
            yield value
        elif strict:
            raise Fault(f"{PREFIX}.VariableResolutionFailed", f"Failed to resolve variable {name}")

    def path(context: Context, message: Message) -> Iterator[str]:
        if message.kind == "request":
            yield context.variables.text("proxy.pathsuffix") or ""

    def parameter(context: Context, message: Message) -> Iterator[str]:
        del context
        if kind == "Header":
            yield from message.headers.values(name)
        elif kind == "QueryParam":
            yield from message.query.values(name)
        else:
            yield from message.form.values(name)

    return {"Variable": variable, "URIPath": path}.get(kind, parameter)


def _json(node: Node, policy: str) -> Texts:
    label = f"RegularExpressionProtection {policy}"
    expression = node.words("Expression")
    if not expression:
        raise node.error(f"EmptyJSONPathExpression: {label}: Empty JSONPath expression")
    try:
        path = jsonpath.parse(expression)
    except jsonpath.PathError as error:
        raise node.error(
            f"JSONPathCompilationFailed: {label}: Failed to compile jsonpath {expression}: {error}"
        ) from None

    def texts(context: Context, message: Message) -> Iterator[str]:
        del context
        if not payloads.is_json(message) or not message.content:
            return
        try:
            found = path.find(payloads.read_json(message.text))
        except (payloads.PayloadError, jsonpath.PathError) as error:
            raise failed(policy, str(error)) from None
        yield from (jsonpath.as_text(value) for value in found)

    return texts


def _xml(node: Node, policy: str, prefixes: dict[str, str]) -> Texts:
    label = f"RegularExpressionProtection {policy}"
    path = payloads.compile_xpath(node, label, node.words("Expression"), prefixes)
    kind = node.words("Type", "string").lower()
    if kind not in TYPES:
        raise node.error(f"<Type> {kind!r} is not one of {', '.join(sorted(TYPES))}")
    if kind == "nodeset" and not isinstance(path(etree.Element("probe")), list):
        text = f"Result of xpath {node.words('Expression')} cannot be converted to nodeset"
        raise node.error(f"CannotBeConvertedToNodeset: {label}: {text}")

    def texts(context: Context, message: Message) -> Iterator[str]:
        del context
        if not payloads.is_xml(message) or not message.content:
            return
        try:
            found = cast("Any", path(payloads.read_xml(message.content)))
        except payloads.PayloadError as error:
            raise failed(policy, str(error)) from None
        yield from payloads.texts(found)

    return texts

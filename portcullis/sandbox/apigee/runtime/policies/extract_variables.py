"""ExtractVariables: reads parts of a message into variables, by patterns, JSONPath and XPath."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self, cast

from lxml import etree

from portcullis.sandbox.apigee.runtime import jsonpath
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import BundleError, Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies import payloads
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common, template
from portcullis.sandbox.apigee.runtime.policies.extraction_patterns import (
    BadVariableError,
    Pattern,
    best_match,
    compile_pattern,
)
from portcullis.sandbox.apigee.runtime.templates import Template
from portcullis.sandbox.apigee.runtime.values import Scalar, Value, as_text
from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError

PARTS = {"URIPath": "", "QueryParam": "queryparam", "Header": "header", "FormParam": "formparam", "Variable": ""}
TYPES = frozenset({"string", "boolean", "integer", "long", "float", "double", "nodeset"})

Found = tuple[str, Value]


@dataclass(frozen=True)
class Subject:
    """What is read: a message, or the text of a variable that is none."""

    message: Message | None
    text: str


Extraction = Callable[[Context, Subject], Iterator[Found]]


@dataclass(frozen=True)
class ExtractVariables(Policy):
    """Runs its extractions in the order they are written. What is not found leaves its variable unset.

    The exception is a JSONPath that selects nothing where IgnoreUnresolvedVariables is false, which is a fault.
    """

    type_name = "ExtractVariables"
    fault_prefix = "extractvariables"
    elements = elements(
        "\n".join(
            [
                "@match",
                "Source @clearPayload",
                "VariablePrefix",
                "IgnoreUnresolvedVariables",
                "URIPath @name",
                *(f"{part} @name" for part in ("QueryParam", "Header", "FormParam", "Variable")),
                *(f"{part}/Pattern @ignoreCase" for part in PARTS),
                "JSONPayload/Variable @name @type",
                "JSONPayload/Variable/JSONPath",
                "XMLPayload @stopPayloadProcessing",
                "XMLPayload/Namespaces/Namespace @prefix",
                "XMLPayload/Variable @name @type",
                "XMLPayload/Variable/XPath",
            ]
        )
    )

    source: str
    clear: bool
    prefix: str
    extractions: tuple[Extraction, ...]
    reads_json: bool

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        origin = node.find("Source")
        strict = not node.flag("IgnoreUnresolvedVariables", default=False)
        extractions: list[Extraction] = []
        for child in node.children():
            if child.tag in PARTS:
                extractions.append(_by_pattern(child, base.name))
            elif child.tag == "JSONPayload":
                extractions.append(_by_jsonpath(child, base.name, strict=strict))
            elif child.tag == "XMLPayload":
                extractions.append(_by_xpath(child, base.name))
        if not extractions:
            raise node.error(
                f"NothingToExtract: ExtractVariables {base.name}: at least one of URIPath, QueryParam, Header, "
                "FormParam, XMLPayload, JSONPayload is mandatory."
            )
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            source=origin.text if origin and origin.text else "message",
            clear=origin.flag_attribute("clearPayload", default=False) if origin else False,
            prefix=node.words("VariablePrefix"),
            extractions=tuple(extractions),
            reads_json=node.find("JSONPayload") is not None,
        )

    async def execute(self, context: Context) -> None:
        """Run the extractions; raises `Fault`."""
        subject = self._subject(context)
        written: list[str] = []
        for extraction in self.extractions:
            for name, value in extraction(context, subject):
                self._set(context, f"{self.prefix}.{name}" if self.prefix else name, value, written)
        if self.clear and subject.message is not None:
            subject.message.content = b""

    def _subject(self, context: Context) -> Subject:
        message = context.message(self.source)
        if message is not None:
            return Subject(message, "")
        value = context.variables.get(self.source)
        if isinstance(value, Message):
            return Subject(value, "")
        if value is not None:
            return Subject(None, as_text(value))
        if self.reads_json and "." in self.source:
            raise Fault(
                "steps.extractvariables.JsonPathParsingFailure",
                f"ExtractVariables {self.name}: Json path parsing failed for for flow variables {self.source}",
            )
        text = f"{self.source} message is not available for ExtractVariable: {self.name}"
        raise Fault("steps.extractvariables.SourceMessageNotAvailable", text)

    def _set(self, context: Context, name: str, value: Value, written: list[str]) -> None:
        # A name that goes on after a dot cannot be set beside the shorter one (error playbook).
        if any(name.startswith(f"{before}.") for before in written):
            text = f"Failed to set variable {name} value {as_text(value)} from ExtractVariables: {self.name}"
            raise Fault("steps.extractvariables.SetVariableFailed", text)
        written.append(name)
        try:
            context.variables.set(name, value)
        except ReadOnlyVariableError:
            text = f"Variable {name} is immutable and cannot be set by ExtractVariables: {self.name}"
            raise Fault("steps.extractvariables.ImmutableVariable", text) from None


def _by_pattern(node: Node, policy: str) -> Extraction:
    name = node.attribute("name")
    if node.tag != "URIPath" and not name:
        raise node.error(f"MissingName: Required attribute name is missing in {node.tag}")
    patterns = tuple(_pattern(one, policy, path=node.tag == "URIPath") for one in node.children("Pattern"))
    kind = node.tag

    def run(context: Context, subject: Subject) -> Iterator[Found]:
        text = _part(context, subject, kind, name)
        if text is not None:
            yield from best_match(patterns, text).items()

    return run


def _pattern(node: Node, policy: str, *, path: bool) -> Pattern:
    try:
        return compile_pattern(node.text, path=path, ignore_case=node.flag_attribute("ignoreCase", default=False))
    except BadVariableError:
        text = f"InvalidPattern: Pattern {node.text} is invalid in ExtractVariables stepDefinition {policy}."
        raise node.error(text) from None
    except ValueError:
        raise node.error(
            f"PatternWithoutVariable: Pattern {node.text} should have atleast one variable in ExtractVariables "
            f"stepDefinition {policy}."
        ) from None


def _part(context: Context, subject: Subject, kind: str, name: str) -> str | None:
    """Return the text that a pattern is held against; a response has neither a path nor query parameters."""
    if kind == "Variable":
        return context.variables.text(name)
    message = subject.message
    if message is None or (message.kind != "request" and kind in {"URIPath", "QueryParam"}):
        return None
    if kind == "URIPath":
        return context.variables.text("proxy.pathsuffix") or ""
    value = message.get(f"{PARTS[kind]}.{name}")
    return None if value is None else as_text(value)


def _by_jsonpath(node: Node, policy: str, *, strict: bool) -> Extraction:
    variables = [_json_variable(one, policy) for one in node.children("Variable")]
    if not variables:
        raise node.error(f"NoJSONPathsToEvaluate: ExtractVariables {policy}: no JSONPath to evaluate in JSONPayload")

    def run(context: Context, subject: Subject) -> Iterator[Found]:
        message = subject.message
        if message is not None and not payloads.is_json(message):
            return
        try:
            document = payloads.read_json(message.text if message is not None else subject.text)
        except payloads.PayloadError:
            raise _failed(policy) from None
        for name, kind, paths in variables:
            value = _first_of(context, paths, document, policy, strict=strict)
            if value is not None:
                yield name, _json_value(value, kind)

    return run


def _json_variable(node: Node, policy: str) -> tuple[str, str, tuple[Template, ...]]:
    paths, name = list(node.children("JSONPath")), node.attribute("name")
    label = f"ExtractVariables {policy}"
    if not paths:
        raise node.error(f"NoJSONPathsToEvaluate: {label}: no jsonpaths to evaluate in variable {name}.")
    compiled: list[Template] = []
    for path in paths:
        if not path.text:
            raise path.error(f"EmptyJSONPathExpression: {label}: JSONPath expression is empty in variable {name}.")
        text = template(path, path.text)
        if text.literal is not None:
            try:
                jsonpath.parse(text.literal)
            except jsonpath.PathError as error:
                raise path.error(f"JSONPathCompilationFailed: ExtractVariables {policy}: {error}") from None
        compiled.append(text)
    return _variable_name(node, policy), _type(node), tuple(compiled)


def _first_of(context: Context, paths: tuple[Template, ...], document: object, policy: str, *, strict: bool) -> object:
    shown = ""
    for path in paths:
        shown = path.fill(context.lookup)
        try:
            there, value = jsonpath.parse(shown).result(document)
        except jsonpath.PathError:
            there, value = False, None
        if there:
            return value
    if strict:
        text = f"Invalid JSON path {shown} in policy {policy}."
        raise Fault("steps.extractvariables.InvalidJSONPath", text)
    return None


def _json_value(value: object, kind: str) -> Value:
    if kind == "nodeset":
        return jsonpath.as_text(value)
    if kind in {"integer", "long"} and isinstance(value, float):
        return int(value)
    return cast_value(jsonpath.as_text(value), kind)


def _by_xpath(node: Node, policy: str) -> Extraction:
    label = f"ExtractVariables {policy}"
    prefixes = payloads.namespaces(node, label)
    variables = [_xml_variable(one, policy, prefixes) for one in node.children("Variable")]
    if not variables:
        raise node.error(f"NoXPathsToEvaluate: {label}: no XPath to evaluate in XMLPayload")
    only_one = node.flag_attribute("stopPayloadProcessing", default=False)

    def run(context: Context, subject: Subject) -> Iterator[Found]:
        message = subject.message
        if message is not None and not payloads.is_xml(message):
            return
        try:
            root = payloads.read_xml(message.content if message is not None else subject.text)
        except payloads.PayloadError:
            raise _failed(policy) from None
        for name, kind, paths in variables:
            for path in paths:
                value = _xml_value(cast("object", path(root)), kind)
                if value is not None:
                    yield name, value
                    if only_one:
                        return
                    break

    return run


def _xml_variable(node: Node, policy: str, prefixes: dict[str, str]) -> tuple[str, str, tuple[etree.XPath, ...]]:
    label, name = f"ExtractVariables {policy}", node.attribute("name")
    if any(not one.text for one in node.children("XPath")):
        raise node.error(f"EmptyXPathExpression: {label}: XPath expression is empty in variable {name}.")
    paths = tuple(payloads.compile_xpath(one, label, one.text, prefixes) for one in node.children("XPath"))
    if not paths:
        raise node.error(f"NoXPathsToEvaluate: {label}: no xpaths to evaluate in variable {name}.")
    kind = _type(node)
    for path in paths if kind == "nodeset" else ():
        if not isinstance(path(etree.Element("probe")), list):
            text = f"CannotBeConvertedToNodeset: {label}: Result of xpath {path.path} cannot be converted to nodeset."
            raise node.error(text)
    return _variable_name(node, policy), kind, paths


def _xml_value(found: object, kind: str) -> Value:
    if isinstance(found, list):
        items = cast("list[Any]", found)
        if not items:
            return None
        if kind == "nodeset":
            return "".join(_fragment(item) for item in items)
        found = items[0]
    return cast_value(payloads.texts(found)[0], kind)


def _fragment(item: object) -> str:
    if isinstance(item, etree._Element):  # pyright: ignore[reportPrivateUsage]
        return etree.tostring(item, encoding="unicode", with_tail=False)
    return str(item)


def _variable_name(node: Node, policy: str) -> str:
    name = node.attribute("name")
    if not name:
        raise node.error("MissingName: Required attribute name is missing in Variable")
    return name


def _type(node: Node) -> str:
    kind = node.attribute("type", "string").lower()
    if kind not in TYPES:
        raise BundleError(f"{node.where}: type {kind!r} of <Variable> is not one of {', '.join(sorted(TYPES))}")
    return kind


def _failed(policy: str) -> Fault:
    return Fault("steps.extractvariables.ExecutionFailed", f"Failed to execute the ExtractVariables: {policy}")


def cast_value(text: str, kind: str) -> Scalar:
    """Return the text as a value of the type; raises the fault `UnableToCast`."""
    stripped = text.strip()
    try:
        if kind in {"integer", "long"}:
            return int(stripped)
        if kind in {"float", "double"}:
            return float(stripped)
    except ValueError:
        raise _uncastable(text, kind) from None
    if kind == "boolean":
        if stripped.lower() not in {"true", "false"}:
            raise _uncastable(text, kind)
        return stripped.lower() == "true"
    return text


def _uncastable(text: str, kind: str) -> Fault:
    return Fault("steps.extractvariables.UnableToCast", f"Unable to cast value {text} as {kind.upper()}.")

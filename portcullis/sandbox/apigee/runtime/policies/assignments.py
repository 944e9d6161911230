"""What AssignMessage and RaiseFault share: copying, adding, removing and setting parts of a message, and variables.

Operations run in the order in which they are written, as the AssignMessage reference says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node
from portcullis.sandbox.apigee.runtime.faults import Fault, reason_phrase
from portcullis.sandbox.apigee.runtime.message import Message, MultiMap
from portcullis.sandbox.apigee.runtime.policies.base import template
from portcullis.sandbox.apigee.runtime.templates import Template, UnresolvedError
from portcullis.sandbox.apigee.runtime.values import Value, as_text
from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError

_INDEX = re.compile(r"\[(-?\d+)\]$|\.(\d+)$")
"""Which of several values of a name is meant: `f[2]` or, as in the reference, `f.2`."""

PARAMETERS = {"Headers": "Header", "QueryParams": "QueryParam", "FormParams": "FormParam"}

ADD = "\n".join(f"Add/{group}/{one} @name" for group, one in PARAMETERS.items())
SET = "\n".join(
    [
        *(f"Set/{group}/{one} @name" for group, one in PARAMETERS.items()),
        "Set/Payload @contentType @variablePrefix @variableSuffix",
        "Set/Payload/*",
        "Set/StatusCode",
        "Set/ReasonPhrase",
        "Set/Verb",
        "Set/Path",
        "Set/Version",
    ]
)
REMOVE = "\n".join([*(f"Remove/{group}/{one} @name" for group, one in PARAMETERS.items()), "Remove/Payload"])
COPY = "\n".join(
    [
        "Copy @source",
        *(f"Copy/{group}/{one} @name" for group, one in PARAMETERS.items()),
        "Copy/Payload",
        "Copy/StatusCode",
        "Copy/ReasonPhrase",
        "Copy/Verb",
        "Copy/Path",
        "Copy/Version",
    ]
)
ASSIGN_VARIABLE = """
AssignVariable/Name
AssignVariable/Ref
AssignVariable/Value
AssignVariable/Template @ref
AssignVariable/PropertySetRef
AssignVariable/ResourceURL
"""


@dataclass(frozen=True)
class Scene:
    """What an operation works on.

    `prefix` is that of the policy's error codes, `label` names the policy in a faultstring, `strict` tells whether an
    unset variable is a fault.
    """

    context: Context
    message: Message
    prefix: str
    label: str
    strict: bool

    def fill(self, text: Template) -> str:
        """Fill a template by the policy's setting for unset variables."""
        try:
            return text.fill(self.context.lookup, strict=self.strict)
        except UnresolvedError as error:
            raise self.unresolved(error.args[0]) from None

    def unresolved(self, variable: str) -> Fault:
        """Return the fault of a variable that is not set."""
        return Fault(f"{self.prefix}.UnresolvedVariable", f"{self.label}: unable to resolve variable {variable}")

    def no_message(self, variable: str) -> Fault:
        """Return the fault of a variable that holds no message."""
        text = f"{self.label}: value of variable {variable} is not of type Message"
        return Fault(f"{self.prefix}.VariableOfNonMsgType", text)


Operation = Callable[[Scene], None]


def _map_of(message: Message, group: str) -> MultiMap:
    if group == "Headers":
        return message.headers
    return message.query if group == "QueryParams" else message.form


def _takes(message: Message, group: str) -> bool:
    """Tell whether a message has such parameters: those of query and form have no effect on a response (reference)."""
    return group == "Headers" or message.kind == "request"


def _store(message: Message, group: str, values: MultiMap) -> None:
    """Write form parameters back; a body that is no form stays where there are none."""
    if group == "FormParams" and values.pairs != message.form.pairs:
        message.set_form(values)


def operations(node: Node) -> tuple[Operation, ...]:
    """Compile the operations below `node` in the order they are written; raises `BundleError`."""
    found: list[Operation] = []
    for child in node.children():
        if child.tag in _COMPILERS:
            found.extend(_COMPILERS[child.tag](child))
        elif child.tag == "AssignVariable" and not (node.tag == "FaultResponse" and _nameless(child)):
            found.append(_assign_variable(child))
    return tuple(found)


def _add(node: Node) -> list[Operation]:
    return [_parameters_operation(group, replace=False) for group in node.children()]


def _set(node: Node) -> list[Operation]:
    return [_set_part(part) for part in node.children()]


def _set_part(part: Node) -> Operation:
    if part.tag in PARAMETERS:
        return _parameters_operation(part, replace=True)
    if part.tag == "Payload":
        return _set_payload(part)
    return _set_line(part)


def _parameters_operation(group: Node, *, replace: bool) -> Operation:
    pairs = [(template(one, one.attribute("name")), template(one, one.text)) for one in group.children()]
    kind = group.tag

    def run(scene: Scene) -> None:
        message = scene.message
        if not _takes(message, kind):
            return
        values = _map_of(message, kind)
        for name_text, value_text in pairs:
            name, value = scene.fill(name_text), _one_line(scene.fill(value_text))
            # What a RaiseFault set, a fault rule can only add to (fault handling guide).
            raised = kind == "Headers" and name.lower() in message.raised_headers
            if replace and not raised:
                values.set(name, value)
            else:
                values.add(name, value)
        _store(message, kind, values)

    return run


def _one_line(text: str) -> str:
    """No header or parameter can break out of its line."""
    return " ".join(text.splitlines()) if "\n" in text or "\r" in text else text


def _set_payload(part: Node) -> Operation:
    body = template(part, part.inner, part.attribute("variablePrefix", "{"), part.attribute("variableSuffix", "}"))
    content_type = template(part, part.attribute("contentType"))

    def run(scene: Scene) -> None:
        scene.message.text = scene.fill(body)
        kind = scene.fill(content_type)
        if kind:
            scene.message.headers.set("Content-Type", kind)

    return run


def _set_line(part: Node) -> Operation:
    text = template(part, part.text)
    kind = part.tag

    def run(scene: Scene) -> None:
        value, message = scene.fill(text), scene.message
        if kind == "StatusCode":
            _set_status(scene, value)
        elif kind == "ReasonPhrase":
            message.reason = _one_line(value)
        elif kind == "Verb":
            message.verb = value.strip()
        elif kind == "Path":
            message.path = value
        else:
            message.version = value

    return run


def _set_status(scene: Scene, text: str) -> None:
    text = text.strip()
    if not text:
        return
    if not (text.isdecimal() and 100 <= int(text) <= 999):
        raise Fault(f"{scene.prefix}.SetVariableFailed", f"{scene.label}: unable to set status.code to {text}")
    message = scene.message
    if message.reason == reason_phrase(message.status):
        message.reason = reason_phrase(int(text))
    message.status = int(text)


def _remove(node: Node) -> list[Operation]:
    parts = list(node.children())
    if not parts:
        return [_remove_everything]
    return [_remove_group(part) for part in parts if part.tag in PARAMETERS] + [
        _remove_payload for part in parts if part.tag == "Payload" and _wanted(part)
    ]


def _wanted(part: Node) -> bool:
    """Tell whether a part is to be copied or removed: `<Payload>false</Payload>` switches it off."""
    return part.text.lower() != "false"


def _indexed(node: Node, text: Template) -> Callable[[Scene], tuple[str, int | None]]:
    """Read a name that may end in `[2]` or `.2`, which means the second value only; raises `BundleError`."""
    literal = text.literal
    if literal is not None and (found := _INDEX.search(literal)) and _number(found) < 1:
        raise node.error(f"InvalidIndex: index must be greater than zero in {literal}")

    def read(scene: Scene) -> tuple[str, int | None]:
        name = scene.fill(text)
        index = _INDEX.search(name)
        return (name[: index.start()], _number(index)) if index else (name, None)

    return read


def _number(index: re.Match[str]) -> int:
    return int(index[1] or index[2])


def _remove_everything(scene: Scene) -> None:
    message = scene.message
    message.headers.clear()
    message.query.clear()
    message.content = b""


def _remove_payload(scene: Scene) -> None:
    scene.message.content = b""


def _remove_group(group: Node) -> Operation:
    named = list(group.children())
    names = [_indexed(one, template(one, one.attribute("name"))) for one in named if _wanted(one)]
    kind = group.tag

    def run(scene: Scene) -> None:
        if not _takes(scene.message, kind):
            return
        values = _map_of(scene.message, kind)
        had_form = bool(values.pairs)
        if not named:
            values.clear()
        for read in names:
            values.remove(*read(scene))
        if had_form:
            _store(scene.message, kind, values)

    return run


def _copy(node: Node) -> list[Operation]:
    source = node.attribute("source") or "message"
    parts = [_copy_part(part) for part in node.children()]

    def run(scene: Scene) -> None:
        named = scene.context.message(source)
        taken = named if named is not None else scene.context.variables.get(source)
        if taken is None:
            if scene.strict:
                raise scene.unresolved(source)
            return
        if not isinstance(taken, Message):
            raise scene.no_message(source)
        for part in parts or [_copy_everything]:
            part(scene, taken.copy())

    return [run]


def _copy_everything(scene: Scene, source: Message) -> None:
    target = scene.message
    for group in ("Headers", "QueryParams"):
        if not (_takes(source, group) and _takes(target, group)):
            continue
        _map_of(target, group).pairs = list(_map_of(source, group).pairs)
    target.content = source.content
    for part in ("Verb", "Path", "Version", "StatusCode", "ReasonPhrase"):
        _COPIES[part](source, target)


def _copy_part(part: Node) -> Callable[[Scene, Message], None]:
    if part.tag not in PARAMETERS:
        copy, wanted = _COPIES[part.tag], _wanted(part)

        def copy_one(scene: Scene, source: Message) -> None:
            if wanted:
                copy(source, scene.message)

        return copy_one
    named = list(part.children())
    names = [_indexed(one, template(one, one.attribute("name"))) for one in named if _wanted(one)]
    group = part.tag

    def copy_group(scene: Scene, source: Message) -> None:
        if not (_takes(source, group) and _takes(scene.message, group)):
            return
        values, into = _map_of(source, group), _map_of(scene.message, group)
        chosen = [read(scene) for read in names] if named else [(name, None) for name in values.names()]
        for name, index in chosen:
            found = values.values(name)
            found = found if index is None else found[index - 1 : index]
            if found:
                into.remove(name)
            for value in found:
                into.add(name, value)
        _store(scene.message, group, into)

    return copy_group


def _copy_payload(source: Message, target: Message) -> None:
    target.content = source.content
    if source.header("content-type"):
        target.headers.set("Content-Type", source.header("content-type"))


def _copy_status(source: Message, target: Message) -> None:
    if source.kind != "request":
        target.status = source.status


def _copy_reason(source: Message, target: Message) -> None:
    if source.kind != "request":
        target.reason = source.reason


def _copy_verb(source: Message, target: Message) -> None:
    if source.kind == target.kind == "request":
        target.verb = source.verb


def _copy_path(source: Message, target: Message) -> None:
    if source.kind == target.kind == "request":
        target.path = source.path


def _copy_version(source: Message, target: Message) -> None:
    if source.kind == target.kind == "request":
        target.version = source.version


_COPIES: dict[str, Callable[[Message, Message], None]] = {
    "Payload": _copy_payload,
    "StatusCode": _copy_status,
    "ReasonPhrase": _copy_reason,
    "Verb": _copy_verb,
    "Path": _copy_path,
    "Version": _copy_version,
}

_COMPILERS: dict[str, Callable[[Node], Sequence[Operation]]] = {
    "Add": _add,
    "Set": _set,
    "Remove": _remove,
    "Copy": _copy,
}


def _nameless(node: Node) -> bool:
    """Tell whether an `<AssignVariable>` is as empty as the reference's outline of RaiseFault has it."""
    return not node.words("Name")


# What counts of several sources of a value, first things first, as the AssignMessage reference has it.
_PRECEDENCE = {tag: rank for rank, tag in enumerate(("ResourceURL", "Template", "Ref", "Value", "PropertySetRef"))}


def _assign_variable(node: Node) -> Operation:
    name = node.need("Name").text
    if not name:
        raise node.error(
            "InvalidVariableName: AssignMessage schema validation failed: "
            "invalid variable name - null - in assign variable."
        )
    parts = sorted(node.children(), key=lambda part: _PRECEDENCE.get(part.tag, len(_PRECEDENCE)))
    readers = [reader for part in parts if (reader := _value_reader(part)) is not None]
    needed = any(part.tag != "Value" for part in parts if part.tag in _PRECEDENCE)
    reference = node.words("ResourceURL") or node.words("Ref") or name

    def run(scene: Scene) -> None:
        value: Value = next((found for read in readers if (found := read(scene)) is not None), None)
        if value is None and scene.strict and needed:
            raise scene.unresolved(reference)
        assign(scene, name, value)

    return run


def assign(scene: Scene, name: str, value: Value) -> None:
    """Set a variable, or unset it where the value is null; one that cannot be written is a fault."""
    try:
        if value is None:
            scene.context.variables.remove(name)
        else:
            scene.context.variables.set(name, value)
    except ReadOnlyVariableError:
        text = f"{scene.label}: unable to set variable {name}, which cannot be written"
        raise Fault(f"{scene.prefix}.SetVariableFailed", text) from None


def _value_reader(part: Node) -> Callable[[Scene], Value] | None:
    if part.tag == "Ref":
        variable = part.text
        return lambda scene: scene.context.variables.get(variable) if variable else None
    if part.tag == "PropertySetRef":
        key = template(part, part.text)
        return lambda scene: scene.context.variables.get(f"propertyset.{scene.fill(key)}")
    if part.tag == "ResourceURL":
        return _resource_reader(part)
    if part.tag == "Template":
        return _template_reader(part)
    if part.tag == "Value":
        literal = part.raw
        return lambda _scene: literal
    return None


def _resource_reader(part: Node) -> Callable[[Scene], Value]:
    """Read a file of the bundle or the environment as it is: only its URL is a template."""
    url = template(part, part.text)

    def read(scene: Scene) -> Value:
        kind, _, name = scene.fill(url).partition("://")
        data = scene.context.place.resources.get(f"{kind}/{name}")
        return data.decode("utf-8", errors="replace") if data is not None else None

    return read


def _template_reader(part: Node) -> Callable[[Scene], Value]:
    variable = part.attribute("ref")
    text = template(part, part.raw)
    if not variable:
        return lambda scene: scene.fill(text)

    def read(scene: Scene) -> Value:
        value = scene.context.variables.get(variable)
        if value is None:
            return scene.fill(text)
        return scene.fill(template(part, as_text(value)))

    return read

"""JavaScript: runs scripts of the bundle, or of its environment, on the request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import COMMON, Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.functions import FunctionError
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.javascript.engine import (
    Script,
    ScriptError,
    ScriptTimeoutError,
    check,
    run,
)
from portcullis.sandbox.apigee.runtime.policies.javascript.host import Host
from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError

DEFAULT_MILLISECONDS = 200
_CODE = "steps.javascript.ScriptExecutionFailed"


@dataclass(frozen=True)
class JavaScript(Policy):
    """Runs the included scripts and then the policy's own, in one scope that ends with it.

    A script is parsed at deployment, and one that the engine cannot read (E4X and other extensions of Rhino) is
    refused there. What it throws is a fault.
    """

    type_name = "Javascript"
    fault_prefix = "javascript"
    elements = elements(
        "@timeLimit\nDisplayName\nResourceURL\nIncludeURL\nSource\nProperties/Property @name",
        ignored="SSLInfo",
        root=COMMON | {"timeLimit"},
    )

    scripts: tuple[Script, ...]
    properties: Mapping[str, str]
    milliseconds: int

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML and the scripts; raises `BundleError`."""
        base = common(node)
        scripts = tuple(_resource(found, source) for found in (*node.children("IncludeURL"), *_main(node)))
        scripts += tuple(Script(f"{base.name}.js", found.raw) for found in node.children("Source"))
        if not scripts:
            raise node.error("NoResourceForURL: <ResourceURL> or <Source> is missing in <Javascript>")
        for script in scripts:
            try:
                check(script)
            except ScriptError as error:
                raise node.error(
                    f"ScriptCompilationFailed: the script cannot be read: {error}; E4X and other extensions are not"
                ) from None
        holder = node.find("Properties")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            scripts=scripts,
            properties={one.attribute("name"): one.text for one in (holder.children("Property") if holder else ())},
            milliseconds=_limit(node),
        )

    async def execute(self, context: Context) -> None:
        """Run the scripts; raises the fault of what they throw."""
        host = Host(context, self.properties)
        try:
            await asyncio.to_thread(run, self.scripts, host, self.milliseconds / 1000)
        except ScriptTimeoutError:
            raise self._fault(f"Javascript runtime exceeded limit of {self.milliseconds}ms") from None
        except ScriptError as error:
            raise self._fault(f'Javascript runtime error: "{error}"') from None
        except ReadOnlyVariableError as error:
            raise self._fault(f'Javascript runtime error: "Variable {error.args[0]} is read only"') from None
        except (FunctionError, ValueError, TypeError) as error:
            raise self._fault(f'Javascript runtime error: "{error}"') from None

    def _fault(self, text: str) -> Fault:
        return Fault(_CODE, f"Execution of {self.name} failed with error: {text}")


def _main(node: Node) -> tuple[Node, ...]:
    return tuple(found for found in node.children("ResourceURL") if found.text)


def _resource(node: Node, source: Source) -> Script:
    """Return the script of a `jsc://NAME`; raises `BundleError` in the words of Apigee's deployment errors."""
    kind, found, name = node.text.partition("://")
    if not found or not name:
        raise node.error(f"InvalidResourceUrlFormat: <{node.tag}> {node.text!r} is not of the form jsc://NAME")
    if kind != "jsc":
        raise node.error(f"WrongResourceType: <{node.tag}> {node.text!r} is no JavaScript resource (jsc://)")
    data = source.resources.get(f"jsc/{name}")
    if data is None:
        raise node.undeployable(
            f"InvalidResourceUrlReference: Invalid resource url ref {node.text}: "
            "neither the bundle nor the environment has the file"
        )
    return Script(name, data.decode("utf-8", errors="replace"))


def _limit(node: Node) -> int:
    text = node.attribute("timeLimit", str(DEFAULT_MILLISECONDS))
    if not text.isdecimal() or int(text) == 0:
        raise node.error(f"timeLimit must be a whole number of milliseconds, not {text!r}")
    return int(text)

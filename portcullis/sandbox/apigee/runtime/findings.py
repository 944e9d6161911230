"""What reading a bundle has found: what is wrong with it, what keeps it from running, what to tell its author."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from portcullis.sandbox.apigee.runtime.conditions import Condition
from portcullis.sandbox.apigee.runtime.elements import BundleError, Elements, Node, UndeployableError
from portcullis.sandbox.apigee.runtime.model import Step
from portcullis.sandbox.apigee.runtime.policies.base import Policy
from portcullis.sandbox.apigee.runtime.readers import condition

_T = TypeVar("_T")


@dataclass
class Findings:
    """Collects problems (Apigee would refuse the import), what is undeployable (refused at deployment) and warnings.

    `policies` are those that could be read, `refused` the names of all that the bundle holds.
    """

    problems: list[str] = field(default_factory=list[str])
    undeployable: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    policies: dict[str, Policy] = field(default_factory=dict[str, Policy])
    refused: set[str] = field(default_factory=set[str])

    def attempt(self, read: Callable[[], _T]) -> _T | None:
        """Return what `read` returns, or note its `BundleError` and return `None`."""
        try:
            return read()
        except UndeployableError as error:
            self.undeployable.append(str(error))
        except BundleError as error:
            self.problems.append(str(error))
        return None

    def check(self, node: Node, known: Elements) -> None:
        """Note every element that is refused or has no effect."""
        refused, warnings = known.check(node)
        self.undeployable.extend(refused)
        self.warnings.extend(warnings)

    def steps(self, node: Node | None) -> tuple[Step, ...]:
        """Read the steps below a node, which may be absent."""
        found: list[Step] = []
        for step in node.children("Step") if node else ():
            name = step.words("Name")
            policy = self.policies.get(name)
            if policy is not None:
                found.append(Step(policy, self.condition(step)))
            elif name not in self.refused:
                self.problems.append(f"{step.where}: step {name!r} names a policy that the bundle does not hold")
        return tuple(found)

    def condition(self, node: Node) -> Condition | None:
        """Read the condition below a node, if it has one."""
        compiled = self.attempt(lambda: condition(node.find("Condition")))
        if compiled is not None:
            self.warnings.extend(f"{node.where}: {warning} ({compiled.text})" for warning in compiled.warnings)
        return compiled

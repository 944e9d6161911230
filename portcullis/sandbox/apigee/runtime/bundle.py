"""From a zip to a compiled bundle: endpoints, policies, conditions and templates are read once.

What Apigee would refuse at the import is a problem here, and every problem is named: a step without its policy, a
route to a missing target, a condition that cannot be read. A policy type or a target that Apigee has and this runtime
has not is refused by name when the bundle is deployed, and so is a resource file that neither the bundle nor the
environment holds. What Apigee does not mind is a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TypeVar

from portcullis.sandbox.apigee.runtime import xml
from portcullis.sandbox.apigee.runtime.archive import unpack
from portcullis.sandbox.apigee.runtime.elements import BundleError, Elements, Node
from portcullis.sandbox.apigee.runtime.endpoints import PROXY_ENDPOINT, SHARED_FLOW, TARGET_ENDPOINT, Endpoints
from portcullis.sandbox.apigee.runtime.findings import Findings
from portcullis.sandbox.apigee.runtime.model import Bundle, Endpoint, ProxyEndpoint, TargetEndpoint
from portcullis.sandbox.apigee.runtime.policies import REGISTRY
from portcullis.sandbox.apigee.runtime.policies.base import Source
from portcullis.sandbox.apigee.runtime.policies.caching.response_cache import ResponseCache
from portcullis.sandbox.apigee.runtime.policies.other_types import OTHER_TYPES
from portcullis.sandbox.apigee.runtime.properties import parse_properties

_T = TypeVar("_T")


@dataclass(frozen=True)
class Compiled:
    """What compiling found: the bundle, where it can run, and everything that stands against it.

    `undeployable` are those of the problems that only stand against its deployment, not against its import.
    """

    bundle: Bundle | None
    problems: tuple[str, ...]
    undeployable: tuple[str, ...]
    warnings: tuple[str, ...]


def compile_bundle(data: bytes, environment: Mapping[str, bytes] = MappingProxyType({})) -> Compiled:
    """Compile a zip of `apiproxy/` or `sharedflowbundle/`; never raises for what is in it.

    `environment` are the resource files of the environment by type/name: the bundle's own count more.
    """
    compiler = _Compiler(environment)
    found = compiler.findings
    bundle = found.attempt(lambda: compiler.compile(unpack(data)))
    runs = not found.problems and not found.undeployable
    return Compiled(
        bundle if runs else None,
        tuple(dict.fromkeys([*found.problems, *found.undeployable])),
        tuple(dict.fromkeys(found.undeployable)),
        tuple(dict.fromkeys(found.warnings)),
    )


@dataclass
class _Compiler:
    environment: Mapping[str, bytes]
    findings: Findings = field(default_factory=Findings)

    def compile(self, files: Mapping[str, bytes]) -> Bundle:
        kind = self._kind(files)
        below = {path.partition("/")[2]: data for path, data in files.items() if path.startswith(f"{kind}/")}
        resources = _resources(below)
        self._policies(below, resources)
        read = Endpoints(self.findings)
        proxies = self._each(below, "proxies", "ProxyEndpoint", PROXY_ENDPOINT, read.proxy)
        targets = self._each(below, "targets", "TargetEndpoint", TARGET_ENDPOINT, read.target)
        flows = self._each(below, "sharedflows", "SharedFlow", SHARED_FLOW, read.shared_flow)
        self._check_kind(kind, below)
        self._check_routes(proxies, targets, below)
        self._check_response_caches([*proxies, *targets])
        return Bundle(
            kind=kind,
            name=self._name(below),
            proxies=tuple(proxies),
            targets={target.name: target for target in targets},
            shared_flows={flow.name: flow for flow in flows},
            policies=self.findings.policies,
            properties=self._properties(resources),
            resources=resources,
            warnings=tuple(self.findings.warnings),
        )

    @staticmethod
    def _kind(files: Mapping[str, bytes]) -> str:
        for kind in ("apiproxy", "sharedflowbundle"):
            if any(path.startswith(f"{kind}/") for path in files):
                return kind
        raise BundleError("the zip holds neither apiproxy/ nor sharedflowbundle/ at its top")

    def _name(self, below: Mapping[str, bytes]) -> str:
        """Return the name of the descriptor, the one XML file at the top."""
        for path, data in below.items():
            if "/" not in path and path.endswith(".xml"):
                node = self.findings.attempt(lambda data=data, path=path: _document(path, data))
                if node is not None and node.tag in {"APIProxy", "SharedFlowBundle"}:
                    return node.attribute("name")
        return ""

    def _documents(self, below: Mapping[str, bytes], folder: str) -> list[tuple[str, Node]]:
        found: list[tuple[str, Node]] = []
        for path, data in sorted(below.items()):
            # What a desktop leaves beside a file (`._Name.xml`) is none of the bundle's.
            hidden = path.rpartition("/")[2].startswith(".")
            if path.startswith(f"{folder}/") and path.endswith(".xml") and not hidden:
                node = self.findings.attempt(lambda path=path, data=data: _document(path, data))
                if node is not None:
                    found.append((path, node))
        return found

    def _each(
        self,
        below: Mapping[str, bytes],
        folder: str,
        tag: str,
        known: Elements,
        read: Callable[[Node, str], _T],
    ) -> list[_T]:
        found: list[_T] = []
        for path, node in self._documents(below, folder):
            if node.tag == "IntegrationEndpoint":
                self.findings.undeployable.append(f"{path}: an IntegrationEndpoint is not supported")
                continue
            if node.tag != tag:
                self.findings.problems.append(f"{path}: expected <{tag}>, found <{node.tag}>")
                continue
            self.findings.check(node, known)
            name = node.attribute("name") or _stem(path)
            one = self.findings.attempt(lambda node=node, name=name: read(node, name))
            if one is not None:
                found.append(one)
        return found

    def _policies(self, below: Mapping[str, bytes], resources: Mapping[str, bytes]) -> None:
        source = Source({**self.environment, **resources})
        for path, node in self._documents(below, "policies"):
            self.findings.attempt(lambda path=path, node=node: self._policy(path, node, source))

    def _policy(self, path: str, node: Node, source: Source) -> None:
        name = node.attribute("name")
        if not name:
            raise BundleError(f"{path}: the policy has no name attribute")
        if name in self.findings.refused:
            raise BundleError(f"{path}: there are two policies named {name}")
        self.findings.refused.add(name)
        policy_type = REGISTRY.get(node.tag)
        if policy_type is None:
            text = f"policy {name} is of type {node.tag}, which is not supported"
            raise node.undeployable(text) if node.tag in OTHER_TYPES else node.error(f"{text} and which Apigee has not")
        self.findings.check(node, policy_type.elements)
        self.findings.policies[name] = policy_type.parse(node, source)

    def _check_kind(self, kind: str, below: Mapping[str, bytes]) -> None:
        folder, what = ("proxies", "proxy endpoint") if kind == "apiproxy" else ("sharedflows", "shared flow")
        if not any(path.startswith(f"{folder}/") and path.endswith(".xml") for path in below):
            self.findings.problems.append(f"the bundle has no {what} ({kind}/{folder}/*.xml)")

    def _check_routes(
        self, proxies: Sequence[ProxyEndpoint], targets: Sequence[TargetEndpoint], below: Mapping[str, bytes]
    ) -> None:
        # An endpoint that could not be read has its own problem, and is no missing one.
        known = {target.name for target in targets}
        known |= {_stem(path) for path in below if path.startswith("targets/") and path.endswith(".xml")}
        self.findings.problems.extend(
            f"proxy endpoint {proxy.name}: route {route.name} names target endpoint {route.target}, "
            "which the bundle does not hold"
            for proxy in proxies
            for route in proxy.routes
            if route.target is not None and route.target not in known
        )

    def _check_response_caches(self, endpoints: Sequence[Endpoint]) -> None:
        """Refuse what Apigee refuses to deploy: a ResponseCache twice on the way there, or twice on the way back."""
        flows = [flow for one in endpoints for flow in (one.preflow, *one.flows, one.postflow)]
        for path, error, steps in (
            ("request", "Req", [step for flow in flows for step in flow.request]),
            ("response", "Resp", [step for flow in flows for step in flow.response]),
        ):
            names = Counter(step.policy.name for step in steps if isinstance(step.policy, ResponseCache))
            self.findings.undeployable.extend(
                f"ResponseCacheStepAttachmentNotAllowed{error}: Response cache step definition {name} can not be "
                f"attached more than once in the {path} path."
                for name, count in names.items()
                if count > 1
            )

    def _properties(self, resources: Mapping[str, bytes]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, data in resources.items():
            kind, _, name = path.partition("/")
            if kind == "properties" and name.endswith(".properties"):
                values = self.findings.attempt(lambda data=data, name=name: parse_properties(data, name)) or {}
                prefix = name.removesuffix(".properties")
                found.update({f"propertyset.{prefix}.{key}": value for key, value in values.items()})
        return found


def _document(path: str, data: bytes) -> Node:
    try:
        return Node(xml.without_namespace(xml.parse(data)), path)
    except xml.XmlError as error:
        raise BundleError(f"{path}: {error}") from None


def _resources(below: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path.removeprefix("resources/"): data for path, data in below.items() if path.startswith("resources/")}


def _stem(path: str) -> str:
    return PurePosixPath(path).stem

"""From a zip to a compiled bundle: endpoints, policies, conditions and templates are read once, strictly.

What Apigee would refuse at deployment is refused here with every problem named: an unknown policy type or element, a
step without its policy, a route to a missing target, a condition that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeVar

from portcullis.sandbox.apigee.runtime import xml
from portcullis.sandbox.apigee.runtime.archive import unpack
from portcullis.sandbox.apigee.runtime.conditions import Condition
from portcullis.sandbox.apigee.runtime.elements import BundleError, Elements, Node, elements
from portcullis.sandbox.apigee.runtime.model import (
    Bundle,
    Connection,
    Endpoint,
    FaultRule,
    Flow,
    ProxyEndpoint,
    Route,
    Server,
    SharedFlow,
    Step,
    TargetEndpoint,
)
from portcullis.sandbox.apigee.runtime.policies import REGISTRY, Policy
from portcullis.sandbox.apigee.runtime.policies.base import Source, condition, template
from portcullis.sandbox.apigee.runtime.properties import parse_properties

_T = TypeVar("_T")

MAX_BASE_PATH = 255

_STEP = """
{0}/Step/Name
{0}/Step/Condition
"""


def _flow(path: str) -> str:
    return "\n".join(
        [f"{path} @name", f"{path}/Description", *(_STEP.format(f"{path}/{side}") for side in ("Request", "Response"))]
    )


_ENDPOINT = "\n".join(
    [
        "@name",
        "DisplayName",
        "Description",
        _flow("PreFlow"),
        _flow("PostFlow"),
        "Flows @name",
        _flow("Flows/Flow"),
        "Flows/Flow/Condition",
        "FaultRules @name",
        "FaultRules/FaultRule @name",
        "FaultRules/FaultRule/Condition",
        _STEP.format("FaultRules/FaultRule"),
        "DefaultFaultRule @name",
        "DefaultFaultRule/AlwaysEnforce",
        "DefaultFaultRule/Condition",
        _STEP.format("DefaultFaultRule"),
    ]
)
_NO_ATTRIBUTES = frozenset[str]()

PROXY_ENDPOINT = elements(
    "\n".join(
        [
            _ENDPOINT,
            "PostClientFlow @name",
            _STEP.format("PostClientFlow/Response"),
            "HTTPProxyConnection/BasePath",
            "HTTPProxyConnection/Properties/Property @name",
            "RouteRule @name",
            "RouteRule/Condition",
            "RouteRule/TargetEndpoint",
            "RouteRule/URL",
        ]
    ),
    ignored="HTTPProxyConnection/VirtualHost\nPostClientFlow/Request\nPostClientFlow/Description",
    root=_NO_ATTRIBUTES,
)
TARGET_ENDPOINT = elements(
    "\n".join(
        [
            _ENDPOINT,
            "HTTPTargetConnection/URL",
            "HTTPTargetConnection/Path",
            "HTTPTargetConnection/LoadBalancer/Algorithm",
            "HTTPTargetConnection/LoadBalancer/RetryEnabled",
            "HTTPTargetConnection/LoadBalancer/Server @name",
            "HTTPTargetConnection/LoadBalancer/Server/Weight",
            "HTTPTargetConnection/LoadBalancer/Server/IsFallback",
            "HTTPTargetConnection/Properties/Property @name",
        ]
    ),
    ignored="HTTPTargetConnection/SSLInfo\nHTTPTargetConnection/HealthMonitor"
    "\nHTTPTargetConnection/LoadBalancer/MaxFailures",
    root=_NO_ATTRIBUTES,
)
SHARED_FLOW = elements("@name\nDisplayName\nDescription\nStep/Name\nStep/Condition", root=_NO_ATTRIBUTES)

PROXY_PROPERTIES = frozenset({"api.timeout"})
TARGET_PROPERTIES = frozenset({"connect.timeout.millis", "io.timeout.millis", "success.codes"})
_IGNORED_PROPERTIES = frozenset(
    {
        "keepalive.timeout.millis",
        "request.streaming.enabled",
        "response.streaming.enabled",
        "compression.algorithm",
        "request.retain.headers",
        "response.retain.headers",
        "retain.queryparams",
        "X-Forwarded-For",
        "useXForwardedFor",
        "supports.http10",
        "supports.http11",
        "use.proxy",
        "use.proxy.tunneling",
        "use.proxy.host.header.with.target.uri",
    }
)


@dataclass(frozen=True)
class Compiled:
    """What compiling found: the bundle, where it has no problems, and what to tell whoever wrote it."""

    bundle: Bundle | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def compile_bundle(data: bytes) -> Compiled:
    """Compile a zip of `apiproxy/` or `sharedflowbundle/`; never raises for what is in it."""
    compiler = _Compiler()
    try:
        files = unpack(data)
        bundle = compiler.compile(files)
    except BundleError as error:
        return Compiled(None, (*compiler.problems, str(error)), tuple(compiler.warnings))
    problems = tuple(compiler.problems)
    return Compiled(None if problems else bundle, problems, tuple(compiler.warnings))


@dataclass
class _Compiler:
    problems: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    policies: dict[str, Policy] = field(default_factory=dict[str, Policy])
    refused: set[str] = field(default_factory=set[str])

    def compile(self, files: Mapping[str, bytes]) -> Bundle:
        kind = self._kind(files)
        below = {path.partition("/")[2]: data for path, data in files.items() if path.startswith(f"{kind}/")}
        name = self._name(below)
        resources = _resources(below)
        source = Source(resources)
        for path, node in self._documents(below, "policies"):
            self._attempt(lambda path=path, node=node: self._policy(path, node, source))
        proxies = self._each(below, "proxies", "ProxyEndpoint", PROXY_ENDPOINT, self._proxy_endpoint)
        targets = self._each(below, "targets", "TargetEndpoint", TARGET_ENDPOINT, self._target_endpoint)
        flows = self._each(below, "sharedflows", "SharedFlow", SHARED_FLOW, self._shared_flow)
        if kind == "apiproxy" and not proxies and not self.problems:
            self.problems.append("the bundle has no proxy endpoint (apiproxy/proxies/*.xml)")
        if kind == "sharedflowbundle" and not flows and not self.problems:
            self.problems.append("the bundle has no shared flow (sharedflowbundle/sharedflows/*.xml)")
        by_name = {target.name: target for target in targets}
        self._check_routes(proxies, by_name)
        return Bundle(
            kind=kind,
            name=name,
            proxies=tuple(proxies),
            targets=by_name,
            shared_flows={flow.name: flow for flow in flows},
            policies=self.policies,
            properties=self._properties(resources),
            resources=resources,
            warnings=tuple(self.warnings),
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
                node = self._attempt(lambda data=data, path=path: _document(path, data))
                if node is not None and node.tag in {"APIProxy", "SharedFlowBundle"}:
                    return node.attribute("name")
        return ""

    def _documents(self, below: Mapping[str, bytes], folder: str) -> list[tuple[str, Node]]:
        found: list[tuple[str, Node]] = []
        for path, data in sorted(below.items()):
            if path.startswith(f"{folder}/") and path.endswith(".xml"):
                node = self._attempt(lambda path=path, data=data: _document(path, data))
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
            if node.tag != tag:
                self.problems.append(f"{path}: expected <{tag}>, found <{node.tag}>")
                continue
            if not self._checked(node, known):
                continue
            one = self._attempt(lambda node=node, path=path: read(node, node.attribute("name") or _stem(path)))
            if one is not None:
                found.append(one)
        return found

    def _checked(self, node: Node, known: Elements) -> bool:
        problems, warnings = known.check(node)
        self.problems.extend(problems)
        self.warnings.extend(warnings)
        return not problems

    def _attempt(self, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except BundleError as error:
            self.problems.append(str(error))
            return None

    def _policy(self, path: str, node: Node, source: Source) -> None:
        name = node.attribute("name") or _stem(path)
        self.refused.add(name)
        policy_type = REGISTRY.get(node.tag)
        if policy_type is None:
            raise BundleError(f"{path}: policy {name} is of type {node.tag}, which is not supported")
        if name in self.policies:
            raise BundleError(f"{path}: there are two policies named {name}")
        if not node.attribute("name"):
            raise BundleError(f"{path}: the policy has no name attribute")
        if self._checked(node, policy_type.elements):
            self.policies[name] = policy_type.parse(node, source)

    def _proxy_endpoint(self, node: Node, name: str) -> ProxyEndpoint:
        base_path = node.words("HTTPProxyConnection/BasePath")
        if not base_path.startswith("/") or len(base_path) > MAX_BASE_PATH:
            raise node.error("<BasePath> must begin with a slash and have at most 255 characters")
        properties = self._endpoint_properties(node, "HTTPProxyConnection", PROXY_PROPERTIES)
        base = self._endpoint(node, name)
        return ProxyEndpoint(
            **vars(base),
            base_path=base_path.rstrip("/") or "/",
            post_client=self._steps(node.find("PostClientFlow/Response")),
            routes=tuple(self._route(rule) for rule in node.children("RouteRule")),
            timeout=_milliseconds(node, properties, "api.timeout", None),
        )

    def _route(self, node: Node) -> Route:
        url = node.words("URL")
        return Route(
            name=node.attribute("name"),
            target=node.words("TargetEndpoint") or None,
            url=template(node, url) if url else None,
            condition=self._condition(node),
        )

    def _target_endpoint(self, node: Node, name: str) -> TargetEndpoint:
        connection = node.find("HTTPTargetConnection")
        if connection is None:
            raise node.error("<HTTPTargetConnection> is missing; no other connection is supported")
        return TargetEndpoint(**vars(self._endpoint(node, name)), connection=self._connection(node, connection))

    def _connection(self, node: Node, connection: Node) -> Connection:
        properties = self._endpoint_properties(node, "HTTPTargetConnection", TARGET_PROPERTIES)
        url, path = connection.words("URL"), connection.words("Path")
        balancer = connection.find("LoadBalancer")
        servers = tuple(_server(server) for server in balancer.children("Server")) if balancer else ()
        if bool(url) == bool(servers):
            raise node.error("<HTTPTargetConnection> needs either a <URL> or a <LoadBalancer> with servers")
        algorithm = connection.words("LoadBalancer/Algorithm", "RoundRobin")
        if algorithm not in {"RoundRobin", "Weighted", "LeastConnections"}:
            raise node.error(f"<Algorithm> {algorithm!r} is not known")
        codes = tuple(code.strip().lower() for code in properties.get("success.codes", "").split(",") if code.strip())
        return Connection(
            url=template(connection, url) if url else None,
            servers=servers,
            algorithm=algorithm,
            retry=connection.flag("LoadBalancer/RetryEnabled", default=True),
            path=template(connection, path) if path else None,
            connect_timeout=_milliseconds(node, properties, "connect.timeout.millis", 3.0) or 3.0,
            io_timeout=_milliseconds(node, properties, "io.timeout.millis", 55.0) or 55.0,
            success_codes=codes or Connection.success_codes,
        )

    def _shared_flow(self, node: Node, name: str) -> SharedFlow:
        return SharedFlow(name, self._steps(node))

    def _endpoint(self, node: Node, name: str) -> Endpoint:
        default = node.find("DefaultFaultRule")
        flows, rules = node.find("Flows"), node.find("FaultRules")
        return Endpoint(
            name=name,
            preflow=self._flow(node.find("PreFlow"), "PreFlow"),
            flows=tuple(self._flow(flow, "") for flow in flows.children("Flow")) if flows else (),
            postflow=self._flow(node.find("PostFlow"), "PostFlow"),
            fault_rules=tuple(self._fault_rule(rule) for rule in rules.children("FaultRule")) if rules else (),
            default_fault_rule=self._fault_rule(default) if default else None,
        )

    def _flow(self, node: Node | None, name: str) -> Flow:
        if node is None:
            return Flow(name)
        return Flow(
            name=node.attribute("name", name),
            request=self._steps(node.find("Request")),
            response=self._steps(node.find("Response")),
            condition=self._condition(node),
        )

    def _fault_rule(self, node: Node) -> FaultRule:
        return FaultRule(
            name=node.attribute("name"),
            steps=self._steps(node),
            condition=self._condition(node),
            always_enforce=node.flag("AlwaysEnforce", default=False),
        )

    def _steps(self, node: Node | None) -> tuple[Step, ...]:
        found: list[Step] = []
        for step in node.children("Step") if node else ():
            name = step.words("Name")
            policy = self.policies.get(name)
            if policy is not None:
                found.append(Step(policy, self._condition(step)))
            elif name not in self.refused:
                self.problems.append(f"{step.where}: step {name!r} names a policy that the bundle does not hold")
        return tuple(found)

    def _condition(self, node: Node) -> Condition | None:
        compiled = self._attempt(lambda: condition(node.find("Condition")))
        if compiled is not None:
            self.warnings.extend(f"{node.where}: {warning} ({compiled.text})" for warning in compiled.warnings)
        return compiled

    def _endpoint_properties(self, node: Node, connection: str, known: frozenset[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        holder = node.find(f"{connection}/Properties")
        for item in holder.children("Property") if holder else ():
            name = item.attribute("name")
            if name in known:
                found[name] = item.text
            elif name in _IGNORED_PROPERTIES:
                self.warnings.append(f"{node.where}: property {name} has no effect in this runtime")
            else:
                self.problems.append(f"{node.where}: property {name} of <{connection}> is not supported")
        return found

    def _check_routes(self, proxies: list[ProxyEndpoint], targets: Mapping[str, TargetEndpoint]) -> None:
        for proxy in proxies:
            for route in proxy.routes:
                if route.target is not None and route.target not in targets and not self.problems:
                    self.problems.append(
                        f"proxy endpoint {proxy.name}: route {route.name} names target endpoint {route.target}, "
                        "which the bundle does not hold"
                    )

    def _properties(self, resources: Mapping[str, bytes]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, data in resources.items():
            kind, _, name = path.partition("/")
            if kind == "properties" and name.endswith(".properties"):
                values = self._attempt(lambda data=data, name=name: parse_properties(data, name)) or {}
                prefix = name.removesuffix(".properties")
                found.update({f"propertyset.{prefix}.{key}": value for key, value in values.items()})
        return found


def _document(path: str, data: bytes) -> Node:
    try:
        return Node(xml.parse(data), path)
    except xml.XmlError as error:
        raise BundleError(f"{path}: {error}") from None


def _resources(below: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path.removeprefix("resources/"): data for path, data in below.items() if path.startswith("resources/")}


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _server(node: Node) -> Server:
    weight = node.words("Weight", "1")
    if not weight.isdecimal() or int(weight) < 1:
        raise node.error("<Weight> of a server must be a whole number from 1")
    return Server(node.attribute("name"), int(weight), node.flag("IsFallback", default=False))


def _milliseconds(node: Node, properties: Mapping[str, str], name: str, default: float | None) -> float | None:
    text = properties.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise node.error(f"property {name} must be a whole number of milliseconds, a literal, not {text!r}")
    return int(text) / 1000

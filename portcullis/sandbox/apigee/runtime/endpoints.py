"""Reading proxy endpoints, target endpoints and shared flows from their XML."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime import connection_xml
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.findings import Findings
from portcullis.sandbox.apigee.runtime.model import (
    Endpoint,
    FaultRule,
    Flow,
    ProxyEndpoint,
    Route,
    SharedFlow,
    TargetEndpoint,
)
from portcullis.sandbox.apigee.runtime.readers import template

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
            _flow("PostClientFlow"),
            "HTTPProxyConnection/BasePath",
            "HTTPProxyConnection/Properties/Property @name",
            "RouteRule @name",
            "RouteRule/Condition",
            "RouteRule/TargetEndpoint",
            "RouteRule/URL",
        ]
    ),
    ignored="HTTPProxyConnection/VirtualHost",
    refused="EventFlow\nRouteRule/IntegrationEndpoint",
    root=_NO_ATTRIBUTES,
)
TARGET_ENDPOINT = elements(
    "\n".join([_ENDPOINT, connection_xml.SUPPORTED]),
    ignored=connection_xml.IGNORED,
    refused="EventFlow\nScriptTarget\nHostedTarget\nIntegrationEndpoint",
    root=_NO_ATTRIBUTES,
)
SHARED_FLOW = elements("@name\nStep/Name\nStep/Condition", root=_NO_ATTRIBUTES)

PROXY_PROPERTIES = frozenset(
    {
        "api.timeout",
        "request.streaming.enabled",
        "response.streaming.enabled",
        "request.payload.parse.limit",
        "response.payload.parse.limit",
    }
)

_OTHER_TARGETS = ("ScriptTarget", "HostedTarget", "IntegrationEndpoint")


@dataclass(frozen=True)
class Endpoints:
    """Reads endpoints; what is wrong or has no effect goes to the findings."""

    findings: Findings

    def proxy(self, node: Node, name: str) -> ProxyEndpoint:
        """Read a `<ProxyEndpoint>`; raises `BundleError`."""
        base_path = node.words("HTTPProxyConnection/BasePath")
        if not base_path.startswith("/") or len(base_path) > MAX_BASE_PATH:
            raise node.error(f"<BasePath> must begin with a slash and have at most {MAX_BASE_PATH} characters")
        connection = node.need("HTTPProxyConnection")
        properties = connection_xml.read_properties(connection, PROXY_PROPERTIES, self.findings.warnings)
        return ProxyEndpoint(
            **vars(self._endpoint(node, name)),
            base_path=base_path.rstrip("/") or "/",
            post_client=self._flow(node.find("PostClientFlow"), "PostClientFlow"),
            routes=tuple(self._route(rule) for rule in node.children("RouteRule")),
            timeout=connection_xml.milliseconds(node, properties, "api.timeout", None),
            payloads=connection_xml.payloads(node, properties),
        )

    def target(self, node: Node, name: str) -> TargetEndpoint:
        """Read a `<TargetEndpoint>`; raises `BundleError`."""
        other = next((tag for tag in _OTHER_TARGETS if node.find(tag) is not None), None)
        if other is not None:
            raise node.undeployable(f"target endpoint {name} is of type {other}, which is not supported")
        connection = connection_xml.read_connection(node, self.findings.warnings)
        return TargetEndpoint(**vars(self._endpoint(node, name)), connection=connection)

    def shared_flow(self, node: Node, name: str) -> SharedFlow:
        """Read a `<SharedFlow>`."""
        return SharedFlow(name, self.findings.steps(node))

    def _route(self, node: Node) -> Route:
        url = node.words("URL")
        return Route(
            name=node.attribute("name"),
            target=node.words("TargetEndpoint") or None,
            url=template(node, url) if url else None,
            condition=self.findings.condition(node),
        )

    def _endpoint(self, node: Node, name: str) -> Endpoint:
        default = node.find("DefaultFaultRule")
        return Endpoint(
            name=name,
            preflow=self._flow(node.find("PreFlow"), "PreFlow"),
            flows=tuple(self._flow(flow, "") for flow in node.find_all("Flows/Flow")),
            postflow=self._flow(node.find("PostFlow"), "PostFlow"),
            fault_rules=tuple(self._fault_rule(rule) for rule in node.find_all("FaultRules/FaultRule")),
            default_fault_rule=self._fault_rule(default) if default else None,
        )

    def _flow(self, node: Node | None, name: str) -> Flow:
        if node is None:
            return Flow(name)
        return Flow(
            name=node.attribute("name", name),
            request=self.findings.steps(node.find("Request")),
            response=self.findings.steps(node.find("Response")),
            condition=self.findings.condition(node),
            description=node.words("Description"),
        )

    def _fault_rule(self, node: Node) -> FaultRule:
        return FaultRule(
            name=node.attribute("name"),
            steps=self.findings.steps(node),
            condition=self.findings.condition(node),
            always_enforce=node.flag("AlwaysEnforce", default=False),
        )

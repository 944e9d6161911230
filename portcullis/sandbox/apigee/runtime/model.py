"""A proxy bundle or shared flow, compiled: what the pipeline runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from portcullis.sandbox.apigee.runtime.conditions import Condition
from portcullis.sandbox.apigee.runtime.connection import BUFFERED, Connection, LocalConnection, Payloads
from portcullis.sandbox.apigee.runtime.policies.base import Policy
from portcullis.sandbox.apigee.runtime.templates import Template


@dataclass(frozen=True)
class Step:
    """A policy attached to a flow, run where its condition is true."""

    policy: Policy
    condition: Condition | None = None


@dataclass(frozen=True)
class Flow:
    """Steps for the request and for the response; a conditional flow is chosen by its condition."""

    name: str
    request: tuple[Step, ...] = ()
    response: tuple[Step, ...] = ()
    condition: Condition | None = None
    description: str = ""


@dataclass(frozen=True)
class FaultRule:
    """Steps that run when the flow is in error and the condition is true."""

    name: str
    steps: tuple[Step, ...]
    condition: Condition | None = None
    always_enforce: bool = False


@dataclass(frozen=True)
class Endpoint:
    """What proxy and target endpoints have in common."""

    name: str
    preflow: Flow
    flows: tuple[Flow, ...]
    postflow: Flow
    fault_rules: tuple[FaultRule, ...]
    default_fault_rule: FaultRule | None


@dataclass(frozen=True)
class Route:
    """Where a request goes: a target endpoint, a URL, or nowhere (the null route, both `None`)."""

    name: str
    target: str | None
    url: Template | None
    condition: Condition | None


@dataclass(frozen=True)
class ProxyEndpoint(Endpoint):
    """The client's side of a proxy. `timeout` is `api.timeout` in seconds."""

    base_path: str
    post_client: Flow
    routes: tuple[Route, ...]
    timeout: float | None = None
    payloads: Payloads = BUFFERED


@dataclass(frozen=True)
class TargetEndpoint(Endpoint):
    """The backend's side of a proxy."""

    connection: Connection | LocalConnection


@dataclass(frozen=True)
class SharedFlow:
    """The steps that a FlowCallout runs."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Bundle:
    """A compiled bundle. `properties` are the `propertyset.NAME.KEY` variables, `resources` the files by type/name."""

    kind: str
    name: str
    proxies: tuple[ProxyEndpoint, ...] = ()
    targets: Mapping[str, TargetEndpoint] = field(default_factory=dict[str, TargetEndpoint])
    shared_flows: Mapping[str, SharedFlow] = field(default_factory=dict[str, SharedFlow])
    policies: Mapping[str, Policy] = field(default_factory=dict[str, Policy])
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    resources: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    warnings: tuple[str, ...] = ()

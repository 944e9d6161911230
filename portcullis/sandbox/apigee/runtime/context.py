"""What a policy works with while a request runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from portcullis.sandbox.apigee.runtime.balancing import Balancing
from portcullis.sandbox.apigee.runtime.caches import Caches
from portcullis.sandbox.apigee.runtime.exchange import Exchange
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.kvm import KeyValueMaps
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.remote_keys import RemoteKeys
from portcullis.sandbox.apigee.runtime.spikes import Spikes
from portcullis.sandbox.apigee.runtime.templates import Template, UnresolvedError
from portcullis.sandbox.apigee.runtime.tokens import Tokens
from portcullis.sandbox.apigee.runtime.trace import Trace
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.apigee.runtime.variables import Variables
from portcullis.sandbox.clock import Clock
from portcullis.sandbox.logs import LogSink
from portcullis.sandbox.network import Network
from portcullis.sandbox.store import Store

if TYPE_CHECKING:
    from portcullis.sandbox.apigee.runtime.policies.base import Policy

Phase = Literal["request", "response", "error"]

STEP_STATE = "currentstep.flowstate"


@dataclass(frozen=True)
class Services:
    """What every deployment shares."""

    store: Store
    network: Network
    clock: Clock
    logs: LogSink
    maps: KeyValueMaps
    keys: RemoteKeys
    spikes: Spikes
    caches: Caches
    tokens: Tokens
    exchange: Exchange
    balancing: Balancing


@dataclass(frozen=True)
class Hook:
    """A flow hook: the shared flow that runs at one point of every proxy of the environment."""

    shared_flow: str
    continue_on_error: bool


@dataclass(frozen=True)
class Place:
    """Where a bundle is deployed, with the variables and resource files that all its requests share.

    `hooks` are the environment's, by point: `PreProxyFlowHook`, `PreTargetFlowHook` and so on; `policies` are those of
    the bundle, for a policy that is about another one.
    """

    organization: str
    environment: str
    bundle: str
    revision: str
    constants: Mapping[str, Value]
    resources: Mapping[str, bytes]
    hooks: Mapping[str, Hook] = field(default_factory=dict[str, Hook])
    policies: Mapping[str, Policy] = field(default_factory=dict[str, "Policy"])


class Answered(Exception):  # noqa: N818 - no error: the request has its answer
    """A policy has put the answer into `response`: what is left of the request's way there is not gone.

    The way back begins after the policy named `resume_after` in the response flow, where it is attached there too,
    else at the response PreFlow.
    """

    def __init__(self, resume_after: str = "") -> None:
        super().__init__(resume_after)
        self.resume_after = resume_after


@dataclass
class Context:
    """One request on its way through one deployment.

    `in_target` tells whether it is in the target endpoint's part of the flow; `session` is what its JavaScript
    policies hand to one another (`context.session`); `finishers` see the answer last, whatever made it.
    """

    services: Services
    place: Place
    variables: Variables
    trace: Trace
    call_shared_flow: Callable[[str, Context], Awaitable[None]]
    call_proxy: Callable[[str, str, Message, bool], Awaitable[Message]]
    phase: Phase = "request"
    fault: Fault | None = None
    depth: int = 0
    in_shared_flow: str = field(default="")
    in_target: bool = False
    session: dict[str, object] = field(default_factory=dict[str, object])
    finishers: list[Callable[[Message], None]] = field(default_factory=list["Callable[[Message], None]"])
    resume_after: str = ""
    configured_url: str | None = None

    @property
    def lookup(self) -> Callable[[str], Value]:
        """How conditions and templates find variables."""
        return self.variables.get

    @property
    def now(self) -> float:
        """Seconds since the epoch by the sandbox's clock."""
        return self.services.clock.now()

    def stamp(self, *moments: str) -> None:
        """Note the time in `MOMENT.timestamp`, in milliseconds; `MOMENT.time` is read from it."""
        now = int(self.now * 1000)
        self.variables.fill({f"{moment}.timestamp": now for moment in moments})

    def enter(self, phase: Phase) -> None:
        """Go over to another phase: `message` means another message from now on."""
        self.phase = phase
        self.variables.current = phase

    @property
    def flow_state(self) -> str:
        """The part of the flow as `context.flow` of JavaScript and `currentstep.flowstate` name it."""
        return f"{'TARGET' if self.in_target else 'PROXY'}_{'REQ' if self.phase == 'request' else 'RESP'}_FLOW"

    def tell_state(self, state: str) -> None:
        """Set `currentstep.flowstate`, which the steps that follow read."""
        self.variables.fill({STEP_STATE: state})

    def message(self, name: str) -> Message | None:
        """Return a message by the name policies use; in the error flow `response` is the error that will be sent."""
        if self.phase == "error" and name in {"message", "response"}:
            return self.variables.messages.get("error")
        return self.variables.message(name)

    def fill(self, template: Template, code: str, *, strict: bool) -> str:
        """Fill a template; an unset variable of a strict one is the fault `code`."""
        try:
            return template.fill(self.variables.get, strict=strict)
        except UnresolvedError as error:
            raise Fault(code, f"Unresolved variable : {error.args[0]}") from None

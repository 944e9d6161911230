"""Every fault of the table, raised in the running proxy: what the caller is told, and what the audit line says."""

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from ruamel.yaml import YAML

from portcullis.deployed import CANARY_PATH, Realm, canary_token
from portcullis.sandbox.apigee.runtime import flow
from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.model import Step
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source
from tests.sandbox.bundle.deployed import AUDIENCE, ISSUER, Deployed, contract_of
from tests.unit.bundle.rendered import EVERYTHING, bundle, endpoints, parsed

TABLE: dict[str, Any] = YAML(typ="safe").load(
    Path(__file__).parents[2].joinpath("unit", "bundle", "faults.yaml").read_text()
)
PAGE = "https://shop.acme.example"


@dataclasses.dataclass(frozen=True)
class Broken(Policy):
    """Stands in for a policy and raises a fault, with the variables that Apigee sets beside it."""

    type_name = "Broken"
    fault_prefix = "broken"
    elements = elements("DisplayName")

    whole: Policy
    code: str
    sets: dict[str, Any]

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        raise NotImplementedError

    async def execute(self, context: Context) -> None:
        context.variables.fill(self.sets)
        raise Fault(self.code, "words of Apigee's own", 500)

    @property
    def failed_variable(self) -> str:
        return self.whole.failed_variable


@pytest.fixture
async def whole(tmp_path: Path) -> Any:
    """The proxy of a contract that asks for everything."""
    deployed = Deployed(contract_of(tmp_path, [(old, new) for old, new in EVERYTHING]))
    yield deployed
    await deployed.close()


def break_policy(monkeypatch: pytest.MonkeyPatch, name: str, code: str, sets: dict[str, Any]) -> list[str]:
    """Let the first step of that name outside the fault rules raise; return where it did, once it has."""
    original, broken = flow.run_steps, list[str]()

    async def run_steps(context: Context, steps: Iterable[Step]) -> None:
        def changed() -> Iterator[Step]:
            for step in steps:
                if step.policy.name == name and context.phase != "error" and not broken:
                    broken.append(name)
                    policy = step.policy
                    stand_in = Broken(policy.name, policy.enabled, policy.continue_on_error, policy, code, sets)
                    yield dataclasses.replace(step, condition=None, policy=stand_in)
                else:
                    yield step

        await original(context, changed())

    monkeypatch.setattr(flow, "run_steps", run_steps)
    return broken


def rows() -> Iterator[Any]:
    """(policy, its type, the flow it is in) for each policy in the flows of the proxy that can raise a fault."""
    with tempfile.TemporaryDirectory() as folder:
        files = bundle(Path(folder), EVERYTHING)
    policies = parsed(files, "policies")
    seen: set[str] = set()
    for endpoint in (endpoints(files)["default"], endpoints(files)["orders"]):
        for place in endpoint.iterfind(".//Step"):
            name, part = place.findtext("Name"), place.getparent().getparent()
            if part.tag not in {"PreFlow", "PostFlow", "Flow"} or name in seen:
                continue
            seen.add(name)
            if TABLE["policies"][policies[name].tag].get("faults"):
                yield pytest.param(name, policies[name].tag, part.get("name"), id=name)


def request_to(apigee: Deployed, flow_name: str) -> tuple[str, str]:
    """A request that this flow is for, and a token for it."""
    if flow_name == "ring_canary":
        realm = Realm(ISSUER, AUDIENCE, apigee.environment)
        return f"GET {CANARY_PATH}", canary_token(apigee.private, 7, realm, apigee.clock.now())
    if flow_name.startswith("methods_"):
        return "DELETE /orders", apigee.token()
    for product in apigee.contract.products.values():
        for name, operation in product.operations.items():
            if name == flow_name:
                path = operation.path.replace("{", "").replace("}", "")
                return f"{operation.method} {path}", apigee.token(name)
    return "GET /orders", apigee.token()


def assert_told(answer: httpx.Response, apigee: Deployed, problem: str) -> None:
    assert answer.status_code == TABLE["statuses"][problem], answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told, line = answer.json(), apigee.audited()
    assert told["type"].endswith(problem)
    assert (told["status"], told["trace_id"]) == (answer.status_code, line["trace_id"])
    assert len(line["trace_id"]) == 32
    assert (line["reason"], line["http.response.status_code"]) == (problem, answer.status_code)
    assert "words of Apigee" not in answer.text
    assert "fault" not in answer.text.replace("gateway-fault", "")
    apigee.logs.clear()
    # A new minute, so that neither quota nor burst are left from the call before.
    apigee.clock.advance(60)


AFTER_THE_APP_IS_FOUND = {"SpikeArrest", "Quota", "JSONThreatProtection", "RegularExpressionProtection"}


@pytest.mark.parametrize(("policy", "kind", "flow_name"), list(rows()))
async def test_every_fault_of(
    whole: Deployed, monkeypatch: pytest.MonkeyPatch, policy: str, kind: str, flow_name: str
) -> None:
    unseen = policy in {"AM-Begin", "AM-PageOrigin"}
    for code, problem in TABLE["policies"][kind]["faults"].items():
        request, token = request_to(whole, flow_name)
        with monkeypatch.context() as patch:
            broken = break_policy(patch, policy, code, TABLE["policies"][kind].get("sets", {}))
            answer = await whole.call(request, token, [("Origin", PAGE)])
        assert broken == [policy]
        assert_told(answer, whole, problem)
        assert ("ratelimit-policy" in answer.headers) or kind not in AFTER_THE_APP_IS_FOUND
        assert answer.headers.get("access-control-allow-origin") == (None if unseen else PAGE)


async def test_every_fault_before_the_first_policy(whole: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, problem in TABLE["endpoints"]["default"].items():
        with monkeypatch.context() as patch:
            break_policy(patch, "AM-Begin", code, {})
            answer = await whole.call("GET /orders", whole.token())
        assert_told(answer, whole, problem)


async def test_every_fault_on_the_way_to_the_backend(whole: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, problem in TABLE["endpoints"]["orders"].items():

        async def broken(*_: Any, code: str = code) -> None:
            raise Fault(code, "words of Apigee's own", 500)

        with monkeypatch.context() as patch:
            patch.setattr(flow, "send_to_target", broken)
            answer = await whole.call("GET /orders", whole.token(), [("Origin", PAGE)])
        assert_told(answer, whole, problem)
        assert answer.headers["ratelimit-policy"] == '"orders";q=60;w=60'
        assert answer.headers["ratelimit"] == '"orders";r=59;t=60'
        assert answer.headers["access-control-allow-origin"] == PAGE


async def test_a_fault_of_the_audit_reaches_nobody(whole: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    break_policy(monkeypatch, "ML-Audit", "steps.messagelogging.ExecutionFailed", {})
    assert (await whole.call("GET /orders", whole.token())).status_code == 200

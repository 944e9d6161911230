"""Every policy's elements, variables and faults: each row of each table here, run in the interpreter."""

import json
import re
from string import Template
from typing import Any

import httpx
import pytest

from tests.sandbox.apigee_policies import tokens
from tests.sandbox.apigee_policies.case import Call, Case, World, tables
from tests.sandbox.apigee_policies.deployed import Deployed

ROWS = tables()


@pytest.mark.parametrize(("case", "shared"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_policy(case: Case, shared: World) -> None:
    kept = {**tokens.texts()} if "${" in str(shared) + str(case) else {}
    case = Case.model_validate({**case.model_dump(), "world": _filled(case.world.model_dump(), kept)})
    deployed = Deployed(case, World.model_validate(_filled(shared.model_dump(), kept)))
    try:
        _check_deployment(deployed, case)
        for call in case.calls:
            await _check(deployed, Call.model_validate(_filled(call.model_dump(), kept)), kept)
    finally:
        await deployed.close()


def _check_deployment(deployed: Deployed, case: Case) -> None:
    problems, warnings = "\n".join(deployed.compiled.problems), "\n".join(deployed.compiled.warnings)
    if not case.refused:
        assert not problems
        assert case.calls or case.warned, "the row expects nothing"
    for text in case.refused:
        assert text in problems
    for text in case.warned:
        assert text in warnings


def _filled(value: Any, kept: dict[str, str]) -> Any:
    """Put what earlier calls kept into a later call's texts."""
    if isinstance(value, str):
        return Template(value).safe_substitute(kept)
    if isinstance(value, dict):
        return {key: _filled(item, kept) for key, item in value.items()}
    return [_filled(item, kept) for item in value] if isinstance(value, list) else value


async def _check(deployed: Deployed, call: Call, kept: dict[str, str]) -> None:
    deployed.clock.advance(call.after)
    deployed.received.clear()
    deployed.logs.clear()
    method, path = call.send.split(" ", 1)
    pairs = [(n, v) for n, values in call.headers.items() for v in ([values] if isinstance(values, str) else values)]
    if call.token is not None:
        pairs.append(("Authorization", f"Bearer {tokens.sign(call.token)}"))
    body = {"content": call.body.encode()} if call.body is not None else {"data": call.form} if call.form else {}
    answer = await deployed.send(method, path, call.client, headers=pairs, **body)
    _check_answer(answer, call)
    for name, value in call.variables.items():
        found = deployed.variable(name)
        assert (list(found) if isinstance(found, tuple) else found) == value, name
    if call.sent is not None:
        _check_sent(deployed.received, call.sent)
    if call.logged is not None:
        assert deployed.logs.entries() == call.logged
    for name, member in call.keep.items():
        kept[name] = str(answer.json()[member])


def _check_answer(answer: httpx.Response, call: Call) -> None:
    shown = f"{answer.status_code} {answer.headers} {answer.text}"
    if call.fault is not None:
        code, text = call.fault
        assert answer.json() == {"fault": {"faultstring": text, "detail": {"errorcode": code}}}, shown
    if call.status is None:
        assert call.fault is not None or answer.status_code == 200, shown
    else:
        assert answer.status_code == call.status, shown
    if call.reason is not None:
        assert answer.reason_phrase == call.reason
    for name, value in call.answer_headers.items():
        found = answer.headers.get_list(name)
        assert found == ([] if value is None else [value] if isinstance(value, str) else value), (name, shown)
    if call.answer is not None:
        assert answer.text == call.answer
    if call.json_answer is not None:
        assert answer.json() == call.json_answer, shown
    if call.holds:
        document = answer.json()
        assert {name: document.get(name) for name in call.holds} == call.holds, shown
    if call.matches is not None:
        assert re.search(call.matches, answer.text), shown


def _check_sent(received: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(received) == len(expected), json.dumps(received)
    for found, wanted in zip(received, expected, strict=True):
        headers = wanted.pop("headers", {})
        assert {name: found[name] for name in wanted} == wanted
        for name, value in headers.items():
            assert found["headers"].get(name.lower()) == value, (name, found)

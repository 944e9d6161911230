"""The form of the tables: what a row may say, checked strictly so that a misspelt expectation is an error."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

FOLDER = Path(__file__).parent


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Reply(_Strict):
    """What a backend answers; `echo` answers the request's own line, headers and body as JSON. `down` refuses."""

    status: int = 200
    headers: dict[str, str | list[str]] = {}
    body: str = ""
    json_body: Any = Field(None, alias="json")
    echo: bool = False
    down: bool = False


class Token(_Strict):
    """A token signed for a call: the name of its key in `tokens.py`, its header and claims, and what is wrong with it.

    `spoiled` replaces a text of the finished token by another.
    """

    key: str
    alg: str
    header: dict[str, Any] = {}
    claims: dict[str, Any] = {}
    spoiled: tuple[str, str] | None = None


class World(_Strict):
    """What is there before the first call. Texts may name keys of `tokens.py` as `${name}`.

    `variables` are set in every request before its first step. `backends` maps a hostname to its replies, given in
    turn, the last one for good; a proxy with `target` forwards to that hostname, else it has no target. `documents`
    are those of the management API, by collection and by key below the organization.
    """

    variables: dict[str, Any] = {}
    backends: dict[str, list[Reply]] = {}
    target: str | None = None
    documents: dict[str, dict[str, dict[str, Any]]] = {}


class Call(_Strict):
    """One request and what is expected of it.

    `after` moves the clock first, in seconds. `token` is sent as `Authorization: Bearer`. `fault` expects the default
    answer to a fault, `[code, faultstring]`.
    `json` is the whole body, `holds` members that it has among others, `matches` a regular expression found in it.
    A header or variable that is `null` must be absent. `sent` lists what the backends received in this call; of each
    only the members that are given are compared. `keep` names members of the JSON answer for later calls, which
    write them as `${name}`.
    """

    send: str = "GET /"
    headers: dict[str, str | list[str]] = {}
    body: str | None = None
    form: dict[str, str] | None = None
    token: Token | None = None
    client: str = "203.0.113.7"
    after: float = 0
    status: int | None = None
    reason: str | None = None
    answer_headers: dict[str, str | list[str] | None] = {}
    answer: str | None = None
    json_answer: Any = Field(None, alias="json")
    holds: dict[str, Any] = {}
    matches: str | None = None
    fault: list[str] | None = None
    variables: dict[str, Any] = {}
    sent: list[dict[str, Any]] | None = None
    logged: list[dict[str, Any]] | None = None
    keep: dict[str, str] = {}


class Case(_Strict):
    """One row: a bundle of some policies, and calls, or why it is refused at deployment.

    `policies` holds one XML document after the other. Without `steps` all run in the request PreFlow, in order; else
    `steps` lists the names (or `{name: condition}`) per place: `request`, `response`, `target_request`,
    `target_response`, `fault` (the proxy's DefaultFaultRule), `target_fault` and `post_client`. `endpoint` is XML put
    at the end of the proxy endpoint. `shared_flows` maps the name of a deployed shared flow to its policies, which all
    run in order.
    """

    it: str
    source: str = ""
    policies: str
    steps: dict[str, list[str | dict[str, str]]] = {}
    resources: dict[str, str] = {}
    endpoint: str = ""
    shared_flows: dict[str, str] = {}
    world: World = World()
    calls: list[Call] = []
    refused: list[str] = []
    warned: list[str] = []


class Table(_Strict):
    """A file: the policy, the page that describes it, and a world that its rows share."""

    policy: str
    source: str
    world: World = World()
    cases: list[Case]


def tables() -> list[tuple[str, Case, World]]:
    """Return (name, row, shared world) of every row of every table."""
    found: list[tuple[str, Case, World]] = []
    for path in sorted(FOLDER.glob("*.yaml")):
        table = Table.model_validate(YAML(typ="safe", pure=False).load(path.read_text()))
        found.extend((f"{path.stem}: {case.it}", case, table.world) for case in table.cases)
    return found

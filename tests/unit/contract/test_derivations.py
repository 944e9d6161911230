"""What each tier derives from the good contract, against files that people reviewed."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from portcullis.contract import Contract, load
from portcullis.contract.api_products import api_products
from portcullis.contract.operations_table import operations_table
from portcullis.contract.paths import apigee_resource, overlap, refines
from portcullis.contract.policy_table import policy_table
from portcullis.contract.schema import schema
from portcullis.contract.test_users import TestUser, test_users
from tests.unit.contract.edits import GOOD, edited

HERE = Path(__file__).parent
EXPECTED = HERE / "expected"


@pytest.fixture
def contract() -> Contract:
    return load(HERE / "good.yaml")


def expected(name: str) -> Any:
    return json.loads((EXPECTED / name).read_text())


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_the_policy_table_of_the_worker(contract: Contract) -> None:
    derived = policy_table(contract, "https://api.acme.example", "https://apigee.acme.example/store")
    assert as_json(derived) == expected("policy_table.json")


def test_the_api_products(contract: Contract) -> None:
    assert as_json([asdict(product) for product in api_products(contract)]) == expected("api_products.json")


def plain(user: TestUser) -> dict[str, Any]:
    return {"name": user.name, "issuer": user.issuer, "claims": dict(user.claims), "roles": user.roles}


def test_the_test_users(contract: Contract) -> None:
    assert as_json([plain(user) for user in test_users(contract)]) == expected("test_users.json")


def test_the_first_test_user_may_make_the_first_get(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(
        edited(
            [
                [
                    "list-orders: {method: GET, path: /orders, roles: [reader, buyer]",
                    "list-orders: {method: GET, path: /orders, roles: [buyer]",
                ]
            ]
        )
    )
    assert test_users(load(tmp_path / "gateway.yaml"))[0].name == "buyer"


def test_the_table_for_people(contract: Contract) -> None:
    assert operations_table(contract) == (EXPECTED / "operations_table.md").read_text()


def test_a_special_path_comes_before_the_general_one_in_the_policy_table(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(
        edited([["{method: POST, path: /orders,", "{method: GET, path: /orders/export,"]])
    )
    derived = policy_table(load(tmp_path / "gateway.yaml"), "i", "a")
    names = [operation["name"] for operation in derived["operations"]]
    assert names.index("place-order") < names.index("get-order")


def test_a_client_id_becomes_a_consumer_key_that_apigee_accepts(contract: Contract) -> None:
    keys = [consumer.consumer_key for consumer in contract.consumers.values()]
    assert keys == ["0oa1storefront", "4711-partners_apps_googleusercontent_example"]


def test_the_schema_for_editors_accepts_the_contract_and_refuses_an_unknown_key() -> None:
    document = YAML(typ="safe").load(GOOD)
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "apigees": {}}, schema())


@pytest.mark.parametrize(
    ("one", "other", "overlapping", "refining"),
    [
        ("/a", "/a", True, False),
        ("/a", "/b", False, False),
        ("/a/{x}", "/a/{y}", True, False),
        ("/a/b", "/a/{x}", True, True),
        ("/a/{x}", "/a/b", True, False),
        ("/a/{x}/c", "/a/b/{y}", True, False),
        ("/a/{x}", "/a/{x}/c", False, False),
        ("/", "/a", False, False),
        ("/", "/", True, False),
    ],
)
def test_which_templates_match_the_same_paths(one: str, other: str, overlapping: bool, refining: bool) -> None:
    assert (overlap(one, other), refines(one, other)) == (overlapping, refining)


@pytest.mark.parametrize(
    ("template", "resource"), [("/", "/"), ("/a", "/a"), ("/a/{x}", "/a/*"), ("/a/{x}/b/{y}", "/a/*/b/*")]
)
def test_how_apigee_writes_a_template(template: str, resource: str) -> None:
    assert apigee_resource(template) == resource


CORS = "{origins: ['https://shop.acme.example', 'http://localhost:3000'], headers: [Authorization, Content-Type], "


def test_the_pages_that_may_call_and_the_largest_bodies_reach_the_edge(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(
        edited(
            [
                [
                    "  title: Acme Store API",
                    f"  title: Acme Store API\n  cors: {CORS}expose: [Location, retry-after], max_age_seconds: 600}}",
                ],
                ["roles: [buyer], backend: orders}", "roles: [buyer], backend: orders, protection: writes}"],
                ["products:\n  orders:", "protections:\n  writes: {max_body_bytes: 4096}\nproducts:\n  orders:"],
            ]
        )
    )
    derived = policy_table(load(tmp_path / "gateway.yaml"), "i", "a")
    assert derived["cors"] == {
        "origins": ["https://shop.acme.example", "http://localhost:3000"],
        "request_headers": ["authorization", "content-type"],
        "exposed_headers": [
            *("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id", "Location")
        ],
        "max_age_seconds": 600,
    }
    limits = {operation["name"]: operation["max_body_bytes"] for operation in derived["operations"]}
    assert (limits["place-order"], limits["list-orders"]) == (4096, None)

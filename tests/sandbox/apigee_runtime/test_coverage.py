"""The page about coverage says what the code does."""

from pathlib import Path

import pytest

from portcullis.sandbox.apigee.runtime import undeployable
from portcullis.sandbox.apigee.runtime.coverage import render
from portcullis.sandbox.apigee.runtime.policies import REGISTRY
from portcullis.sandbox.apigee.runtime.policies.other_types import OTHER_TYPES
from tests.sandbox.apigee_runtime.test_flows import connection
from tests.sandbox.apigee_runtime.world import bundle

PAGE = Path(__file__).parents[3] / "docs" / "apigee-coverage.md"

WANTED = """
    VerifyJWT DecodeJWT GenerateJWT OAuthV2 VerifyAPIKey BasicAuthentication AccessControl Quota ResetQuota SpikeArrest
    KeyValueMapOperations PopulateCache LookupCache InvalidateCache ResponseCache AssignMessage ExtractVariables
    RaiseFault JSONToXML XMLToJSON Javascript ServiceCallout FlowCallout MessageLogging CORS JSONThreatProtection
    XMLThreatProtection RegularExpressionProtection AssertCondition
"""


def test_the_page_is_what_the_code_declares() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "run: python -m portcullis.sandbox.apigee.runtime.coverage > docs/apigee-coverage.md"
    )


def test_every_policy_type_that_was_promised_is_there() -> None:
    assert set(WANTED.split()) - set(REGISTRY) == set()


def test_no_type_is_both_supported_and_refused() -> None:
    assert set(REGISTRY) & set(OTHER_TYPES) == set()


@pytest.mark.parametrize("name", sorted(OTHER_TYPES))
def test_every_other_type_is_refused_by_name(name: str) -> None:
    data = bundle({"default": connection() + "<RouteRule name='n'/>"}, policies={"P": f"<{name} name='P'/>"})
    assert undeployable(data, {}) == [f"policies/P.xml: policy P is of type {name}, which is not supported"]

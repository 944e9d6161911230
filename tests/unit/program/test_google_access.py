"""Where credentials for Google's APIs are looked for, and that no error quotes them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.google_access import APIGEE_ENDPOINT, GoogleAccessError, access_token, apigee_endpoint

NOTHING: Mapping[str, str] = {}


def test_the_token_of_the_stack_comes_before_that_of_the_environment() -> None:
    settings = {"gcp:accessToken": "of-the-stack"}
    environment = {"GOOGLE_OAUTH_ACCESS_TOKEN": "of-the-environment"}
    assert access_token(settings.get, environment) == "of-the-stack"
    assert access_token(NOTHING.get, environment) == "of-the-environment"


def test_the_endpoint_is_the_providers_own() -> None:
    settings = {"gcp:apigeeCustomEndpoint": "https://eu-apigee.googleapis.com/v1/"}
    assert apigee_endpoint(settings.get, NOTHING) == "https://eu-apigee.googleapis.com/v1/"
    assert apigee_endpoint(NOTHING.get, {"GOOGLE_APIGEE_CUSTOM_ENDPOINT": "https://x/v1/"}) == "https://x/v1/"
    assert apigee_endpoint(NOTHING.get, NOTHING) == APIGEE_ENDPOINT


@pytest.mark.parametrize("written", ["{", '{"type": "service_account"}', json.dumps({"private_key": "of-a-secret"})])
@pytest.mark.parametrize("in_a_file", [True, False])
def test_credentials_that_are_none_are_told_without_what_they_say(
    tmp_path: Path, written: str, in_a_file: bool
) -> None:
    file = tmp_path / "key.json"
    file.write_text(written)
    with pytest.raises(GoogleAccessError, match="no usable credentials") as problem:
        access_token({"gcp:credentials": str(file) if in_a_file else written}.get, NOTHING)
    assert "secret" not in str(problem.value)
    assert problem.value.__cause__ is None


def test_no_credentials_at_all_are_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    with pytest.raises(GoogleAccessError, match="gcloud auth application-default login"):
        access_token(NOTHING.get, NOTHING)

"""Access to Google's APIs for what the gcp provider cannot do: the same credentials, in the same order."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import google.auth
from google.auth import impersonated_credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

APIGEE_ENDPOINT: Final = "https://apigee.googleapis.com/v1/"
_SCOPES: Final = ["https://www.googleapis.com/auth/cloud-platform"]


class GoogleAccessError(RuntimeError):
    """There are no credentials for Google's APIs; the text says where they are looked for, never what they are."""


Setting = Callable[[str], str | None]
"""Looks up a key of the stack's configuration, such as `gcp:accessToken`."""


def apigee_endpoint(setting: Setting, environment: Mapping[str, str]) -> str:
    """Return the Apigee API's base URL as the gcp provider knows it; it ends with `/v1/`."""
    return setting("gcp:apigeeCustomEndpoint") or environment.get("GOOGLE_APIGEE_CUSTOM_ENDPOINT") or APIGEE_ENDPOINT


def access_token(setting: Setting, environment: Mapping[str, str]) -> str:
    """Return an OAuth 2.0 access token, looked for where the gcp provider looks.

    In this order: `gcp:accessToken` (GOOGLE_OAUTH_ACCESS_TOKEN), `gcp:credentials` (GOOGLE_CREDENTIALS: a service
    account's key, as text or by its file's path), application default credentials; then `gcp:impersonateServiceAccount`
    (GOOGLE_IMPERSONATE_SERVICE_ACCOUNT) is taken on. Raises `GoogleAccessError`.
    """
    given = setting("gcp:accessToken") or environment.get("GOOGLE_OAUTH_ACCESS_TOKEN")
    if given:
        return given
    try:
        credentials: Any = _credentials(setting("gcp:credentials") or environment.get("GOOGLE_CREDENTIALS"))
        account = setting("gcp:impersonateServiceAccount") or environment.get("GOOGLE_IMPERSONATE_SERVICE_ACCOUNT")
        if account:
            credentials = impersonated_credentials.Credentials(credentials, account, _SCOPES)
        credentials.refresh(Request())
    except (GoogleAuthError, OSError, ValueError, AttributeError):
        # The library's own words may quote a part of a key file.
        raise GoogleAccessError(
            "no usable credentials for Google's APIs: log in (`gcloud auth application-default login`), or set "
            "gcp:credentials or gcp:accessToken"
        ) from None
    return str(credentials.token)


def _credentials(given: str | None) -> Any:
    if not given:
        auth: Any = google.auth
        return auth.default(scopes=_SCOPES)[0]
    text = given if given.lstrip().startswith("{") else Path(given).expanduser().read_text(encoding="utf-8")
    account: Any = service_account.Credentials
    return account.from_service_account_info(json.loads(text), scopes=_SCOPES)

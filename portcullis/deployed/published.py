"""Which keys of the ring Apigee holds: the entries of its key value map, read through the Apigee API."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import httpx

from portcullis.deployed.reach import NoAnswerError, get

_TIMEOUT_SECONDS = 30.0


def missing_keys(endpoint: str, key_map: str, kids: Iterable[str], token: str) -> list[str]:
    """Return those of `kids` that have no entry `jwk.<kid>` with that key in Apigee.

    `endpoint` is the Apigee API's base URL and ends with `/v1/`; `key_map` is the id of the map
    (organizations.environments.keyvaluemaps); `token` is an OAuth 2.0 access token. Raises `NoAnswerError` where the
    API does not say.
    """
    return [kid for kid in kids if not _holds(f"{endpoint}{key_map}/entries/jwk.{kid}", kid, token)]


def _holds(url: str, kid: str, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    # A proxy of the environment's settings is for the way out, not for an endpoint in clear on this machine.
    outward = url.startswith("https://")
    try:
        answer = get(httpx.URL(url), headers, trust_env=outward, timeout_seconds=_TIMEOUT_SECONDS)
    except httpx.HTTPError as problem:
        raise NoAnswerError(f"{url} does not answer ({type(problem).__name__})") from None
    if answer.status == HTTPStatus.NOT_FOUND:
        return False
    if answer.status != HTTPStatus.OK:
        raise NoAnswerError(f"{url} answers {answer.status}")
    return _kids_of(answer.body) == [kid]


def _kids_of(entry: bytes) -> list[str]:
    """Return the kids in an entry's value, a JWK Set; none where it is not one."""
    try:
        keys: Any = json.loads(json.loads(entry)["value"])["keys"]
        return [str(key["kid"]) for key in keys]
    except (ValueError, KeyError, TypeError):
        return []

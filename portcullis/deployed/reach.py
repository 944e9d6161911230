"""How the gateway's hostnames are reached: by DNS and https, as everybody does.

Where `PORTCULLIS_HOSTS_FILE` is set, the JSON file that it names says which hostname answers where, such as
`{"api.acme.example": "http://127.0.0.1:4711"}`, and no other hostname exists. It is to this package what `/etc/hosts`
is to a machine, with ports. The sandbox keeps one (`portcullis env` sets the variable); in production it is not set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

HOSTS_FILE_VARIABLE: Final = "PORTCULLIS_HOSTS_FILE"
TIMEOUT_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 64 * 1024


class NoAnswerError(Exception):
    """Nothing that can be understood came back. The message names the URL and the kind of failure, no more."""


@dataclass(frozen=True)
class Answer:
    """A status and a body of at most 64 KB."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object; an empty one where it is none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def fetch(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """GET an https URL without following redirects. Raises `NoAnswerError` where nothing answers in time."""
    asked = httpx.URL(url)
    hosts = _hosts()
    sent = {"Cache-Control": "no-cache", **(headers or {})}
    try:
        if hosts is None:
            return get(asked, sent, trust_env=True)
        if asked.host not in hosts:
            raise NoAnswerError(f"{url} does not answer: its hostname is not in the hosts file")
        there = httpx.URL(hosts[asked.host]).copy_with(raw_path=asked.raw_path)
        return get(there, {"Host": asked.netloc.decode("ascii"), **sent}, trust_env=False)
    except httpx.HTTPError as problem:
        raise NoAnswerError(f"{url} does not answer ({type(problem).__name__})") from None


def get(
    url: httpx.URL, headers: Mapping[str, str], *, trust_env: bool, timeout_seconds: float = TIMEOUT_SECONDS
) -> Answer:
    """GET a URL as it is, without following redirects and without the hosts file.

    `trust_env` lets a proxy of the environment's settings be used. Raises `NoAnswerError` for an answer that is too
    large, `httpx.HTTPError` where none comes.
    """
    with (
        httpx.Client(trust_env=trust_env, timeout=timeout_seconds) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise NoAnswerError(f"the answer of {url.copy_with(query=None)} is over {MAX_ANSWER_BYTES} bytes")
        return Answer(response.status_code, bytes(body))


def _hosts() -> Mapping[str, str] | None:
    path = os.environ.get(HOSTS_FILE_VARIABLE, "")
    if not path:
        return None
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        document = None
    if not isinstance(document, dict):
        raise NoAnswerError(f"{path} is no hosts file; write {{}} into it or unset {HOSTS_FILE_VARIABLE}")
    return {str(host): str(origin) for host, origin in document.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]

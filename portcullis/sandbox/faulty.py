"""Faults of the clouds' own APIs: what a provider meets where a cloud is down, slow or refuses."""

from __future__ import annotations

import httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from portcullis.sandbox.network import Network

CLOUDFLARE_API_HOST = "api.cloudflare.com"
APIGEE_API_HOST = "apigee.googleapis.com"
"""The APIs' hostnames in the clouds, by which a fault is set; a stack reaches them by loopback addresses."""

APIGEE_ROLLOUT_HOST = "rollout.apigee.googleapis.com"
"""A name for what brings revisions up behind Apigee's API: slow, they are PROGRESSING so long, down, in ERROR."""

TIMEOUT_SECONDS = 300.0
"""The longest that a slow API lets a provider wait."""


def with_faults(app: ASGIApp, network: Network, hostname: str) -> ASGIApp:
    """Return the app with what is wrong with `hostname` in front of it; one that is down answers 502."""

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        try:
            injected = await network.apply_fault(hostname, TIMEOUT_SECONDS)
        except httpx.TransportError as problem:
            return await Response(str(problem), 502)(scope, receive, send)
        if injected is not None:
            return await Response(injected.content, injected.status_code)(scope, receive, send)
        return await app(scope, receive, send)

    return faulty

"""Which web pages may call the API from a browser (the Fetch standard's CORS protocol)."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from portcullis.contract.fields import HeaderName, Unique, WebOrigin
from portcullis.contract.part import Part

EXPOSED: Final = ("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id")
"""The gateway's own answer headers, which every page that may call may read."""


class Cors(Part):
    """The pages that may call, for both tiers: the edge answers preflights, both mark answers.

    Cookies never count as credentials of this API, so `Access-Control-Allow-Credentials` is never sent. Methods are
    those of the operations.
    """

    origins: Annotated[
        tuple[WebOrigin, ...],
        Field(
            min_length=1,
            max_length=50,
            description="Compared with `Origin` as they are.",
            examples=[["https://shop.acme.example"]],
        ),
        Unique,
    ]
    headers: Annotated[
        tuple[HeaderName, ...],
        Field(
            min_length=1,
            max_length=50,
            description="Request headers a page may set.",
            examples=[["Authorization", "Content-Type"]],
        ),
        Unique,
    ]
    expose: Annotated[
        tuple[HeaderName, ...],
        Field(max_length=50, description="Answer headers of the backends a page may read.", examples=[["Location"]]),
        Unique,
    ] = ()
    max_age_seconds: Annotated[
        int, Field(ge=0, le=86400, description="How long a browser may keep a preflight's answer.", examples=[600])
    ]

    @property
    def exposed(self) -> tuple[str, ...]:
        """Every answer header a page may read: the gateway's own and those of the contract, each once."""
        own = {name.lower() for name in EXPOSED}
        return (*EXPOSED, *(name for name in self.expose if name.lower() not in own))

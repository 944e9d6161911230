"""What is checked of a request before it reaches a backend, beside who sends it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from portcullis.contract.fields import ParameterName, Regex, Unique
from portcullis.contract.part import Part

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
"""What Apigee takes of a body that it does not stream; more is refused by both tiers in any case."""


class JsonBody(Part):
    """The largest JSON that is let through; a body then has to be JSON (`Content-Type: application/json`)."""

    depth: Annotated[int, Field(ge=1, le=100, description="Objects and lists within each other.", examples=[8])]
    members: Annotated[int, Field(ge=1, le=10_000, description="Members of one object.", examples=[100])]
    items: Annotated[int, Field(ge=1, le=100_000, description="Items of one list.", examples=[500])]
    name_length: Annotated[int, Field(ge=1, le=1000, description="Characters of a member's name.", examples=[64])]
    text_length: Annotated[int, Field(ge=1, le=1_000_000, description="Characters of a text.", examples=[2000])]


class Pattern(Part):
    """A text that no request may hold, found anywhere in one place of it."""

    where: Annotated[
        Literal["path", "query", "header", "body"],
        Field(description="Query parameters are decoded, the body is the text as it came.", examples=["query"]),
    ]
    name: Annotated[
        ParameterName | None, Field(description="Of the query parameter or the header.", examples=["q"])
    ] = None
    refuse: Annotated[
        Regex, Field(description="A regular expression that Java and Python read alike.", examples=["(?i)<script"])
    ]


class Protection(Part):
    """A set of checks that operations refer to by name; what breaks one is refused with 400, 413 or 415."""

    max_body_bytes: Annotated[
        int | None, Field(ge=1, le=MAX_BODY_BYTES, description="The largest body.", examples=[65536])
    ] = None
    json_body: Annotated[JsonBody | None, Field(description="Limits of a JSON body.")] = None
    patterns: Annotated[
        tuple[Pattern, ...],
        Field(max_length=20, examples=[[{"where": "query", "name": "q", "refuse": "(?i)<script"}]]),
        Unique,
    ] = ()

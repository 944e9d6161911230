"""The contract as one typed object that cannot be changed. Its attributes mirror the keys of gateway.yaml.

All durations are whole seconds, all sizes of limits are requests. Mappings keep the order of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field

from portcullis.contract.cors import Cors
from portcullis.contract.fields import (
    ClientId,
    Email,
    FolderUrl,
    Frozen,
    ModelName,
    Name,
    Origin,
    PathTemplate,
    Text,
    Unique,
)
from portcullis.contract.issuer import Issuer
from portcullis.contract.part import Part
from portcullis.contract.protection import Protection
from portcullis.ring import Algorithm as SigningAlgorithm

Method: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
# The units Apigee accepts in the quota of an API product (quotaTimeUnit), and in the rate of a SpikeArrest (ps, pm).
QuotaUnit: TypeAlias = Literal["minute", "hour", "day", "month"]
BurstUnit: TypeAlias = Literal["second", "minute"]

# A month is counted as 30 days where seconds are wanted; Apigee itself counts calendar months.
SECONDS: Final[Mapping[str, int]] = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "month": 2592000}


class Api(Part):
    """The API as a whole."""

    name: Annotated[Name, Field(description="Names the Worker and the Apigee proxy.", examples=["acme-store"])]
    title: Annotated[Text, Field(description="What people call the API.", examples=["Acme Store API"])]
    problems: Annotated[
        FolderUrl,
        Field(
            description="Problem types (RFC 9457) are this URL, `/` and a stable slug.",
            examples=["https://developer.acme.example/problems"],
        ),
    ]
    cors: Annotated[Cors | None, Field(description="Which web pages may call the API; absent: none.")] = None


class Backend(Part):
    """A service behind Apigee, reached over https."""

    url: Annotated[
        Origin, Field(description="Scheme, host and port.", examples=["https://orders.internal.acme.example"])
    ]
    timeout_seconds: Annotated[int, Field(ge=1, le=90, examples=[10])]

    @property
    def host(self) -> str:
        """The host name."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The TCP port: the one written, else 443."""
        return urlsplit(self.url).port or 443


class Quota(Part):
    """How many requests each consumer may make in one unit of time."""

    requests: Annotated[int, Field(ge=1, le=1_000_000_000, examples=[60])]
    per: Annotated[QuotaUnit, Field(examples=["minute"])]

    @property
    def seconds(self) -> int:
        """The length of the unit in seconds."""
        return SECONDS[self.per]


class Burst(Part):
    """How fast requests may come, smoothed; protects the backends of a product."""

    requests: Annotated[int, Field(ge=1, le=100_000, examples=[50])]
    per: Annotated[BurstUnit, Field(examples=["second"])]

    @property
    def seconds(self) -> int:
        """The length of the unit in seconds."""
        return SECONDS[self.per]


class Cache(Part):
    """Answers of an operation that Apigee may give again. Quota, roles and the app are checked all the same.

    Only 200 answers are kept, and none that sets a cookie, forbids it (Cache-Control) or depends on other headers
    than Accept, Accept-Encoding and Accept-Language (Vary).
    """

    seconds: Annotated[int, Field(ge=1, le=86400, description="How long an answer is kept.", examples=[30])]
    per: Annotated[
        Literal["subject", "consumer", "everyone"],
        Field(
            description="Whom an answer may be given to again: the same caller with the same roles, any caller of the "
            "same consumer, or everyone who may call the operation.",
            examples=["subject"],
        ),
    ]


class Operation(Part):
    """One method on one path template, open to callers with any one of the roles."""

    method: Annotated[Method, Field(examples=["GET"])]
    path: Annotated[PathTemplate, Field(examples=["/orders/{order}"])]
    roles: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50, examples=[["reader"]]), Unique]
    backend: Annotated[Name, Field(examples=["orders"])]
    protection: Annotated[
        Name | None, Field(description="What is checked of a request before it goes on.", examples=["writes"])
    ] = None
    cache: Annotated[Cache | None, Field(description="Whether Apigee may keep answers; only of GET and HEAD.")] = None


class Product(Part):
    """What consumers subscribe to: operations with one quota and one burst limit."""

    title: Annotated[Text, Field(examples=["Orders"])]
    quota: Annotated[Quota, Field(examples=[{"requests": 60, "per": "minute"}])]
    burst: Annotated[Burst, Field(examples=[{"requests": 50, "per": "second"}])]
    operations: Annotated[
        Mapping[Name, Operation],
        Field(
            min_length=1,
            max_length=200,
            examples=[{"list-orders": {"method": "GET", "path": "/orders", "roles": ["reader"], "backend": "orders"}}],
        ),
        Frozen,
    ]


class Consumer(Part):
    """An application that calls the API."""

    developer: Annotated[Email, Field(description="Who answers for it.", examples=["storefront@acme.example"])]
    issuer: Annotated[Name, Field(description="The issuer of its tokens.", examples=["workforce"])]
    client_id: Annotated[ClientId, Field(description="Its client id at that issuer.", examples=["0oa1storefront"])]
    products: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50, examples=[["orders"]]), Unique]

    @property
    def consumer_key(self) -> str:
        """The client id in the characters Apigee accepts in a consumer key, `[A-Za-z0-9_-]`: others become `_`.

        Apigee refuses a dot (ConsumerKeyHasInvalidCharacters), and every client id of Google holds dots. Two
        consumers whose keys would be the same are refused by the contract's checks.
        """
        return re.sub(r"[^A-Za-z0-9_-]", "_", self.client_id)


class TokenCache(Part):
    """How long what was found out about a client's token is remembered."""

    seconds: Annotated[
        int,
        Field(ge=0, le=3600, description="In an isolate of the Worker; 0 verifies every token anew.", examples=[300]),
    ] = 300
    kv: Annotated[
        bool, Field(description="Whether isolates tell each other through KV about JWTs they have verified.")
    ] = False


class AiHint(Part):
    """A model of Workers AI that labels requests, behind their backs. It decides nothing; absent: none is asked."""

    # By JSON mode (https://developers.cloudflare.com/workers-ai/json-mode) it answers with a label and a score.
    model: Annotated[
        ModelName,
        Field(
            description="A text generation model that knows JSON mode.",
            examples=["@cf/meta/llama-3.1-8b-instruct-fast"],
        ),
    ]
    per_minute: Annotated[
        int, Field(ge=1, le=600, description="How often each isolate asks, at most.", examples=[30])
    ] = 30


class Edge(Part):
    """The first tier."""

    token_life_seconds: Annotated[int, Field(ge=20, le=300, description="Of the internal token.", examples=[60])]
    leeway_seconds: Annotated[
        int, Field(ge=0, le=60, description="Clock difference allowed in a client's token.", examples=[10])
    ]
    # Cloudflare gives up on an origin after 100 s (error 524), with a page that is no problem+json.
    upstream_timeout_seconds: Annotated[int, Field(ge=2, le=99, description="Longest wait for Apigee.", examples=[20])]
    token_reuse_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=300,
            description="How long a repeated token gets the internal token it was given; 0 makes one for each request.",
            examples=[0],
        ),
    ] = 0
    token_cache: Annotated[TokenCache, Field(examples=[{"seconds": 300, "kv": False}])] = TokenCache()
    ai_hint: Annotated[
        AiHint | None, Field(description="Whether a model of Workers AI labels requests; absent: none.")
    ] = None


class Apigee(Part):
    """The second tier."""

    leeway_seconds: Annotated[
        int, Field(ge=0, le=60, description="Clock difference allowed in the internal token.", examples=[10])
    ]
    # ExpiryTimeInSecs of the KeyValueMapOperations policy.
    key_cache_seconds: Annotated[
        int, Field(ge=1, le=86400, description="How long Apigee may keep a public key it has read.", examples=[300])
    ]


class RingFormat(Part):
    """How internal tokens are signed."""

    algorithm: Annotated[
        SigningAlgorithm,
        Field(description="Of keys made from now on; a key keeps its own for life.", examples=["ES256"]),
    ]


class Audit(Part):
    """What audit lines say."""

    subject: Annotated[
        Literal["hash", "plain"], Field(description="How an audit line names the subject.", examples=["hash"])
    ]


class GatewayFile(Part):
    """gateway.yaml: the contract of the gateway, from which both tiers are derived."""

    version: Annotated[Literal[1], Field(description="The version of this format.", examples=[1])]
    api: Api
    roles: Annotated[
        Mapping[Name, Text],
        Field(min_length=1, max_length=100, examples=[{"reader": "May look at orders."}]),
        Frozen,
    ]
    issuers: Annotated[Mapping[Name, Issuer], Field(min_length=1, max_length=20), Frozen]
    backends: Annotated[Mapping[Name, Backend], Field(min_length=1, max_length=100), Frozen]
    protections: Annotated[
        Mapping[Name, Protection],
        Field(default_factory=dict[str, Protection], max_length=50, validate_default=True),
        Frozen,
    ]
    products: Annotated[Mapping[Name, Product], Field(min_length=1, max_length=50), Frozen]
    consumers: Annotated[Mapping[Name, Consumer], Field(min_length=1, max_length=1000), Frozen]
    edge: Edge
    apigee: Apigee
    ring: RingFormat
    audit: Audit


class Contract(GatewayFile):
    """A contract that was checked.

    `version_hash` is the first 12 hexadecimal digits of the SHA-256 of the merged document, written as canonical
    JSON (sorted keys, no spaces, UTF-8).
    """

    version_hash: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]

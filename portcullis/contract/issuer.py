"""An identity provider in the contract: what its tokens look like, how they are checked, which roles they give."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from portcullis.contract.fields import Audience, ClaimName, ClaimValue, ClientId, Name, TokenPrefix, Unique, Url
from portcullis.contract.part import Part

# RFC 7518 §3.1, RFC 8037 and RFC 9864, less HS* and none: a symmetric key or none at all would let a verifier mint
# tokens (RFC 8725 §3.1). EdDSA and Ed25519 are two names of one algorithm; an issuer may use those listed.
Algorithm: TypeAlias = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]
Profile: TypeAlias = Literal["okta", "okta-org", "google", "entra", "auth0", "rfc9068"]


class Introspection(Part):
    """Where tokens that cannot be verified at the edge are asked about. The client's secret is stack configuration."""

    endpoint: Annotated[Url, Field(examples=["https://acme.okta.example/oauth2/default/v1/introspect"])]
    protocol: Annotated[
        Literal["rfc7662", "tokeninfo"],
        Field(description="RFC 7662, or Google's tokeninfo, which takes no client.", examples=["rfc7662"]),
    ] = "rfc7662"
    client_id: Annotated[ClientId | None, Field(examples=["portcullis-edge"])] = None
    token_prefix: Annotated[
        TokenPrefix | None,
        Field(
            description="What the issuer's opaque tokens begin with, where two issuers have some.", examples=["ya29."]
        ),
    ] = None


class SenderConstraint(Part):
    """What the issuer's tokens may be bound to (the claim `cnf`): the sender must prove to have it."""

    methods: Annotated[
        tuple[Literal["dpop", "mtls"], ...],
        Field(
            min_length=1,
            max_length=2,
            description="dpop: a key (RFC 9449); mtls: a client certificate (RFC 8705).",
            examples=[["dpop"]],
        ),
        Unique,
    ]
    required: Annotated[bool, Field(description="Whether tokens that are bound to nothing are refused.")] = False
    dpop_nonce: Annotated[bool, Field(description="Whether a DPoP proof must hold a nonce of the gateway.")] = False


class RoleMapping(Part):
    """A token whose `claim` is `value`, or a list that holds it, carries `role`."""

    claim: Annotated[ClaimName, Field(examples=["groups"])]
    value: Annotated[ClaimValue, Field(examples=["store-readers"])]
    role: Annotated[Name, Field(examples=["reader"])]


class Issuer(Part):
    """An identity provider whose tokens are accepted."""

    profile: Annotated[
        Profile,
        Field(
            description="What its tokens look like: okta (custom server), okta-org, google, entra, auth0 or rfc9068.",
            examples=["okta"],
        ),
    ]
    issuer: Annotated[
        Url,
        Field(
            description="Compared with the claim `iss` as it is.", examples=["https://acme.okta.example/oauth2/default"]
        ),
    ]
    audience: Annotated[Audience, Field(description="What `aud` must hold.", examples=["api://acme-store"])]
    algorithms: Annotated[
        tuple[Algorithm, ...],
        Field(
            min_length=1,
            max_length=11,
            description="Of the signatures; absent where every token is introspected.",
            examples=[["RS256"]],
        ),
        Unique,
    ] = ()
    introspection: Introspection | None = None
    sender_constraint: Annotated[
        SenderConstraint | None, Field(description="Absent: a token that is bound to its sender is refused.")
    ] = None
    roles: Annotated[
        tuple[RoleMapping, ...],
        Field(
            min_length=1,
            max_length=200,
            description="Which claims give which roles.",
            examples=[[{"claim": "groups", "value": "store-readers", "role": "reader"}]],
        ),
        Unique,
    ]

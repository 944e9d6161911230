"""OAuthV2: reads which operation the policy is, and where its parts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Setting, Source, common, setting, template
from portcullis.sandbox.apigee.runtime.policies.oauth.codes import CodeRequest, GenerateCode
from portcullis.sandbox.apigee.runtime.policies.oauth.grants import Generate, Lives, Refresh, Request
from portcullis.sandbox.apigee.runtime.policies.oauth.parts import Attribute
from portcullis.sandbox.apigee.runtime.policies.oauth.verification import Named, SetStatus, Verify
from portcullis.sandbox.apigee.runtime.tokens import Kind

GRANTS = frozenset({"client_credentials", "password", "authorization_code", "implicit"})
SUPPORTED_GRANTS = frozenset({"client_credentials", "password", "authorization_code"})
OPERATIONS = frozenset(
    {
        "GenerateAccessToken",
        "GenerateAuthorizationCode",
        "InvalidateToken",
        "RefreshAccessToken",
        "ValidateToken",
        "VerifyAccessToken",
    }
)
OTHER_OPERATIONS = frozenset(
    {
        "GenerateAccessTokenImplicitGrant",
        "GenerateJWTAccessToken",
        "GenerateJWTAccessTokenImplicitGrant",
        "RefreshJWTAccessToken",
        "VerifyJWTAccessToken",
    }
)
"""Operations of Apigee that are not supported here: a bundle that uses one is refused."""

_KINDS: dict[str, Kind] = {"accesstoken": "access", "refreshtoken": "refresh"}


class Operation(Protocol):
    """What the policy does."""

    def run(self, context: Context) -> None:
        """Do it for one request; raises `Fault`."""
        ...


@dataclass(frozen=True)
class OAuthV2(Policy):
    """Issues, refreshes, verifies, revokes and restores opaque tokens, and issues codes, by its `<Operation>`."""

    type_name = "OAuthV2"
    fault_prefix = "oauthV2"
    tells_success = True
    elements = elements(
        "\n".join(
            [
                "Operation",
                "AccessToken",
                "AccessTokenPrefix",
                "AppEndUser",
                "Attributes/Attribute @name @ref @display",
                "ClientId",
                "ClientSecret",
                "Code",
                "ExpiresIn @ref",
                "ExternalAccessToken",
                "ExternalAuthorization",
                "ExternalAuthorizationCode",
                "ExternalRefreshToken",
                "GenerateErrorResponse @enabled",
                "GenerateResponse @enabled",
                "GrantType",
                "PassWord",
                "RedirectUri",
                "RefreshToken",
                "RefreshTokenExpiresIn @ref",
                "ReuseRefreshToken",
                "ResponseType",
                "RFCCompliantRequestResponse",
                "Scope",
                "State",
                "SupportedGrantTypes/GrantType",
                "Tokens/Token @type @cascade",
                "UserName",
            ]
        ),
        # Every token is stored here, also one from outside; there is no cache to expire; formats are fixed.
        ignored="StoreToken\nCacheExpiryInSeconds\nGenerateErrorResponse/Format\nGenerateErrorResponse/Realm\n"
        "GenerateResponse/Format\nGenerateResponse/Status\nGenerateResponse/RedirectUri",
        # A code is never accepted without the proof of possession that a policy asks for.
        refused="PKCEEnabled",
    )

    operation: Operation

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`, in the words of Apigee's deployment errors where it has some."""
        base = common(node)
        return cls(base.name, base.enabled, base.continue_on_error, _operation(node, base.name))

    async def execute(self, context: Context) -> None:
        """Do what the operation says; raises `Fault`."""
        self.operation.run(context)


def _operation(node: Node, name: str) -> Operation:
    operation = node.words("Operation")
    if not operation:
        raise node.error("OperationRequired: <Operation> is missing in <OAuthV2>")
    if operation in OTHER_OPERATIONS:
        raise node.error(f"<Operation> {operation} of OAuthV2 is not supported")
    if operation not in OPERATIONS:
        raise node.error(f"InvalidOperation: <Operation> {operation!r} is not known")
    if operation == "VerifyAccessToken":
        _refuse_lives(node, operation)
        scope = template(node, node.words("Scope"))
        return Verify(name, node.words("AccessToken"), node.words("AccessTokenPrefix"), scope)
    if operation in {"ValidateToken", "InvalidateToken"}:
        _refuse_lives(node, operation)
        return SetStatus(_named_tokens(node), "approved" if operation == "ValidateToken" else "revoked")
    if operation == "GenerateAuthorizationCode":
        return GenerateCode(name, _code_request(node), _life(node, "ExpiresIn"), attributes_of(node))
    lives = Lives(_life(node, "ExpiresIn"), _life(node, "RefreshTokenExpiresIn"))
    if operation == "RefreshAccessToken":
        return Refresh(name, _request(node), lives, node.flag("ReuseRefreshToken", default=False), attributes_of(node))
    return Generate(name, _request(node), lives, _grants(node), attributes_of(node))


def _refuse_lives(node: Node, operation: str) -> None:
    for element in ("ExpiresIn", "RefreshTokenExpiresIn"):
        if node.find(element) is not None:
            raise node.error(f"{element}NotApplicableForOperation: <{element}> does not go with {operation}")
    if node.find("SupportedGrantTypes/GrantType") is not None:
        raise node.error(f"GrantTypesNotApplicableForOperation: <SupportedGrantTypes> does not go with {operation}")


def _request(node: Node) -> Request:
    return Request(
        grant_type=node.words("GrantType", "request.formparam.grant_type"),
        client_id=node.words("ClientId", "request.formparam.client_id"),
        client_secret=node.words("ClientSecret", "request.formparam.client_secret"),
        refresh_token=node.words("RefreshToken", "request.formparam.refresh_token"),
        code=node.words("Code", "request.formparam.code"),
        redirect_uri=node.words("RedirectUri", "request.formparam.redirect_uri"),
        user_name=node.words("UserName", "request.formparam.username"),
        password=node.words("PassWord", "request.formparam.password"),
        scope=node.words("Scope"),
        end_user=node.words("AppEndUser"),
        external=node.flag("ExternalAuthorization", default=False),
        external_access=node.words("ExternalAccessToken"),
        external_refresh=node.words("ExternalRefreshToken"),
        answers=_enabled(node, "GenerateResponse"),
        rfc=node.flag("RFCCompliantRequestResponse", default=False),
    )


def _code_request(node: Node) -> CodeRequest:
    return CodeRequest(
        response_type=_parameter(node, "ResponseType", "response_type"),
        client_id=_parameter(node, "ClientId", "client_id"),
        redirect_uri=_parameter(node, "RedirectUri", "redirect_uri"),
        scope=node.words("Scope"),
        state=_parameter(node, "State", "state"),
        end_user=node.words("AppEndUser"),
        external=node.flag("ExternalAuthorization", default=False),
        external_code=node.words("ExternalAuthorizationCode"),
        answers=_enabled(node, "GenerateResponse"),
        rfc=node.flag("RFCCompliantRequestResponse", default=False),
    )


def _parameter(node: Node, element: str, name: str) -> tuple[str, ...]:
    """Return where a parameter of an authorization request is: in the form or, as a browser sends it, in the query."""
    named = node.words(element)
    return (named,) if named else (f"request.formparam.{name}", f"request.queryparam.{name}")


def _enabled(node: Node, element: str) -> bool:
    found = node.find(element)
    return found is not None and found.flag_attribute("enabled", default=True)


def _life(node: Node, element: str) -> Setting:
    """Read a token's life in milliseconds; raises `BundleError` for what is neither positive nor -1."""
    found = node.find(element)
    text = found.text if found is not None else ""
    if text and text != "-1" and not (text.isdecimal() and int(text) > 0):
        raise node.error(f"InvalidValueFor{element}: <{element}> must be a positive number of milliseconds or -1")
    return setting(found)


def _grants(node: Node) -> frozenset[str]:
    """Return the grants that are listed and supported; those that are only listed are refused at the endpoint."""
    listed = frozenset(found.text for found in node.find_all("SupportedGrantTypes/GrantType"))
    for grant in listed - GRANTS:
        raise node.error(f"InvalidGrantType: {grant!r} in <SupportedGrantTypes> is not known")
    # Where none is listed these two are meant.
    supported = SUPPORTED_GRANTS & (listed or {"authorization_code", "implicit"})
    if not supported:
        shown = ", ".join(sorted(listed))
        raise node.error(f"the grant types {shown} are not supported; {', '.join(sorted(SUPPORTED_GRANTS))} are")
    return supported


def attributes_of(node: Node) -> tuple[Attribute, ...]:
    """Read `<Attributes>`."""
    return tuple(
        Attribute(found.attribute("name"), setting(found), found.flag_attribute("display", default=True))
        for found in node.find_all("Attributes/Attribute")
    )


def _named_tokens(node: Node) -> tuple[Named, ...]:
    found: list[Named] = []
    for token in node.find_all("Tokens/Token"):
        kind = _KINDS.get(token.attribute("type").lower())
        if kind is None:
            raise node.error(f"InvalidTokenType: the type of <Token> must be one of {', '.join(_KINDS)}")
        if not token.text:
            raise node.error("TokenValueRequired: <Token> needs the name of the variable that holds the token")
        found.append(Named(kind, token.text, token.flag_attribute("cascade", default=False)))
    if not found:
        raise node.error("TokenValueRequired: <Tokens> needs a <Token>")
    return tuple(found)

"""GetOAuthV2Info, SetOAuthV2Info and DeleteOAuthV2Info: what is kept of tokens and codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Setting, Source, common, setting
from portcullis.sandbox.apigee.runtime.policies.consumers import find_consumer, find_product
from portcullis.sandbox.apigee.runtime.policies.oauth.codes import Code
from portcullis.sandbox.apigee.runtime.policies.oauth.parts import Attribute, values_of
from portcullis.sandbox.apigee.runtime.policies.oauth.policy import attributes_of
from portcullis.sandbox.apigee.runtime.policies.oauth.tokens import APPROVED, Issued, token_variables
from portcullis.sandbox.apigee.runtime.tokens import Kind
from portcullis.sandbox.store import JsonObject

_SERVICE = "keymanagement.service"
_UNKNOWN: dict[Kind, tuple[str, str]] = {
    "access": (f"{_SERVICE}.invalid_access_token", "Invalid Access Token"),
    "refresh": (f"{_SERVICE}.invalid_refresh_token", "Invalid Refresh Token"),
    "code": (f"{_SERVICE}.invalid_request-authorization_code_invalid", "Invalid Authorization Code"),
}
_UNKNOWN_STATUS: dict[Kind, int] = {"code": 404}
"""Of a code that was never given out, as the scenarios of devrel's identity-facade find it."""
_EXPIRED: dict[Kind, tuple[str, str]] = {
    "access": (f"{_SERVICE}.access_token_expired", "Access Token expired"),
    "refresh": (f"{_SERVICE}.refresh_token_expired", "Refresh Token expired"),
    "code": (f"{_SERVICE}.authorization_code_expired", "Authorization Code expired"),
}
_DEFAULT = "request.formparam.access_token"
"""Where every kind of token and a client's id are looked for by default, as the GetOAuthV2Info reference has it."""
_ELEMENTS: dict[str, Kind] = {"AccessToken": "access", "AuthorizationCode": "code", "RefreshToken": "refresh"}


@dataclass(frozen=True)
class Subject:
    """Which kind of token the policy is about, and where the token is."""

    kind: Kind
    value: Setting

    def read(self, context: Context) -> tuple[str, JsonObject]:
        """Return the token and what is kept of it; raises `Fault`."""
        token = self.value.text(context) or ""
        document = context.services.tokens.get(context.place.organization, self.kind, token)
        if document is None:
            raise Fault(*_UNKNOWN[self.kind], _UNKNOWN_STATUS.get(self.kind, 500))
        return token, document


def _subjects(node: Node) -> tuple[Subject, ...]:
    return tuple(Subject(kind, _given(found)) for name, kind in _ELEMENTS.items() if (found := node.find(name)))


def _given(node: Node) -> Setting:
    """Return where the token or client is: an element that says nothing stands for the form parameter."""
    return setting(node) if node.attribute("ref") or node.text else Setting(_DEFAULT)


def _tell(context: Context, policy: str, fault: Fault) -> Fault:
    """Set the variables that tell of a fault, and return it."""
    prefix = f"oauthV2.{policy}"
    context.variables.fill({f"{prefix}.fault.name": fault.name, f"{prefix}.fault.cause": fault.faultstring})
    return fault


@dataclass(frozen=True)
class GetOAuthV2Info(Policy):
    """Sets variables that tell of a token, a code or a client.

    Neither of two tokens that were issued together tells the text of the other: they are kept as digests.
    """

    type_name = "GetOAuthV2Info"
    fault_prefix = "oauthV2"
    tells_success = True
    elements = elements(
        "AccessToken @ref\nAuthorizationCode @ref\nRefreshToken @ref\nClientId @ref\nIgnoreAccessTokenStatus"
    )

    subjects: tuple[Subject, ...]
    client_id: Setting | None
    ignores_status: bool

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        client = node.find("ClientId")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            subjects=_subjects(node),
            client_id=_given(client) if client is not None else None,
            ignores_status=node.flag("IgnoreAccessTokenStatus", default=False),
        )

    async def execute(self, context: Context) -> None:
        """Set the variables; raises `Fault` for what is not known, or over."""
        try:
            for subject in self.subjects:
                self._describe(context, subject)
            if self.client_id is not None:
                self._describe_client(context, self.client_id.text(context) or "")
        except Fault as fault:
            raise _tell(context, self.name, fault) from None

    def _describe(self, context: Context, subject: Subject) -> None:
        token, document = subject.read(context)
        if subject.kind == "code":
            context.variables.fill(Code.read(document).variables(f"oauthv2authcode.{self.name}", token))
            return
        issued = Issued.read(document)
        if subject.kind == "access":
            self._check(context, issued, token)
            found = token_variables(context, f"oauthv2accesstoken.{self.name}", issued, token, "")
        else:
            found = token_variables(context, f"oauthv2refreshtoken.{self.name}", issued, "", token)
        context.variables.fill(found)

    def _check(self, context: Context, issued: Issued, token: str) -> None:
        if not self.ignores_status:
            if issued.status != APPROVED:
                raise Fault(*_UNKNOWN["access"])
            if context.services.tokens.is_expired(context.place.organization, "access", token):
                raise Fault(*_EXPIRED["access"])
        if find_product(context, issued.products) is None:
            text = "Invalid API call as no apiproduct match found"
            raise Fault(f"{_SERVICE}.InvalidAPICallAsNoApiProductMatchFound", text, 401)

    def _describe_client(self, context: Context, client_id: str) -> None:
        found = find_consumer(context, client_id)
        if found is None:
            raise Fault(f"{_SERVICE}.invalid_client-invalid_client_id", "ClientId is Invalid")
        attributes: list[dict[str, Any]] = found.app.get("attributes", [])
        values = {
            **{str(one["name"]): one.get("value") for one in attributes},
            "client_id": client_id,
            "client_secret": found.credential.get("consumerSecret"),
            "redirection_uris": found.app.get("callbackUrl"),
            "developer.email": found.developer.get("email"),
            "developer.id": found.developer.get("developerId"),
            "developer.app.name": found.app.get("name"),
        }
        context.variables.fill({f"oauthv2client.{self.name}.{name}": value for name, value in values.items()})


@dataclass(frozen=True)
class SetOAuthV2Info(Policy):
    """Sets custom attributes of an access token, which a refresh hands on."""

    type_name = "SetOAuthV2Info"
    fault_prefix = "oauthV2"
    tells_success = True
    elements = elements("AccessToken @ref\nAttributes/Attribute @name @ref @display")

    subjects: tuple[Subject, ...]
    attributes: tuple[Attribute, ...]

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        subjects = _subjects(node)
        if not subjects:
            raise node.error("<SetOAuthV2Info> needs an <AccessToken>")
        return cls(base.name, base.enabled, base.continue_on_error, subjects, attributes_of(node))

    async def execute(self, context: Context) -> None:
        """Change what is kept; raises `Fault` for a token that is not known, or over."""
        tokens, organization = context.services.tokens, context.place.organization
        try:
            token, document = self.subjects[0].read(context)
            if tokens.is_expired(organization, "access", token):
                raise Fault(*_EXPIRED["access"])
        except Fault as fault:
            raise _tell(context, self.name, fault) from None
        issued = Issued.read(document)
        issued.attributes.update(values_of(context, self.attributes))
        shown = {one.name for one in self.attributes if one.displayed}
        hidden = {one.name for one in self.attributes if not one.displayed}
        issued.hidden = sorted((set(issued.hidden) - shown) | hidden)
        tokens.update(organization, "access", issued.access_hash, issued.document())
        if issued.refresh_hash:
            tokens.update(organization, "refresh", issued.refresh_hash, issued.document())
        context.variables.fill(token_variables(context, f"oauthv2accesstoken.{self.name}", issued, token, ""))


@dataclass(frozen=True)
class DeleteOAuthV2Info(Policy):
    """Forgets an access token or a code."""

    type_name = "DeleteOAuthV2Info"
    fault_prefix = "oauthV2"
    tells_success = True
    elements = elements("AccessToken @ref\nAuthorizationCode @ref")

    subjects: tuple[Subject, ...]

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        return cls(base.name, base.enabled, base.continue_on_error, _subjects(node))

    async def execute(self, context: Context) -> None:
        """Forget; raises `Fault` for what is not known."""
        try:
            for subject in self.subjects:
                token, _ = subject.read(context)
                context.services.tokens.delete(context.place.organization, subject.kind, token)
        except Fault as fault:
            raise _tell(context, self.name, fault) from None

"""VerifyAccessToken, ValidateToken and InvalidateToken: what an issued token is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies.consumers import check_active, describe, find_consumer, find_product
from portcullis.sandbox.apigee.runtime.policies.oauth.errors import access_fault
from portcullis.sandbox.apigee.runtime.policies.oauth.tokens import (
    APPROVED,
    Issued,
    seconds_left,
    token_variables,
)
from portcullis.sandbox.apigee.runtime.templates import Template
from portcullis.sandbox.apigee.runtime.tokens import Kind
from portcullis.sandbox.apigee.runtime.values import Value

_SERVICE = "keymanagement.service"


@dataclass(frozen=True)
class Verify:
    """The operation VerifyAccessToken: is the token one of an active client, for this call, with one of the scopes?"""

    policy: str
    variable: str
    prefix: str
    scope: Template

    def run(self, context: Context) -> None:
        """Verify; raises the fault of the first check that fails."""
        try:
            self._verify(context)
        except Fault as fault:
            name = f"oauthV2.{self.policy}"
            context.variables.fill({f"{name}.fault.name": fault.code, f"{name}.fault.cause": fault.faultstring})
            raise

    def _verify(self, context: Context) -> None:
        token = self._presented(context)
        tokens, organization = context.services.tokens, context.place.organization
        document = tokens.get(organization, "access", token)
        if document is None:
            raise access_fault(f"{_SERVICE}.invalid_access_token", "Invalid Access Token")
        issued = Issued.read(document)
        if issued.status != APPROVED:
            raise access_fault(f"{_SERVICE}.access_token_not_approved", "Access Token not approved")
        if tokens.is_expired(organization, "access", token):
            raise access_fault(f"{_SERVICE}.access_token_expired", "Access Token expired")
        self._publish(context, issued, token)
        self._check_scope(context, issued)

    def _presented(self, context: Context) -> str:
        """Return the token from the variable, or from the Authorization header; `prefix` must stand before it.

        A header that the request lacks is a token that is not valid, as a missing Authorization header is; any other
        variable without a value is a fault of the proxy's.
        """
        if self.variable and not self.prefix:
            value = context.variables.text(self.variable)
            if not value:
                if self.variable.startswith("request.header."):
                    raise access_fault("oauth.v2.InvalidAccessToken", "Invalid access token")
                text = f"Failed to resolve the access token variable {self.variable}"
                raise Fault("steps.oauth.v2.FailedToResolveAccessToken", text, 500)
            return value
        held = context.variables.text(self.variable or "request.header.authorization") or ""
        scheme, _, token = held.strip().partition(" ")
        if scheme.lower() != (self.prefix or "Bearer").lower() or not token.strip():
            raise access_fault("oauth.v2.InvalidAccessToken", "Invalid access token")
        return token.strip()

    def _publish(self, context: Context, issued: Issued, token: str) -> None:
        found = find_consumer(context, issued.client_id)
        if found is None:
            raise access_fault(f"{_SERVICE}.invalid_access_token", "Invalid Access Token")
        try:
            check_active(context, found)
        except Fault as fault:
            raise access_fault(fault.code, fault.faultstring) from None
        holds = find_product(context, issued.products)
        if holds is None:
            text = "Invalid API call as no apiproduct match found"
            raise access_fault(f"{_SERVICE}.InvalidAPICallAsNoApiProductMatchFound", text)
        context.variables.fill(
            {
                **describe(f"verifyapikey.{self.policy}", found, *holds),
                **token_variables(context, f"oauthv2accesstoken.{self.policy}", issued, token, ""),
                **_plain(context, issued, token),
                **_unprefixed(describe("", found, *holds)),
            }
        )

    def _check_scope(self, context: Context, issued: Issued) -> None:
        wanted = self.scope.fill(context.lookup).split()
        if wanted and not set(wanted) & set(issued.scope.split()):
            raise access_fault("steps.oauth.v2.InsufficientScope", f"Required scope(s) : {','.join(wanted)}", 403)


def _plain(context: Context, issued: Issued, token: str) -> dict[str, Value]:
    """Return the variables that VerifyAccessToken sets without a prefix."""
    values: dict[str, Value] = {
        "organization_name": context.place.organization,
        "client_id": issued.client_id,
        "grant_type": issued.grant_type,
        "token_type": "BearerToken",
        "access_token": token,
        "issued_at": str(int(issued.issued_at * 1000)),
        "expires_in": str(seconds_left(issued.expires_at, context.now)),
        "status": issued.status,
        "scope": issued.scope,
        "app_enduser": issued.end_user or None,
    }
    values.update({f"accesstoken.{name}": value for name, value in issued.attributes.items()})
    return values


def _unprefixed(values: dict[str, Value]) -> dict[str, Value]:
    return {name.removeprefix("."): value for name, value in values.items() if name.startswith((".app", ".dev"))}


@dataclass(frozen=True)
class Named:
    """A token that a Validate or Invalidate operation is about."""

    kind: Kind
    variable: str
    cascade: bool


@dataclass(frozen=True)
class SetStatus:
    """The operations InvalidateToken and ValidateToken: take tokens out of use, or back into it."""

    tokens: tuple[Named, ...]
    status: Literal["approved", "revoked"]

    def run(self, context: Context) -> None:
        """Change every token that the request holds; raises `Fault` where it holds none of them, or an unknown one."""
        present = [(one, value) for one in self.tokens if (value := context.variables.text(one.variable))]
        if not present:
            names = ", ".join(one.variable for one in self.tokens)
            raise Fault("steps.oauth.v2.FailedToResolveToken", f"Failed to resolve the token variable {names}", 500)
        for one, value in present:
            self._change(context, one, value)

    def _change(self, context: Context, one: Named, token: str) -> None:
        tokens, organization = context.services.tokens, context.place.organization
        document = tokens.get(organization, one.kind, token)
        if document is None:
            kind = "access" if one.kind == "access" else "refresh"
            text = f"Invalid {kind.capitalize()} Token"
            raise access_fault(f"{_SERVICE}.invalid_{kind}_token", text)
        issued = Issued.read(document)
        set_status(
            context,
            issued,
            self.status,
            access=one.kind == "access" or one.cascade,
            refresh=one.kind == "refresh" or one.cascade,
        )


def set_status(context: Context, issued: Issued, status: str, *, access: bool, refresh: bool) -> None:
    """Give the tokens of one grant a status."""
    tokens, organization = context.services.tokens, context.place.organization
    if access:
        issued.status = status
    if refresh and issued.refresh_hash:
        issued.refresh_status = status
    tokens.update(organization, "access", issued.access_hash, issued.document())
    if issued.refresh_hash:
        tokens.update(organization, "refresh", issued.refresh_hash, issued.document())

"""GenerateAccessToken and RefreshAccessToken: from a token request to tokens."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies.base import Setting
from portcullis.sandbox.apigee.runtime.policies.consumers import Consumer, check_active, find_consumer
from portcullis.sandbox.apigee.runtime.policies.oauth.codes import spend
from portcullis.sandbox.apigee.runtime.policies.oauth.errors import RequestError, refused
from portcullis.sandbox.apigee.runtime.policies.oauth.parts import (
    Attribute,
    check_external,
    ends,
    granted,
    needed,
    optional,
    values_of,
)
from portcullis.sandbox.apigee.runtime.policies.oauth.tokens import (
    ACCESS_LENGTH,
    APPROVED,
    REFRESH_LENGTH,
    Issued,
    answer_of,
    client_of,
    new_token,
    token_variables,
)

ACCESS_SECONDS, REFRESH_SECONDS = 1800.0, 63072000.0
"""The lives of tokens where the policy sets none: half an hour, and two years."""


@dataclass(frozen=True)
class Request:
    """Where the parts of a token request are, as names of variables, and how the policy answers it."""

    grant_type: str
    client_id: str
    client_secret: str
    refresh_token: str
    code: str
    redirect_uri: str
    user_name: str
    password: str
    scope: str
    end_user: str
    external: bool
    external_access: str
    external_refresh: str
    answers: bool
    rfc: bool


@dataclass(frozen=True)
class Lives:
    """How long tokens live, in milliseconds, or -1 for good; the variable's value where it has one."""

    access: Setting
    refresh: Setting


@dataclass(frozen=True)
class Generate:
    """The operation GenerateAccessToken, for the grants that the policy lists."""

    policy: str
    request: Request
    lives: Lives
    grants: frozenset[str]
    attributes: tuple[Attribute, ...]

    def run(self, context: Context) -> None:
        """Issue an access token, with a grant of a user's a refresh token too; raises `Fault`."""
        try:
            grant = needed(context, self.request.grant_type)
            if grant not in self.grants:
                raise RequestError("unsupported_grant_type", f"Unsupported grant type : {grant}", "invalid_request")
            client = authenticate(context, self.request)
            if grant == "password":
                needed(context, self.request.user_name)
                needed(context, self.request.password)
            issued = self._issued(context, client, grant)
            if grant == "authorization_code":
                self._take_over(context, client, issued)
            access = optional(context, self.request.external_access) or new_token(ACCESS_LENGTH)
            refresh = ""
            if grant != "client_credentials":
                refresh = optional(context, self.request.external_refresh) or new_token(REFRESH_LENGTH)
                issued.refresh_issued_at, issued.refresh_status = context.now, APPROVED
                issued.refresh_expires_at = ends(context, self.lives.refresh, REFRESH_SECONDS)
        except RequestError as error:
            raise refused(context, self.policy, error, answers=self.request.answers, rfc=self.request.rfc) from None
        store(context, issued, access, refresh)
        tell(context, self.policy, self.request, issued, access, refresh)

    def _take_over(self, context: Context, client: Consumer, issued: Issued) -> None:
        """Give the token what its code was issued with."""
        kept = spend(context, needed(context, self.request.code), client, self.request.redirect_uri)
        issued.scope = kept.scope
        issued.end_user = issued.end_user or kept.end_user
        issued.attributes = {**kept.attributes, **issued.attributes}
        issued.hidden = [*kept.hidden, *issued.hidden]

    def _issued(self, context: Context, client: Consumer, grant: str) -> Issued:
        return Issued(
            **client_of(client),
            scope="" if grant == "authorization_code" else granted(context, self.request.scope, client),
            grant_type=grant,
            issued_at=context.now,
            expires_at=ends(context, self.lives.access, ACCESS_SECONDS),
            end_user=optional(context, self.request.end_user),
            attributes=values_of(context, self.attributes),
            hidden=[one.name for one in self.attributes if not one.displayed],
        )


@dataclass(frozen=True)
class Refresh:
    """The operation RefreshAccessToken: another access token, and unless it is reused another refresh token."""

    policy: str
    request: Request
    lives: Lives
    reuse: bool
    attributes: tuple[Attribute, ...]

    def run(self, context: Context) -> None:
        """Exchange the refresh token; raises `Fault`."""
        try:
            grant = needed(context, self.request.grant_type)
            if grant != "refresh_token":
                raise RequestError("unsupported_grant_type", f"Unsupported grant type : {grant}", "invalid_request")
            presented = needed(context, self.request.refresh_token)
            client = authenticate(context, self.request)
            issued = self._found(context, presented, client)
        except RequestError as error:
            raise refused(context, self.policy, error, answers=self.request.answers, rfc=self.request.rfc) from None
        refresh = presented if self.reuse else new_token(REFRESH_LENGTH)
        self._renew(context, issued, presented)
        access = optional(context, self.request.external_access) or new_token(ACCESS_LENGTH)
        store(context, issued, access, refresh)
        tell(context, self.policy, self.request, issued, access, refresh)

    def _found(self, context: Context, presented: str, client: Consumer) -> Issued:
        tokens, organization = context.services.tokens, context.place.organization
        document = tokens.get(organization, "refresh", presented)
        if document is None:
            raise RequestError("invalid_grant", "Invalid Refresh Token", "invalid_request")
        issued = Issued.read(document)
        if issued.client_id != client.credential["consumerKey"] or issued.refresh_status != APPROVED:
            raise RequestError("invalid_grant", "Invalid Refresh Token", "invalid_request")
        if tokens.is_expired(organization, "refresh", presented):
            raise RequestError("invalid_grant", "Refresh Token expired", "invalid_request")
        return issued

    def _renew(self, context: Context, issued: Issued, presented: str) -> None:
        """Take the old tokens out of use, and date the new ones."""
        forget_access(context, issued)
        if not self.reuse:
            context.services.tokens.delete(context.place.organization, "refresh", presented)
            issued.refresh_issued_at = context.now
            issued.refresh_expires_at = ends(context, self.lives.refresh, REFRESH_SECONDS)
        issued.issued_at = context.now
        issued.expires_at = ends(context, self.lives.access, ACCESS_SECONDS)
        issued.refresh_count += 1
        issued.grant_type = "refresh_token"
        issued.attributes.update(values_of(context, self.attributes))


def authenticate(context: Context, request: Request) -> Consumer:
    """Return the client that the request authenticates; raises `RequestError`.

    The credentials are in the Authorization header, by the Basic scheme, or in parameters. With external
    authorization whoever did that says so in a variable, and the secret is not looked at.
    """
    client_id, secret = _basic(context)
    if not client_id:
        client_id = context.variables.text(request.client_id) or ""
        secret = context.variables.text(request.client_secret) or ""
    if not client_id:
        raise RequestError("invalid_client", "Required param : client_id", "invalid_request")
    found = find_consumer(context, client_id)
    if found is None:
        raise RequestError("invalid_client", "ClientId is Invalid")
    if request.external:
        check_external(context)
    elif not hmac.compare_digest(secret.encode(), str(found.credential.get("consumerSecret", "")).encode()):
        raise RequestError("invalid_client", "Client credentials are invalid")
    try:
        check_active(context, found)
    except Fault as fault:
        raise RequestError("invalid_client", fault.faultstring) from None
    return found


def store(context: Context, issued: Issued, access: str, refresh: str) -> None:
    """Keep what was issued, under both tokens."""
    tokens, organization = context.services.tokens, context.place.organization
    issued.access_hash = tokens.digest(access)
    issued.refresh_hash = tokens.digest(refresh) if refresh else ""
    tokens.put(organization, "access", access, issued.document(), issued.expires_at)
    if refresh:
        tokens.put(organization, "refresh", refresh, issued.document(), issued.refresh_expires_at)


def forget_access(context: Context, issued: Issued) -> None:
    """Take the access token out of use that a refresh token was issued with."""
    context.services.tokens.delete_digest(context.place.organization, "access", issued.access_hash)


def tell(context: Context, policy: str, request: Request, issued: Issued, access: str, refresh: str) -> None:
    """Set the variables, and make the answer where the policy answers."""
    context.variables.fill(
        {
            "client_id": issued.client_id,
            **token_variables(context, f"oauthv2accesstoken.{policy}", issued, access, refresh),
        }
    )
    if not request.answers:
        return
    body = json.dumps(answer_of(context, issued, access, refresh, rfc=request.rfc), indent=2).encode()
    answer = Message("response", status=200, reason="OK", content=body)
    answer.headers.set("Content-Type", "application/json")
    if request.rfc:
        # RFC 6749 §5.1.
        answer.headers.set("Cache-Control", "no-store")
        answer.headers.set("Pragma", "no-cache")
    context.variables.messages["response"] = answer


def _basic(context: Context) -> tuple[str, str]:
    scheme, _, encoded = (context.variables.text("request.header.authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    client_id, _, secret = text.partition(":")
    return client_id, secret

"""GenerateAuthorizationCode: a code that a client exchanges for tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies.base import Setting
from portcullis.sandbox.apigee.runtime.policies.consumers import Consumer, check_active, find_consumer
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
from portcullis.sandbox.apigee.runtime.policies.oauth.tokens import new_token
from portcullis.sandbox.store import JsonObject

CODE_LENGTH, CODE_SECONDS = 8, 600.0


@dataclass
class Code:
    """What is kept of an authorization code; `sent` tells whether the client named the redirect URI itself."""

    client_id: str
    redirect_uri: str
    sent: bool
    scope: str
    end_user: str = ""
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    hidden: list[str] = field(default_factory=list[str])

    @classmethod
    def read(cls, document: JsonObject) -> Self:
        """Read a kept document."""
        return cls(**document)

    def variables(self, prefix: str, code: str) -> dict[str, Any]:
        """Return the variables that tell of a code below `prefix`, `oauthv2authcode.POLICY`."""
        found = {
            "code": code,
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri or None,
            "scope": self.scope,
            **self.attributes,
        }
        return {f"{prefix}.{name}": value for name, value in found.items()}


@dataclass(frozen=True)
class CodeRequest:
    """Where the parts of an authorization request are, as names of variables, and whether the policy answers it.

    Of several names the first that has a value counts.
    """

    response_type: tuple[str, ...]
    client_id: tuple[str, ...]
    redirect_uri: tuple[str, ...]
    scope: str
    state: tuple[str, ...]
    end_user: str
    external: bool
    external_code: str
    answers: bool
    rfc: bool


@dataclass(frozen=True)
class GenerateCode:
    """The operation GenerateAuthorizationCode."""

    policy: str
    request: CodeRequest
    life: Setting
    attributes: tuple[Attribute, ...]

    def run(self, context: Context) -> None:
        """Issue a code, and send the client's user back with it where the policy answers; raises `Fault`."""
        request = self.request
        try:
            if needed(context, *request.response_type) != "code":
                raise RequestError("unsupported_response_type", "Response type must be code", "invalid_request")
            client = _client(context, needed(context, *request.client_id))
            if request.external:
                check_external(context)
            sent = optional(context, *request.redirect_uri)
            kept = Code(
                client_id=str(client.credential["consumerKey"]),
                redirect_uri=_redirect(client, sent),
                sent=bool(sent),
                scope=granted(context, request.scope, client),
                end_user=optional(context, request.end_user),
                attributes=values_of(context, self.attributes),
                hidden=[one.name for one in self.attributes if not one.displayed],
            )
        except RequestError as error:
            raise refused(context, self.policy, error, answers=request.answers, rfc=request.rfc) from None
        code = optional(context, request.external_code) or new_token(CODE_LENGTH)
        expires = ends(context, self.life, CODE_SECONDS)
        context.services.tokens.put(context.place.organization, "code", code, dict(vars(kept)), expires)
        context.variables.fill(kept.variables(f"oauthv2authcode.{self.policy}", code))
        if request.answers:
            self._send_back(context, kept, code)

    def _send_back(self, context: Context, kept: Code, code: str) -> None:
        state = optional(context, *self.request.state)
        query = {"code": code, **({"scope": kept.scope} if kept.scope else {}), **({"state": state} if state else {})}
        answer = Message("response", status=302, reason="Found")
        join = "&" if "?" in kept.redirect_uri else "?"
        answer.headers.set("Location", f"{kept.redirect_uri}{join}{urlencode(query)}")
        context.variables.messages["response"] = answer


def spend(context: Context, code: str, client: Consumer, redirect_variable: str) -> Code:
    """Take a code out of use and return what was kept of it; raises `RequestError`."""
    tokens, organization = context.services.tokens, context.place.organization
    document = tokens.get(organization, "code", code)
    kept = Code.read(document) if document is not None else None
    if kept is None or kept.client_id != client.credential["consumerKey"]:
        raise RequestError("invalid_grant", "Invalid Authorization Code", "invalid_request")
    if tokens.is_expired(organization, "code", code):
        raise RequestError("invalid_grant", "Authorization Code expired", "invalid_request")
    if kept.sent:
        redirect = needed(context, redirect_variable)
        if redirect != kept.redirect_uri:
            raise RequestError("invalid_grant", f"Invalid redirect_uri : {redirect}", "invalid_request")
    tokens.delete(organization, "code", code)
    return kept


def _client(context: Context, client_id: str) -> Consumer:
    found = find_consumer(context, client_id)
    if found is None:
        raise RequestError("invalid_request", f"Invalid client id : {client_id}. ClientId is Invalid")
    try:
        check_active(context, found)
    except Fault as fault:
        raise RequestError("invalid_client", fault.faultstring) from None
    return found


def _redirect(client: Consumer, sent: str) -> str:
    """Return where the user is sent: to the app's callback URL, or to the one in the request, below the app's."""
    registered = str(client.app.get("callbackUrl") or "")
    if sent and registered and sent != registered and not sent.startswith(registered.rstrip("/") + "/"):
        raise RequestError("invalid_request", f"Invalid redirection uri {sent}")
    if not sent and not registered:
        raise RequestError("invalid_request", "Redirection URI is required")
    return sent or registered

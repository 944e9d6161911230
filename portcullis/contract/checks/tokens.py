"""How an issuer's tokens are checked must suit its profile, and leave no doubt about whose a token is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from portcullis.contract.document import Document
from portcullis.contract.problem import Problem
from portcullis.contract.secrets_guard import shown

# Placeholders of Entra for "any tenant": its metadata names them, and no token does.
_ANY_TENANT: Final = ("common", "organizations", "consumers")


def tokens(document: Document) -> Iterator[Problem]:
    """Refuse an issuer whose tokens could not be checked, and two whose opaque tokens could not be told apart."""
    prefixes: dict[str, str] = {}
    for name in document.names("issuers"):
        yield from _verification(document, name)
        yield from _url(document, name)
        yield from _client(document, name)
        yield from _nonce(document, name)
        yield from _prefix(document, name, prefixes)


def _verification(document: Document, name: str) -> Iterator[Problem]:
    path = ("issuers", name)
    is_asked = document.at((*path, "introspection")) is not None
    algorithms = document.at((*path, "algorithms"))
    if document.text(*path, "profile") == "okta-org":
        if algorithms:
            yield document.problem(
                (*path, "algorithms"),
                "the Okta org server publishes no keys for its access tokens, so they cannot be verified",
                "no `algorithms`: its tokens are introspected",
            )
        if not is_asked:
            yield document.problem(
                path,
                "only the Okta org server itself can say whether one of its access tokens holds",
                "`introspection: {endpoint: https://acme.okta.com/oauth2/v1/introspect, client_id: …}`",
            )
    elif not algorithms and not is_asked:
        yield document.problem(
            path, f"the tokens of `{name}` can neither be verified nor asked about", "`algorithms: [RS256]`"
        )


def _url(document: Document, name: str) -> Iterator[Problem]:
    path = ("issuers", name, "issuer")
    url, profile = document.text(*path), document.text("issuers", name, "profile")
    if url is None:
        return
    if profile == "auth0" and not url.endswith("/"):
        yield document.problem(
            path, f"{shown(url)} lacks the `/` at its end that the `iss` of Auth0 always has", shown(f"{url}/")
        )
    if profile == "entra":
        tenant = urlsplit(url).path.split("/")[1:2]
        if tenant in [[], [""], *([word] for word in _ANY_TENANT)]:
            yield document.problem(
                path,
                f"{shown(url)} names no one tenant, and another tenant's tokens must not pass",
                "`https://login.microsoftonline.com/<tenant id>/v2.0`",
            )


def _client(document: Document, name: str) -> Iterator[Problem]:
    path = ("issuers", name, "introspection")
    if document.at(path) is None:
        return
    protocol = document.text(*path, "protocol") or "rfc7662"
    has_client = document.at((*path, "client_id")) is not None
    if protocol == "rfc7662" and not has_client:
        yield document.problem(
            path,
            "the edge must say who it is when it introspects (RFC 7662 §2.1)",
            "`client_id: …`, with its secret in the stack's `introspectionSecrets`",
        )
    if protocol == "tokeninfo" and has_client:
        yield document.problem((*path, "client_id"), "Google's tokeninfo takes no client", "no `client_id`")
    if protocol == "tokeninfo" and document.text("issuers", name, "profile") != "google":
        yield document.problem((*path, "protocol"), "only Google answers in this way", "`protocol: rfc7662`")


def _nonce(document: Document, name: str) -> Iterator[Problem]:
    path = ("issuers", name, "sender_constraint")
    methods = {method for _, method in document.texts(*path, "methods")}
    if document.at((*path, "dpop_nonce")) is True and "dpop" not in methods:
        yield document.problem(
            (*path, "dpop_nonce"), "a nonce is part of a DPoP proof, and `methods` has no `dpop`", "`dpop_nonce: false`"
        )


def _prefix(document: Document, name: str, seen: dict[str, str]) -> Iterator[Problem]:
    path = ("issuers", name, "introspection")
    # An access token of the org server names it.
    if document.at(path) is None or document.text("issuers", name, "profile") == "okta-org":
        return
    prefix = document.text(*path, "token_prefix")
    other = seen.setdefault(prefix or "", name)
    if other != name:
        which = f"begin with {shown(prefix)}" if prefix else "have no `token_prefix`"
        yield document.problem(
            path,
            f"the opaque tokens of the issuers `{other}` and `{name}` {which}, so nobody could say which one to ask",
            "`token_prefix`: what this issuer's tokens begin with",
        )

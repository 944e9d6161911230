"""The identity providers' HTTP face (OpenID Connect Discovery 1.0, RFC 6749 §4.3, RFC 7662, Google's tokeninfo)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Literal
from urllib.parse import unquote, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from portcullis.sandbox.clock import Clock
from portcullis.sandbox.identity.directory import Directory, Issuer, User
from portcullis.sandbox.identity.tokens import TokenRequestError, introspect, issue_token, token_info
from portcullis.sandbox.identity.vendors import VENDORS
from portcullis.sandbox.loopback import is_loopback
from portcullis.sandbox.store import JsonObject, Store

MAX_FORM_BYTES = 16 * 1024

Endpoint = Literal["metadata", "keys", "token", "introspection"]
_METHODS: dict[Endpoint, str] = {"metadata": "GET", "keys": "GET", "token": "POST", "introspection": "POST"}

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


def create_app(directory: Directory, store: Store, clock: Clock) -> Starlette:
    """Return the app that answers for every issuer of the directory.

    An issuer is found by the Host header and the path of its URL. On a loopback Host the first path segment names the
    issuer's host (`http://127.0.0.1:PORT/acme.okta.example/oauth2/default/...`), and the URLs in its discovery
    document then lead back to loopback, while `issuer` itself stays what it is.
    """
    providers = _Providers(directory, store, clock)
    return Starlette(routes=[Route("/{path:path}", providers.answer, methods=["GET", "POST"])])


class _Providers:
    def __init__(self, directory: Directory, store: Store, clock: Clock) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock

    async def answer(self, request: Request) -> Response:
        host, path, place = _locate(request)
        found = self._endpoints().get((host, path))
        if found is None:
            return JSONResponse({"error": "not_found", "error_description": "no issuer answers at this URL"}, 404)
        issuer, endpoint = found
        if request.method != _METHODS[endpoint]:
            return JSONResponse({"error": "invalid_request"}, 405, headers={"Allow": _METHODS[endpoint]})
        match endpoint:
            case "metadata":
                return JSONResponse(_discovery(issuer, place))
            case "keys":
                return JSONResponse({"keys": self._keys(issuer)}, headers={"Cache-Control": "public, max-age=300"})
            case "token":
                return await self._token(request, issuer)
            case "introspection":
                return await self._introspection(request, issuer)

    def _endpoints(self) -> dict[tuple[str, str], tuple[Issuer, Endpoint]]:
        """Every endpoint of every issuer, by host and path."""
        found: dict[tuple[str, str], tuple[Issuer, Endpoint]] = {}
        for issuer in self._directory.issuers():
            for endpoint, url in _urls(issuer).items():
                parts = urlsplit(url)
                found.setdefault((parts.hostname or "", parts.path), (issuer, endpoint))
        return found

    def _keys(self, issuer: Issuer) -> list[JsonObject]:
        vendor = VENDORS[issuer.shape]
        hidden = _PRIVATE_MEMBERS if vendor.keys_name_algorithm else _PRIVATE_MEMBERS | {"alg"}
        keys = self._directory.keys(issuer) if vendor.publishes_keys else []
        return [{name: value for name, value in key.items() if name not in hidden} for key in keys]

    async def _token(self, request: Request, issuer: Issuer) -> Response:
        try:
            form = await _form(request)
            user = self._signed_in(issuer, form)
            client_id = form.get("client_id") or next(iter(issuer.clients), "")
            opaque = form.get("token_format") == "opaque"
            token, life = issue_token(self._directory, self._store, self._clock, user, client_id, opaque=opaque)
        except TokenRequestError as problem:
            return JSONResponse({"error": problem.code, "error_description": str(problem)}, 400, headers=_NO_STORE)
        name = "access_token" if opaque else VENDORS[issuer.shape].answers
        body: JsonObject = {name: token, "token_type": "Bearer", "expires_in": life}
        return JSONResponse(body, headers=_NO_STORE)

    def _signed_in(self, issuer: Issuer, form: dict[str, str]) -> User:
        if form.get("grant_type") != "password":
            raise TokenRequestError("unsupported_grant_type", "the sandbox's issuers know grant_type=password only")
        for user in self._directory.users():
            if user.issuer == issuer.name and user.name == form.get("username"):
                if hmac.compare_digest(user.password.encode(), form.get("password", "").encode()):
                    return user
                break
        raise TokenRequestError("invalid_grant", "no user of this issuer has this name and password")

    async def _introspection(self, request: Request, issuer: Issuer) -> Response:
        form = await _form(request)
        if issuer.introspection is not None and issuer.introspection.protocol == "tokeninfo":
            info = token_info(self._store, self._clock, issuer, form.get("access_token", ""))
            if info is None:
                body = {"error": "invalid_token", "error_description": "Invalid Value"}
                return JSONResponse(body, 400, headers=_NO_STORE)
            return JSONResponse(info, headers=_NO_STORE)
        if not _is_introspection_client(request, issuer, form):
            headers = {"WWW-Authenticate": 'Basic realm="introspection"', **_NO_STORE}
            return JSONResponse({"error": "invalid_client"}, 401, headers=headers)
        answer = introspect(self._store, self._clock, issuer, form.get("token", ""))
        return JSONResponse(answer, headers=_NO_STORE)


_NO_STORE = {"Cache-Control": "no-store"}


def _locate(request: Request) -> tuple[str, str, Callable[[str], str]]:
    """Return the host and the path there that are meant, and what leads a client to a URL of an issuer."""
    host = request.url.hostname or ""
    path = request.url.path
    if not is_loopback(host):
        return host, path, lambda url: url
    _, host, rest = f"{path}/".split("/", 2)
    base = f"http://{request.headers['host']}"
    return host, f"/{rest}".removesuffix("/"), lambda url: f"{base}/{url.removeprefix('https://')}"


def _urls(issuer: Issuer) -> dict[Endpoint, str]:
    vendor = VENDORS[issuer.shape]
    metadata = f"{issuer.url.removesuffix('/')}/.well-known/openid-configuration"
    urls: dict[Endpoint, str] = {
        "metadata": metadata,
        "keys": vendor.keys(issuer.url),
        "token": vendor.token(issuer.url),
    }
    return urls if issuer.introspection is None else {**urls, "introspection": issuer.introspection.endpoint}


def _discovery(issuer: Issuer, place: Callable[[str], str]) -> JsonObject:
    urls = _urls(issuer)
    document: JsonObject = {
        "issuer": issuer.url,
        "authorization_endpoint": place(f"{issuer.url.removesuffix('/')}/authorize"),
        "token_endpoint": place(urls["token"]),
        "jwks_uri": place(urls["keys"]),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "grant_types_supported": ["password"],
        "id_token_signing_alg_values_supported": [issuer.algorithm],
    }
    if issuer.introspection is not None and issuer.introspection.protocol == "rfc7662":
        document["introspection_endpoint"] = place(urls["introspection"])
    return document


async def _form(request: Request) -> dict[str, str]:
    body = await request.body()
    if len(body) > MAX_FORM_BYTES:
        raise TokenRequestError("invalid_request", f"the form is over {MAX_FORM_BYTES} bytes")
    async with request.form() as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def _is_introspection_client(request: Request, issuer: Issuer, form: dict[str, str]) -> bool:
    """Check client_secret_basic (RFC 6749 §2.3.1), or the same two in the form."""
    client, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            return False
        client, secret = unquote(client), unquote(secret)
    if issuer.introspection is None or not issuer.introspection.client_id:
        return False
    wanted = (issuer.introspection.client_id, issuer.introspection.client_secret)
    return all(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip((client, secret), wanted, strict=True))

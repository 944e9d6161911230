"""The identity providers' HTTP face (OpenID Connect Discovery 1.0, RFC 6749 §4.3, RFC 7662)."""

from __future__ import annotations

import base64
import hmac
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from portcullis.sandbox.clock import Clock
from portcullis.sandbox.identity.directory import Directory, Issuer, User
from portcullis.sandbox.identity.tokens import TokenRequestError, introspect, issue_token
from portcullis.sandbox.loopback import is_loopback
from portcullis.sandbox.store import JsonObject, Store

MAX_FORM_BYTES = 16 * 1024

_PATHS = {
    "okta": {"keys": "/v1/keys", "token": "/v1/token", "introspection": "/v1/introspect"},
    "google": {"keys": "/oauth2/v3/certs", "token": "/token"},
}
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
        host, path, base = _locate(request)
        matching = [i for i in self._directory.issuers() if i.hostname == host and _under(path, i.path)]
        if not matching:
            return JSONResponse({"error": "not_found", "error_description": "no issuer answers at this URL"}, 404)
        issuer = max(matching, key=lambda i: len(i.path))
        return await self._endpoint(request, issuer, path.removeprefix(issuer.path), base + issuer.path)

    async def _endpoint(self, request: Request, issuer: Issuer, path: str, base: str) -> Response:
        paths = _PATHS[issuer.shape]
        if request.method == "GET" and path == "/.well-known/openid-configuration":
            return JSONResponse(_discovery(issuer, base))
        if request.method == "GET" and path == paths["keys"]:
            keys = [_public(key) for key in self._directory.keys(issuer)]
            return JSONResponse({"keys": keys}, headers={"Cache-Control": "public, max-age=300"})
        if request.method == "POST" and path == paths["token"]:
            return await self._token(request, issuer)
        if request.method == "POST" and issuer.introspection and path == paths.get("introspection"):
            return await self._introspection(request, issuer)
        return JSONResponse({"error": "not_found", "error_description": "the issuer has no such endpoint"}, 404)

    async def _token(self, request: Request, issuer: Issuer) -> Response:
        try:
            form = await _form(request)
            user = self._signed_in(issuer, form)
            client_id = form.get("client_id") or issuer.clients[0]
            opaque = form.get("token_format") == "opaque"
            token, life = issue_token(self._directory, self._store, self._clock, user, client_id, opaque=opaque)
        except TokenRequestError as problem:
            return JSONResponse({"error": problem.code, "error_description": str(problem)}, 400, headers=_NO_STORE)
        name = "id_token" if issuer.shape == "google" else "access_token"
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
        if not _is_introspection_client(request, issuer, form):
            headers = {"WWW-Authenticate": 'Basic realm="introspection"', **_NO_STORE}
            return JSONResponse({"error": "invalid_client"}, 401, headers=headers)
        answer = introspect(self._store, self._clock, issuer, form.get("token", ""))
        return JSONResponse(answer, headers=_NO_STORE)


_NO_STORE = {"Cache-Control": "no-store"}


def _locate(request: Request) -> tuple[str, str, str]:
    """Return the issuer's host, the path there, and the base URL its discovery document builds on."""
    host = request.url.hostname or ""
    path = request.url.path
    if not is_loopback(host):
        return host, path, f"https://{request.headers['host']}"
    _, host, rest = f"{path}/".split("/", 2)
    return host, f"/{rest}".removesuffix("/"), f"http://{request.headers['host']}/{host}"


def _under(path: str, base: str) -> bool:
    return path == base or path.startswith(f"{base}/")


def _discovery(issuer: Issuer, base: str) -> JsonObject:
    paths = _PATHS[issuer.shape]
    document: JsonObject = {
        "issuer": issuer.url,
        "authorization_endpoint": f"{base}/v1/authorize",
        "token_endpoint": base + paths["token"],
        "jwks_uri": base + paths["keys"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "grant_types_supported": ["password"],
        "id_token_signing_alg_values_supported": [issuer.algorithm],
    }
    if issuer.introspection:
        document["introspection_endpoint"] = base + paths["introspection"]
    return document


def _public(key: JsonObject) -> JsonObject:
    return {name: value for name, value in key.items() if name not in _PRIVATE_MEMBERS}


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
    if issuer.introspection is None:
        return False
    wanted = (issuer.introspection.client_id, issuer.introspection.client_secret)
    return all(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip((client, secret), wanted, strict=True))

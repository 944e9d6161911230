"""The identity providers, as a client that follows the standards meets them."""

import copy
from typing import Any

import httpx
import jwt
import pytest

from portcullis.sandbox.clock import MovableClock
from portcullis.sandbox.identity import Directory, DirectoryError, create_app
from portcullis.sandbox.identity.tokens import TOKEN_LIFE_SECONDS
from portcullis.sandbox.store import Store

NOW = 1_800_000_000
DIRECTORY: dict[str, Any] = {
    "issuers": [
        {
            "name": "workforce",
            "shape": "okta",
            "url": "https://acme.okta.example/oauth2/default",
            "audience": "api://acme",
            "algorithm": "RS256",
            "clients": ["0oa1"],
            "introspection": {
                "endpoint": "https://acme.okta.example/oauth2/default/v1/introspect",
                "client_id": "edge",
                "client_secret": "between us",
            },
        },
        {
            "name": "partners",
            "shape": "google",
            "url": "https://accounts.google.example",
            "audience": "4711.apps.example",
            "algorithm": "ES256",
            "clients": ["4711.apps.example"],
            "introspection": None,
        },
    ],
    "users": [
        {"name": "reader", "issuer": "workforce", "password": "pw", "claims": {"groups": ["readers"]}},
        {"name": "reader", "issuer": "partners", "password": "pw", "claims": {"hd": "partner.example"}},
    ],
    "backends": ["orders.example"],
}
OKTA, GOOGLE = DIRECTORY["issuers"][0]["url"], DIRECTORY["issuers"][1]["url"]


class World:
    def __init__(self) -> None:
        self.store, self.clock = Store(), MovableClock(NOW)
        self.directory = Directory(self.store)
        self.directory.replace(DIRECTORY)
        app = create_app(self.directory, self.store, self.clock)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app))

    async def discover(self, issuer: str) -> dict[str, Any]:
        return (await self.http.get(f"{issuer}/.well-known/openid-configuration")).json()

    async def token(self, issuer: str, **changes: str) -> httpx.Response:
        form = {"grant_type": "password", "username": "reader", "password": "pw", **changes}
        return await self.http.post((await self.discover(issuer))["token_endpoint"], data=form)

    async def introspect(self, token: str) -> dict[str, Any]:
        url = (await self.discover(OKTA))["introspection_endpoint"]
        return (await self.http.post(url, data={"token": token}, auth=httpx.BasicAuth("edge", "between us"))).json()

    async def verified(self, issuer: str, token: str, audience: str) -> dict[str, Any]:
        keys = (await self.http.get((await self.discover(issuer))["jwks_uri"])).json()
        key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
        # The clock of this world stands in the future of PyJWT's.
        algorithms = [key.algorithm_name]
        return jwt.decode(token, key, algorithms, audience=audience, issuer=issuer, options={"verify_iat": False})


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("issuer", [OKTA, GOOGLE])
async def test_discovery_names_the_issuer_exactly(issuer: str, world: World) -> None:
    document = await world.discover(issuer)
    assert document["issuer"] == issuer
    assert document["jwks_uri"].startswith(issuer)
    assert ("introspection_endpoint" in document) == (issuer == OKTA)


async def test_an_okta_token_verifies_and_carries_oktas_claims(world: World) -> None:
    token = (await world.token(OKTA)).json()["access_token"]
    claims = await world.verified(OKTA, token, "api://acme")
    assert claims["cid"] == "0oa1"
    assert claims["groups"] == ["readers"]
    assert claims["exp"] - claims["iat"] == TOKEN_LIFE_SECONDS
    assert "typ" not in jwt.get_unverified_header(token)


async def test_a_google_token_is_an_id_token_for_the_client(world: World) -> None:
    token = (await world.token(GOOGLE)).json()["id_token"]
    claims = await world.verified(GOOGLE, token, "4711.apps.example")
    assert (claims["azp"], claims["hd"], claims["email_verified"]) == ("4711.apps.example", "partner.example", True)
    assert claims["sub"].isdigit()


async def test_the_published_keys_hold_nothing_private(world: World) -> None:
    for issuer in (OKTA, GOOGLE):
        for key in (await world.http.get((await world.discover(issuer))["jwks_uri"])).json()["keys"]:
            assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)
            # A key that says it is for signing cannot be used to verify (RFC 7517 §4.3).
            assert key["use"] == "sig"
            assert "key_ops" not in key


async def test_on_loopback_the_path_names_the_host_and_links_stay_on_loopback(world: World) -> None:
    base = f"http://127.0.0.1:4711/{OKTA.removeprefix('https://')}"
    document = await world.discover(base)
    assert document["issuer"] == OKTA
    assert document["jwks_uri"] == f"{base}/v1/keys"
    assert (await world.http.get(document["jwks_uri"])).status_code == 200


async def test_rotated_keys_overlap_unless_told_otherwise(world: World) -> None:
    issuer = world.directory.issuer("workforce")
    assert issuer
    old = (await world.token(OKTA)).json()["access_token"]
    world.directory.rotate_keys(issuer)
    new = (await world.token(OKTA)).json()["access_token"]
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    await world.verified(OKTA, old, "api://acme")
    await world.verified(OKTA, new, "api://acme")
    world.directory.rotate_keys(issuer, keep_previous=False)
    with pytest.raises(KeyError):
        await world.verified(OKTA, new, "api://acme")


def test_an_issuer_keeps_its_keys_unless_it_signs_by_another_algorithm(world: World) -> None:
    issuer = world.directory.issuer("workforce")
    assert issuer
    before = world.directory.keys(issuer)
    world.directory.replace(DIRECTORY)
    assert world.directory.keys(issuer) == before
    changed = copy.deepcopy(DIRECTORY)
    changed["issuers"][0]["algorithm"] = "Ed25519"
    world.directory.replace(changed)
    assert [key["alg"] for key in world.directory.keys(issuer)] == ["Ed25519"]


def test_what_an_older_sandbox_kept_is_no_directory_until_there_is_a_new_one(world: World) -> None:
    world.store.put("identity", "directory", {"issuers": [{"name": "workforce", "shape": "another"}]})
    assert world.directory.issuers() == []
    world.directory.replace(DIRECTORY)
    assert len(world.directory.issuers()) == 2


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"password": "wrong"}, "invalid_grant"),
        ({"username": "stranger"}, "invalid_grant"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"client_id": "another"}, "invalid_client"),
        ({"username": "x" * 20_000}, "invalid_request"),
    ],
)
async def test_a_bad_token_request_is_refused_with_the_oauth_error(
    changes: dict[str, str], error: str, world: World
) -> None:
    answer = await world.token(OKTA, **changes)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


async def test_an_issuer_without_introspection_gives_no_opaque_token(world: World) -> None:
    assert (await world.token(GOOGLE, token_format="opaque")).json()["error"] == "invalid_request"


async def test_an_opaque_token_is_active_until_it_expires(world: World) -> None:
    token = (await world.token(OKTA, token_format="opaque")).json()["access_token"]
    assert "." not in token
    first = await world.introspect(token)
    assert (first["active"], first["sub"], first["cid"]) == (True, "reader@acme.okta.example", "0oa1")
    world.clock.advance(TOKEN_LIFE_SECONDS)
    assert await world.introspect(token) == {"active": False}


async def test_the_store_does_not_hold_an_opaque_token(world: World) -> None:
    token = (await world.token(OKTA, token_format="opaque")).json()["access_token"]
    assert token not in str(world.store.items("identity"))


@pytest.mark.parametrize("credentials", [("", ""), ("edge", "wrong"), ("another", "between us")])
async def test_introspection_is_for_its_client_only(credentials: tuple[str, str], world: World) -> None:
    url = (await world.discover(OKTA))["introspection_endpoint"]
    answer = await world.http.post(url, data={"token": "any"}, auth=credentials)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_nobody_answers_for_an_unknown_issuer(world: World) -> None:
    answer = await world.http.get("https://evil.example/.well-known/openid-configuration")
    assert answer.status_code == 404


BAD_DIRECTORIES = [
    ({"issuers": "none"}, "issuers"),
    ({"issuers": [{"name": "x"}]}, "issuers.0.shape"),
    ({"users": [{"name": "x", "issuer": "nobody", "password": "hidden", "claims": {}}]}, "not listed"),
    ({"userz": []}, "userz"),
]


@pytest.mark.parametrize(("document", "message"), BAD_DIRECTORIES)
def test_a_directory_that_is_none_is_refused_and_changes_nothing(
    document: dict[str, Any], message: str, world: World
) -> None:
    before = copy.deepcopy(world.directory.issuers())
    with pytest.raises(DirectoryError, match=message) as refused:
        world.directory.replace(document)
    assert "hidden" not in str(refused.value)
    assert world.directory.issuers() == before

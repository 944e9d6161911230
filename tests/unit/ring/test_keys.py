"""Keys, their names, and the ring as the Worker holds it."""

import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portcullis.ring import ALGORITHMS, generate_key, public_jwk, thumbprint, worker_ring

# RFC 7638 §3.1.
RFC_7638_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3o"
    "knjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM"
    "QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKn"
    "qDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
# RFC 7517, appendix A.1.
P256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "use": "enc",
    "kid": "1",
}


def test_the_thumbprint_of_the_example_of_rfc_7638() -> None:
    assert thumbprint(RFC_7638_KEY) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@given(st.permutations(list(P256)), st.dictionaries(st.sampled_from(["kid", "use", "alg", "d", "x5c"]), st.text()))
def test_the_name_of_a_key_depends_on_the_key_alone(order: list[str], extra: dict[str, str]) -> None:
    assert thumbprint({**{name: P256[name] for name in order}, **extra}) == thumbprint(P256)


@pytest.mark.parametrize(
    "broken", [{}, {"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "P-256", "x": "a"}, {"kty": 1}]
)
def test_a_key_that_is_none_has_no_name(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        thumbprint(broken)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_new_key_signs_what_its_public_half_verifies(algorithm: str) -> None:
    private, public = generate_key(algorithm)
    token = jwt.encode({"sub": "somebody"}, jwt.PyJWK(private).key, algorithm=algorithm)
    assert jwt.decode(token, jwt.PyJWK(public).key, algorithms=[algorithm]) == {"sub": "somebody"}


ELLIPTIC = ({"kty", "crv", "x", "y"}, {"d"})
RSA = ({"kty", "n", "e"}, {"d", "p", "q", "dp", "dq", "qi"})


@pytest.mark.parametrize(
    ("algorithm", "members"), [("ES256", ELLIPTIC), ("ES384", ELLIPTIC), ("RS256", RSA), ("PS256", RSA)]
)
def test_a_new_key_is_named_by_its_thumbprint_in_both_halves(
    algorithm: str, members: tuple[set[str], set[str]]
) -> None:
    private, public = generate_key(algorithm)
    assert private["kid"] == public["kid"] == thumbprint(public)
    assert len(public["kid"]) == 43
    assert set(public) == members[0] | {"kid", "use", "alg"}
    assert set(private) == set(public) | members[1]
    assert private["alg"] == public["alg"] == algorithm


def test_two_keys_are_never_the_same() -> None:
    assert generate_key("ES256")[1]["kid"] != generate_key("ES256")[1]["kid"]


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES512", "es256", ""])
def test_no_key_is_made_for_another_algorithm(algorithm: str) -> None:
    with pytest.raises(ValueError, match="use one of ES256"):
        generate_key(algorithm)


def test_the_public_half_of_a_private_key_holds_nothing_private() -> None:
    private, public = generate_key("ES256")
    assert public_jwk(private, "ES256") == public
    assert private["d"] not in json.dumps(public)


def test_the_ring_of_the_worker_holds_one_private_key_and_the_public_ones() -> None:
    (private, current), (other, following) = generate_key("ES256"), generate_key("ES256")
    text = worker_ring(7, private, [current, other])
    ring = json.loads(text)
    assert (ring["seq"], ring["signing"]) == (7, private)
    assert ring["keys"] == [current, following]
    assert other["d"] not in text
    assert text == worker_ring(7, private, [current, other])


@pytest.mark.parametrize("signing", ALGORITHMS)
@pytest.mark.parametrize("others", ALGORITHMS)
def test_a_ring_of_any_algorithms_fits_a_binding(signing: str, others: str) -> None:
    private, current = generate_key(signing)
    text = worker_ring(2**53 - 1, private, [generate_key(others)[1], current, generate_key(others)[1]])
    assert len(text.encode()) <= 5 * 1024
    assert [key["alg"] for key in json.loads(text)["keys"]] == [others, signing, others]


def test_a_ring_that_nobody_could_trust_is_refused_without_showing_a_key() -> None:
    (private, current), (_, following) = generate_key("ES256"), generate_key("ES256")
    for seq, signing, keys, says in [
        (7, private, [following], "not among the ring's public keys"),
        (7, private, [current, current], "one key twice"),
        (7, current, [current], "no private half"),
        (7, {**private, "kid": following["kid"]}, [current], "not its RFC 7638 thumbprint"),
        (7, private, [{**current, "kid": "other"}], "not its RFC 7638 thumbprint"),
        (7, {**private, "alg": "ES384"}, [current], "not among the ring's public keys"),
        (7, {**private, "alg": "HS256"}, [current], "alg is none of ES256"),
        (7, private, [current, {name: following[name] for name in ("kty", "crv", "x", "y", "kid")}], "alg is none of"),
        (0, private, [current], "counts from 1"),
        (7, private, [current, *(generate_key("ES256")[1] for _ in range(40))], "larger than"),
    ]:
        with pytest.raises(ValueError, match=says) as refusal:
            worker_ring(seq, signing, keys)
        assert private["d"] not in str(refusal.value)

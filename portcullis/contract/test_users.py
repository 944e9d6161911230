"""Who can try the gateway: one user for each role of each issuer, and one without any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from portcullis.contract.issuer import Issuer, RoleMapping
from portcullis.contract.model import Contract

Claims: TypeAlias = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class TestUser:
    """A user of the sandbox's identity providers.

    `issuer` is the issuer's name in the contract. `claims` are those the token must carry beside the usual ones (iss,
    aud, client id, times), values being a text or a list of texts. `roles` are what the user ends up with, sorted.
    """

    __test__ = False  # Not a test case, whatever its name makes pytest think.

    name: str
    issuer: str
    claims: Claims
    roles: tuple[str, ...]


def test_users(contract: Contract) -> list[TestUser]:
    """Derive the test users.

    The users of an issuer are called as their role, then `nobody`; where an earlier issuer took the name,
    `<issuer>-<name>`. The first user of the list may make the first `GET` operation of the contract, by a consumer
    that has its product.
    """
    users: list[TestUser] = []
    taken: set[str] = set()
    for name, issuer in contract.issuers.items():
        for user in _users_of(name, issuer):
            unique = user.name if user.name not in taken else f"{name}-{user.name}"
            taken.add(unique)
            users.append(TestUser(unique, user.issuer, user.claims, user.roles))
    first = next((user for user in users if _may_get(contract, user)), None)
    return users if first is None else [first, *(user for user in users if user is not first)]


test_users.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


def _users_of(name: str, issuer: Issuer) -> list[TestUser]:
    first_mapping = {mapping.role: mapping for mapping in reversed(issuer.roles)}
    order = dict.fromkeys(mapping.role for mapping in issuer.roles)
    users = [_user(role, name, issuer, first_mapping[role]) for role in order]
    return [*users, TestUser("nobody", name, MappingProxyType({}), ())]


def _user(role: str, name: str, issuer: Issuer, mapping: RoleMapping) -> TestUser:
    # Google's claims hold one text (hd, email); groups and roles of the others are lists.
    value = mapping.value if issuer.profile == "google" else (mapping.value,)
    roles = {other.role for other in issuer.roles if (other.claim, other.value) == (mapping.claim, mapping.value)}
    return TestUser(role, name, MappingProxyType({mapping.claim: value}), tuple(sorted(roles)))


def _may_get(contract: Contract, user: TestUser) -> bool:
    product, operation = next(
        (
            (product, operation)
            for product, content in contract.products.items()
            for operation in content.operations.values()
            if operation.method == "GET"
        ),
        ("", None),
    )
    return operation is not None and any(
        consumer.issuer == user.issuer and product in consumer.products and set(user.roles) & set(operation.roles)
        for consumer in contract.consumers.values()
    )

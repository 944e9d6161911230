"""The claims and headers that VerifyJWT expects of a token, by name, type and value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import BundleError, Node
from portcullis.sandbox.apigee.runtime.policies import jwt
from portcullis.sandbox.apigee.runtime.policies.jwt_keys import Text, text_of
from portcullis.sandbox.apigee.runtime.templates import Lookup, parse_template

RESERVED_CLAIMS = frozenset({"kid", "iss", "sub", "aud", "iat", "exp", "nbf", "jti"})
RESERVED_HEADERS = frozenset({"alg", "typ"})
TYPES = frozenset({"string", "number", "boolean", "map"})


@dataclass(frozen=True)
class Claim:
    """A claim or header the token must carry; without a text or variable any value will do."""

    name: str
    expected: Text
    kind: str
    array: bool

    def matches(self, found: object, wanted: str) -> bool:
        """Tell whether the token's value is the expected one."""
        try:
            if self.array:
                return found == [_typed(item, self.kind) for item in _items(wanted)]
            return _same(found, _typed(wanted, self.kind))
        except ValueError:
            return False

    def typed(self, text: str, lookup: Lookup) -> object:
        """Return a text as the claim's value; a map is a message template; raises `ValueError`."""
        if self.kind == "map":
            text = parse_template(text).fill(lookup)
        return [_typed(item, self.kind) for item in _items(text)] if self.array else _typed(text, self.kind)


@dataclass(frozen=True)
class Expectations:
    """Claims that are written one by one, and a variable that holds an object of further ones."""

    claims: tuple[Claim, ...]
    ref: str = ""


def read_expectations(node: Node, group: str) -> Expectations:
    """Read `<AdditionalClaims>` or `<AdditionalHeaders>`; raises `BundleError`."""
    parent = node.find(group)
    if parent is None:
        return Expectations(())
    claims = tuple(_claim(one, node.attribute("name"), group) for one in parent.children("Claim"))
    return Expectations(claims, parent.attribute("ref"))


def _claim(node: Node, policy: str, group: str) -> Claim:
    what = "Claim" if group == "AdditionalClaims" else "Header"
    name, kind = node.attribute("name"), node.attribute("type", "string").lower()
    if not name:
        raise node.error(f"MissingNameForAdditional{what}: a <Claim> of <{group}> needs a name: policy({policy})")
    if name in (RESERVED_CLAIMS if what == "Claim" else RESERVED_HEADERS):
        raise node.error(f"InvalidNameForAdditional{what}: {name} cannot be named in <{group}>: policy({policy})")
    if kind not in TYPES:
        raise node.error(f"InvalidTypeForAdditional{what}: {kind!r} of {name} in <{group}>: policy({policy})")
    try:
        array = node.flag_attribute("array", default=False)
    except BundleError:
        raise node.error(f"InvalidValueOfArrayAttribute: array of {name} in <{group}>: policy({policy})") from None
    return Claim(name, text_of(node), kind, array)


def check(context: Context, policy: str, held: Any, expectations: Expectations, *, strict: bool) -> None:
    """Hold a token's claims or headers against what is expected; raises `Fault`.

    A variable that is unset is a fault where `strict`, else nothing can match it.
    """
    for claim in expectations.claims:
        wanted = claim.expected.read(context)
        if wanted is None and claim.expected.ref and strict:
            raise jwt.unresolved(policy, claim.expected.ref)
        there = claim.name in held
        if not there or (not claim.expected.empty and not claim.matches(held[claim.name], wanted or "")):
            raise _invalid(policy, claim.name)
    if expectations.ref:
        _check_object(context, policy, held, expectations.ref, strict=strict)


def _check_object(context: Context, policy: str, held: Any, ref: str, *, strict: bool) -> None:
    text = context.variables.text(ref)
    if text is None:
        if strict:
            raise jwt.unresolved(policy, ref)
        return
    try:
        wanted = json.loads(text)
    except (ValueError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict):
        raise jwt.fault(policy, "InvalidJsonFormat", "Invalid JSON format", f"variable({ref})")
    for name, value in cast("dict[str, object]", wanted).items():
        if name not in held or not _same(held[name], value):
            raise _invalid(policy, name)


def _invalid(policy: str, name: str) -> Exception:
    return jwt.fault(policy, "InvalidClaim", "Invalid Claim", f"claim({name})")


def _items(text: str) -> list[str]:
    """Read the items of an array: JSON, or texts between commas."""
    if text.lstrip().startswith("["):
        found = json.loads(text)
        if isinstance(found, list):
            return [item if isinstance(item, str) else json.dumps(item) for item in cast("list[object]", found)]
    return [part.strip() for part in text.split(",")]


def _typed(text: str, kind: str) -> object:
    if kind == "string":
        return text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    value: object = json.loads(text)
    if kind == "map" and not isinstance(value, dict):
        raise ValueError("no object")
    return cast("object", value)


def _same(found: object, wanted: object) -> bool:
    """Compare as JSON does: true is not 1."""
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)

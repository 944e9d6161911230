"""VerifyJWT: a signed token's key, signature, times and claims."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK, PyJWS
from jwt.exceptions import InvalidKeyError, PyJWKError, PyJWTError

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies import jwt
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.remote_keys import RemoteKeysError
from portcullis.sandbox.apigee.runtime.values import as_text

ALGORITHMS = frozenset(f"{family}{size}" for family in ("HS", "RS", "PS", "ES") for size in (256, 384, 512))
REGISTERED = frozenset({"kid", "iss", "sub", "aud", "iat", "exp", "nbf", "jti"})
_CLAIM = "{0}/Claim @name @ref @type @array"
_SPAN = re.compile(r"(\d+)\s*(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Expected:
    """A text that is written, or in the variable `ref`; the text stands where the variable is unset."""

    text: str
    ref: str

    def read(self, context: Context) -> str | None:
        """Return what is expected, or `None` where neither is there."""
        value = context.variables.text(self.ref) if self.ref else None
        return value if value is not None else (self.text or None)


@dataclass(frozen=True)
class Claim:
    """A claim or header the token must carry with this value."""

    name: str
    expected: Expected
    kind: str
    array: bool


@dataclass(frozen=True)
class Keys:
    """Where the key comes from: `form` is JWKS, Value, Certificate or SecretKey."""

    form: str
    expected: Expected
    uri: Expected


@dataclass(frozen=True)
class VerifyJWT(Policy):
    """Verifies a token; its variables are set before it is judged, `jwt.NAME.valid` after."""

    type_name = "VerifyJWT"
    fault_prefix = "jwt"
    elements = elements(
        "\n".join(
            [
                "DisplayName",
                "Type",
                "Algorithm",
                "Source",
                "IgnoreUnresolvedVariables",
                "IgnoreIssuedAt",
                "IgnoreCriticalHeaders",
                "KnownHeaders @ref",
                "PublicKey/Value @ref",
                "PublicKey/Certificate @ref",
                "PublicKey/JWKS @ref @uri @uriRef",
                "SecretKey @encoding",
                "SecretKey/Value @ref",
                *(f"{name} @ref" for name in ("Issuer", "Audience", "Subject", "Id")),
                _CLAIM.format("AdditionalClaims"),
                _CLAIM.format("AdditionalHeaders"),
                "TimeAllowance",
                "MaxLifespan @useIssueTime",
            ]
        ),
        ignored="Properties\nCustomClaims",
    )

    algorithms: tuple[str, ...]
    source: str
    keys: Keys
    registered: Mapping[str, Expected]
    claims: tuple[Claim, ...]
    headers: tuple[Claim, ...]
    known_headers: frozenset[str]
    ignore_critical: bool
    ignore_issued_at: bool
    allowance: float
    max_lifespan: float | None
    from_issue_time: bool

    @property
    def failed_variable(self) -> str:
        """`JWT.failed`, without the policy's name."""
        return "JWT.failed"

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`."""
        base = common(node)
        lifespan = node.find("MaxLifespan")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            algorithms=_algorithms(node),
            source=node.words("Source"),
            keys=_keys(node),
            registered={
                claim: _expected(found) for claim, tag in _REGISTERED_ELEMENTS.items() if (found := node.find(tag))
            },
            claims=_claims(node, "AdditionalClaims"),
            headers=_claims(node, "AdditionalHeaders"),
            known_headers=frozenset(part.strip() for part in node.words("KnownHeaders").split(",") if part.strip()),
            ignore_critical=node.flag("IgnoreCriticalHeaders", default=False),
            ignore_issued_at=node.flag("IgnoreIssuedAt", default=False),
            allowance=_span(node, node.words("TimeAllowance", "0s")),
            max_lifespan=_span(node, lifespan.text) if lifespan is not None else None,
            from_issue_time=lifespan.flag_attribute("useIssueTime", default=False) if lifespan is not None else False,
        )

    async def execute(self, context: Context) -> None:
        """Verify; raises the fault of the first check that fails."""
        token = jwt.take_apart(self.name, jwt.source_text(context, self.name, self.source))
        jwt.publish(context, self.name, token, valid=False)
        self._check_header(context, token)
        key = await self._key(context, token)
        self._check_signature(token, key)
        self._check_times(context, token)
        self._check_claims(context, token)
        context.variables.fill({f"jwt.{self.name}.valid": True})

    def _check_header(self, context: Context, token: jwt.Token) -> None:
        algorithm = token.header.get("alg")
        if not isinstance(algorithm, str):
            raise jwt.fault(self.name, "NoAlgorithmFoundInHeader", "No algorithm found in the token's header")
        if algorithm not in self.algorithms:
            text = "Algorithm in header did not match any algorithm specified in Configuration"
            shown = algorithm if algorithm in ALGORITHMS else "unknown"
            found = jwt.fault(self.name, "AlgorithmMismatch", text)
            found.faultstring += f" algorithm({shown})"
            raise found
        critical = token.header.get("crit")
        if critical is not None and not self.ignore_critical and not self._knows(critical):
            raise jwt.fault(self.name, "UnhandledCriticalHeader", "Unhandled critical header")
        for claim in self.headers:
            if not _matches(claim, token.header.get(claim.name), context):
                raise jwt.fault(self.name, "InvalidClaim", f"Invalid header {claim.name}")

    def _knows(self, critical: object) -> bool:
        return isinstance(critical, list) and all(name in self.known_headers for name in critical)  # pyright: ignore[reportUnknownVariableType]

    async def _key(self, context: Context, token: jwt.Token) -> Any:
        algorithm = str(token.header["alg"])
        if self.keys.form == "JWKS":
            return self._from_set(await self._key_set(context), token, algorithm)
        text = self.keys.expected.read(context)
        if not text:
            raise jwt.fault(
                self.name, "FailedToResolveVariable", f"Failed to resolve variable {self.keys.expected.ref}"
            )
        if self.keys.form == "SecretKey":
            return text
        try:
            if self.keys.form == "Certificate":
                return x509.load_pem_x509_certificate(text.encode()).public_key()
            return load_pem_public_key(text.encode())
        except ValueError:
            raise jwt.fault(self.name, "KeyParsingFailed", "Failed to parse the public key") from None

    async def _key_set(self, context: Context) -> str:
        uri = self.keys.uri.read(context)
        if uri:
            try:
                return await context.services.keys.fetch(uri)
            except RemoteKeysError:
                raise jwt.fault(self.name, "NoMatchingPublicKey", "No matching public key") from None
        text = self.keys.expected.read(context)
        if not text:
            raise jwt.fault(
                self.name, "FailedToResolveVariable", f"Failed to resolve variable {self.keys.expected.ref}"
            )
        return text

    def _from_set(self, text: str, token: jwt.Token, algorithm: str) -> Any:
        kid = token.header.get("kid")
        if not isinstance(kid, str):
            raise jwt.fault(self.name, "KeyIdMissing", "The token has no kid")
        try:
            keys = json.loads(text)["keys"]
            found = next((key for key in keys if key.get("kid") == kid), None)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise jwt.fault(self.name, "InvalidPublicKey", "The key set cannot be read") from None
        if found is None:
            raise jwt.fault(self.name, "NoMatchingPublicKey", "No matching public key")
        try:
            return PyJWK(found, algorithm).key
        except (PyJWKError, InvalidKeyError, PyJWTError, ValueError):
            raise jwt.fault(self.name, "WrongKeyType", "The key does not fit the algorithm") from None

    def _check_signature(self, token: jwt.Token, key: Any) -> None:
        try:
            PyJWS().decode(token.text, key, algorithms=[str(token.header["alg"])])
        except (PyJWTError, TypeError, ValueError):
            raise jwt.fault(self.name, "InvalidToken", "Invalid token") from None

    def _check_times(self, context: Context, token: jwt.Token) -> None:
        expires, begins, issued = (self._time(token, claim) for claim in ("exp", "nbf", "iat"))
        if expires is not None and context.now >= expires + self.allowance:
            raise jwt.fault(self.name, "TokenExpired", "Token has expired")
        if begins is not None and context.now < begins - self.allowance:
            raise jwt.fault(self.name, "TokenNotYetValid", "Token is not yet valid")
        if issued is not None and not self.ignore_issued_at and context.now < issued - self.allowance:
            raise jwt.fault(self.name, "TokenNotYetValid", "Token was issued in the future")
        if self.max_lifespan is None:
            return
        since = issued if self.from_issue_time else begins if begins is not None else context.now
        if expires is None or since is None or expires - since > self.max_lifespan:
            raise jwt.fault(self.name, "InvalidClaim", "The token's lifespan is longer than allowed")

    def _time(self, token: jwt.Token, claim: str) -> float | None:
        value = token.claims.get(claim)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise jwt.fault(self.name, "InvalidClaim", f"Claim {claim} is no time")
        return float(value)

    def _check_claims(self, context: Context, token: jwt.Token) -> None:
        for claim, expected in self.registered.items():
            wanted = expected.read(context)
            if wanted is None:
                raise jwt.fault(self.name, "FailedToResolveVariable", f"Failed to resolve variable {expected.ref}")
            found = token.claims.get(claim)
            held = found if claim == "aud" and isinstance(found, list) else [found]  # pyright: ignore[reportUnknownVariableType]
            if wanted not in held:
                raise jwt.fault(self.name, _MISMATCH[claim], f"{claim} in claim mismatch")
        for claim in self.claims:
            if not _matches(claim, token.claims.get(claim.name), context):
                raise jwt.fault(self.name, "InvalidClaim", f"Invalid claim {claim.name}")


_REGISTERED_ELEMENTS = {"iss": "Issuer", "aud": "Audience", "sub": "Subject", "jti": "Id"}
_MISMATCH = {
    "iss": "JwtIssuerMismatch",
    "aud": "JwtAudienceMismatch",
    "sub": "JwtSubjectMismatch",
    "jti": "InvalidClaim",
}


def _algorithms(node: Node) -> tuple[str, ...]:
    found = tuple(part.strip() for part in node.words("Algorithm").split(",") if part.strip())
    if not found or not ALGORITHMS.issuperset(found):
        raise node.error(f"<Algorithm> must list some of {', '.join(sorted(ALGORITHMS))}")
    symmetric = {name.startswith("HS") for name in found}
    if len(symmetric) > 1:
        raise node.error("<Algorithm> mixes symmetric and asymmetric algorithms")
    return found


def _keys(node: Node) -> Keys:
    for form, path in (
        ("JWKS", "PublicKey/JWKS"),
        ("Value", "PublicKey/Value"),
        ("Certificate", "PublicKey/Certificate"),
        ("SecretKey", "SecretKey/Value"),
    ):
        found = node.find(path)
        if found is not None:
            return Keys(form, _expected(found), Expected(found.attribute("uri"), found.attribute("uriRef")))
    raise node.error("<VerifyJWT> needs a <PublicKey> or a <SecretKey>")


def _expected(node: Node) -> Expected:
    return Expected(node.text, node.attribute("ref"))


def _claims(node: Node, group: str) -> tuple[Claim, ...]:
    parent = node.find(group)
    found: list[Claim] = []
    for one in parent.children("Claim") if parent else ():
        name = one.attribute("name")
        if not name or (group == "AdditionalClaims" and name in REGISTERED):
            raise one.error(f"InvalidNameForAdditionalClaim: {name!r} cannot be an additional claim")
        kind = one.attribute("type", "string").lower()
        if kind not in {"string", "number", "boolean", "map"}:
            raise one.error(f"InvalidTypeForAdditionalClaim: {kind!r}")
        found.append(Claim(name, _expected(one), kind, one.flag_attribute("array", default=False)))
    return tuple(found)


def _matches(claim: Claim, found: object, context: Context) -> bool:
    """Tell whether the token carries the claim, and with the expected value where one is given."""
    if found is None:
        return False
    wanted = claim.expected.read(context)
    if wanted is None:
        return not claim.expected.ref
    if claim.array:
        return isinstance(found, list) and [part.strip() for part in wanted.split(",")] == [str(f) for f in found]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if claim.kind == "map":
        return isinstance(found, dict) and json.loads(wanted) == found
    if claim.kind == "boolean":
        return isinstance(found, bool) and as_text(found) == wanted.lower()
    if claim.kind == "number":
        return isinstance(found, int | float) and float(wanted) == found
    return isinstance(found, str) and found == wanted


def _span(node: Node, text: str) -> float:
    """Return seconds of `10s`, `5m` and the like; a bare number is milliseconds."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise node.error(f"{text!r} is no time span; write 10s, 5m, 1h or 1d")
    return int(found[1]) * _SECONDS[found[2] or "ms"]

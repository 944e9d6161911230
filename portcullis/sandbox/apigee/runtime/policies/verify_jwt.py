"""VerifyJWT: a token's key, signature or encryption, times and claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from jwt import PyJWS
from jwt.exceptions import PyJWTError
from jwt.utils import base64url_decode

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.policies import jwt, jwt_claims
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.jwt_claims import Expectations, read_expectations
from portcullis.sandbox.apigee.runtime.policies.jwt_encryption import ENCRYPTION, Encryption, read_encryption
from portcullis.sandbox.apigee.runtime.policies.jwt_keys import ALGORITHMS, Keys, Text, read_keys, text_of

_CLAIM = "{0} @ref\n{0}/Claim @name @ref @type @array"


@dataclass(frozen=True)
class VerifyJWT(Policy):
    """Verifies a token; its variables are set before it is judged, `jwt.NAME.valid` after.

    With `<Algorithms>` in place of `<Algorithm>` it opens an encrypted token instead, which nobody has signed.
    """

    type_name = "VerifyJWT"
    fault_prefix = "jwt"
    elements = elements(
        "\n".join(
            [
                "Type",
                "Algorithm",
                ENCRYPTION,
                "Source",
                "IgnoreUnresolvedVariables",
                "IgnoreIssuedAt",
                "IgnoreCriticalHeaders",
                "KnownHeaders @ref",
                "PublicKey/Value @ref",
                "PublicKey/Certificate @ref",
                "PublicKey/JWKS @ref @uri @uriRef",
                "PublicKey/Id @ref",
                "SecretKey @encoding",
                "SecretKey/Value @ref",
                "SecretKey/Id @ref",
                "PrivateKey/Value @ref",
                "PrivateKey/Password @ref",
                "PrivateKey/Id @ref",
                *(f"{name} @ref" for name in ("Issuer", "Audience", "Subject", "Id")),
                _CLAIM.format("AdditionalClaims"),
                _CLAIM.format("AdditionalHeaders"),
                "TimeAllowance",
                "MaxLifespan @useIssueTime",
            ]
        ),
        ignored="CustomClaims",
    )

    algorithms: tuple[str, ...]
    source: str
    strict: bool
    keys: Keys | Encryption
    registered: Mapping[str, Text]
    claims: Expectations
    headers: Expectations
    known_headers: Text
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
        encrypted = node.find("Algorithms") is not None and node.find("Algorithm") is None
        algorithms = () if encrypted else _algorithms(node)
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            algorithms=algorithms,
            source=source_name(node),
            strict=not node.flag("IgnoreUnresolvedVariables", default=False),
            keys=read_encryption(node, opens=True) if encrypted else read_keys(node, algorithms),
            registered={claim: text_of(node.find(tag)) for claim, tag in _REGISTERED_ELEMENTS.items()},
            claims=read_expectations(node, "AdditionalClaims"),
            headers=read_expectations(node, "AdditionalHeaders"),
            known_headers=text_of(node.find("KnownHeaders")),
            ignore_critical=node.flag("IgnoreCriticalHeaders", default=False),
            ignore_issued_at=node.flag("IgnoreIssuedAt", default=False),
            allowance=_span(node, node.words("TimeAllowance", "0s")),
            max_lifespan=_span(node, lifespan.text) if lifespan is not None else None,
            from_issue_time=lifespan.flag_attribute("useIssueTime", default=False) if lifespan is not None else False,
        )

    async def execute(self, context: Context) -> None:
        """Verify; raises the fault of the first check that fails."""
        text = jwt.source_text(context, self.name, self.source)
        if isinstance(self.keys, Encryption):
            token = await self._opened(context, self.keys, text)
        else:
            token = await self._signed(context, self.keys, text)
        jwt_claims.check(context, self.name, token.header, self.headers, strict=self.strict)
        self._check_times(context, token)
        self._check_registered(context, token)
        jwt_claims.check(context, self.name, token.claims, self.claims, strict=self.strict)
        context.variables.fill({f"jwt.{self.name}.valid": True})

    async def _signed(self, context: Context, keys: Keys, text: str) -> jwt.Token:
        if text.count(".") != 2 or " " in text:
            raise jwt.fault(self.name, "InvalidToken", "Invalid token")
        token = jwt.take_apart(self.name, text)
        jwt.publish(context, self.name, token, valid=False)
        algorithm = self._algorithm(token)
        self._check_critical(context, token)
        key = await keys.find(context, self.name, token, algorithm)
        self._check_signature(token, key, algorithm)
        return token

    async def _opened(self, context: Context, keys: Encryption, text: str) -> jwt.Token:
        if text.count(".") != 4 or " " in text:
            raise jwt.fault(self.name, "InvalidToken", "Invalid token")
        token = jwt.take_apart(self.name, text)
        jwt.publish(context, self.name, token, valid=False)
        keys.check(self.name, token.header)
        self._check_critical(context, token)
        key = await keys.key_for(context, self.name, None)
        token = jwt.opened(self.name, token, keys.decrypt(self.name, text, key))
        jwt.publish(context, self.name, token, valid=False)
        return token

    def _algorithm(self, token: jwt.Token) -> str:
        algorithm = token.header.get("alg")
        if not isinstance(algorithm, str):
            raise jwt.fault(self.name, "NoAlgorithmFoundInHeader", "No algorithm found in the token's header")
        if algorithm not in self.algorithms:
            name = "AlgorithmInTokenNotPresentInConfiguration" if len(self.algorithms) > 1 else "AlgorithmMismatch"
            text = "Algorithm in header did not match any algorithm specified in Configuration"
            shown = algorithm if algorithm in ALGORITHMS else "unknown"
            raise jwt.fault(self.name, name, text, f"algorithm({shown})")
        return algorithm

    def _check_critical(self, context: Context, token: jwt.Token) -> None:
        critical = token.header.get("crit")
        if critical is None or self.ignore_critical:
            return
        known = {part.strip() for part in (self.known_headers.read(context) or "").split(",")} - {""}
        if not isinstance(critical, list) or not all(name in known for name in cast("list[object]", critical)):
            raise jwt.fault(self.name, "UnhandledCriticalHeader", "Unhandled critical header")

    def _check_signature(self, token: jwt.Token, key: Any, algorithm: str) -> None:
        signed, _, signature = token.text.rpartition(".")
        try:
            # Not PyJWS.decode: critical headers that the policy knows are none of the library's business.
            rules = PyJWS().get_algorithm_by_name(algorithm)
            good = rules.verify(signed.encode(), rules.prepare_key(key), base64url_decode(signature))
        except (PyJWTError, TypeError, ValueError):
            good = False
        if not good:
            raise jwt.fault(self.name, "InvalidToken", "Invalid token")

    def _check_times(self, context: Context, token: jwt.Token) -> None:
        expires, begins, issued = (self._time(token, claim) for claim in ("exp", "nbf", "iat"))
        if expires is not None and context.now >= expires + self.allowance:
            raise jwt.fault(self.name, "TokenExpired", "The Token has expired")
        if begins is not None and context.now < begins - self.allowance:
            raise jwt.fault(self.name, "TokenNotYetValid", "The Token is not yet valid")
        if issued is not None and not self.ignore_issued_at and context.now < issued:
            raise jwt.fault(self.name, "TokenNotYetValid", "The Token was issued in the future")
        if self.max_lifespan is None:
            return
        since = issued if self.from_issue_time else begins if begins is not None else context.now
        if expires is None or since is None or expires - since > self.max_lifespan:
            raise jwt.fault(self.name, "InvalidClaim", "The Token lives longer than allowed", "claim(exp)")

    def _time(self, token: jwt.Token, claim: str) -> float | None:
        value = token.claims.get(claim)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise jwt.fault(self.name, "InvalidClaim", "Invalid Claim", f"claim({claim})")
        return float(value)

    def _check_registered(self, context: Context, token: jwt.Token) -> None:
        for claim, expected in self.registered.items():
            if expected.empty:
                continue
            wanted = expected.read(context)
            if wanted is None and self.strict:
                raise jwt.unresolved(self.name, expected.ref)
            found = token.claims.get(claim)
            held = cast("list[object]", found) if claim == "aud" and isinstance(found, list) else [found]
            if wanted is None or wanted not in held:
                raise jwt.fault(self.name, *_MISMATCH[claim])


_REGISTERED_ELEMENTS = {"iss": "Issuer", "aud": "Audience", "sub": "Subject", "jti": "Id"}
_MISMATCH = {
    "iss": ("JwtIssuerMismatch", "Issuer mismatch"),
    "aud": ("JwtAudienceMismatch", "Audience mismatch"),
    "sub": ("JwtSubjectMismatch", "Subject mismatch"),
    "jti": ("InvalidClaim", "Invalid Claim", "claim(jti)"),
}


def source_name(node: Node) -> str:
    """Read `<Source>`; an empty one is refused; raises `BundleError`."""
    found = node.find("Source")
    if found is not None and not found.text:
        raise node.error(f"InvalidEmptyElement: <Source> is empty: policy({node.attribute('name')})")
    return found.text if found is not None else ""


_KEY_TYPES = {"HS": "secret", "RS": "RSA", "PS": "RSA", "ES": "EC"}


def _algorithms(node: Node) -> tuple[str, ...]:
    found = tuple(part.strip() for part in node.words("Algorithm").split(",") if part.strip())
    if not found or not ALGORITHMS.issuperset(found):
        raise node.error(f"InvalidValueForElement: <Algorithm> must list some of {', '.join(sorted(ALGORITHMS))}")
    if len({_KEY_TYPES[name[:2]] for name in found}) > 1:
        text = (
            "<Algorithm> may list HS algorithms, ES algorithms, or RS and PS algorithms: each needs its own type of key"
        )
        raise node.error(f"InvalidFamiliesForAlgorithm: {text}: policy({node.attribute('name')})")
    return found


def _span(node: Node, text: str) -> float:
    seconds = jwt.seconds(text)
    if seconds is None:
        raise node.error(f"{text!r} is no time span; write 10s, 5m, 1h or 1d")
    return seconds

"""GenerateJWT: makes a signed or an encrypted token."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt import PyJWS

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.policies import jwt
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common
from portcullis.sandbox.apigee.runtime.policies.jwt_claims import Expectations, read_expectations
from portcullis.sandbox.apigee.runtime.policies.jwt_encryption import (
    ENCRYPTION,
    Encryption,
    check_secret,
    read_encryption,
)
from portcullis.sandbox.apigee.runtime.policies.jwt_keys import (
    ALGORITHMS,
    CURVES,
    ENCODINGS,
    NO_TEXT,
    SHORTEST,
    Text,
    decoded_secret,
    pem,
    text_of,
)
from portcullis.sandbox.apigee.runtime.variables import ReadOnlyVariableError

_CLAIM = "{0} @ref\n{0}/Claim @name @ref @type @array"
_DATES = (
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%a, %d %b %Y %H:%M:%S %Z",
    "%A, %d-%b-%y %H:%M:%S %Z",
    "%a %b %d %H:%M:%S %Y",
)


@dataclass(frozen=True)
class Signing:
    """The algorithm, and where the key is: a secret in some encoding, or a private key that may have a password."""

    algorithm: str
    key: Text
    key_id: Text
    encoding: str = ""
    password: Text = NO_TEXT

    def find(self, context: Context, policy: str) -> Any:
        """Return the key; raises `Fault` where there is none, or one that does not fit."""
        text = self.key.read(context)
        if not text:
            raise jwt.unresolved(policy, self.key.ref)
        if self.algorithm.startswith("HS"):
            return self._secret(policy, text)
        password = self.password.read(context)
        try:
            key = load_pem_private_key(pem(text), password.encode() if password else None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise jwt.fault(policy, "InvalidPrivateKey", "Invalid private key") from None
        curve = CURVES.get(self.algorithm)
        if not isinstance(key, RSAPrivateKey if curve is None else EllipticCurvePrivateKey):
            raise jwt.fault(policy, "WrongKeyType", "Wrong key type")
        if isinstance(key, EllipticCurvePrivateKey) and key.curve.name != curve:
            raise jwt.fault(policy, "InvalidCurve", "Invalid curve")
        return key

    def _secret(self, policy: str, text: str) -> bytes:
        try:
            key = decoded_secret(text, self.encoding)
        except ValueError:
            raise jwt.fault(policy, "InvalidSecretKey", "Invalid secret key") from None
        if len(key) < SHORTEST[self.algorithm]:
            # Apigee tells of a short key for the two longer hashes in another way (reference).
            name = "InsufficientKeyLength" if self.algorithm == "HS256" else "SigningFailed"
            raise jwt.fault(policy, name, "Insufficient key length")
        return key


@dataclass(frozen=True)
class GenerateJWT(Policy):
    """Makes a token of the claims it names, issued now, and puts it into a variable."""

    type_name = "GenerateJWT"
    fault_prefix = "jwt"
    elements = elements(
        "\n".join(
            [
                "DisplayName",
                "Type",
                "Algorithm",
                ENCRYPTION,
                "IgnoreUnresolvedVariables",
                *(f"{name} @ref" for name in ("Issuer", "Audience", "Subject", "Id", "ExpiresIn", "NotBefore")),
                _CLAIM.format("AdditionalClaims"),
                _CLAIM.format("AdditionalHeaders"),
                "CriticalHeaders @ref",
                "Compress",
                "OutputVariable",
                "PrivateKey/Id @ref",
                "PrivateKey/Value @ref",
                "PrivateKey/Password @ref",
                "SecretKey @encoding",
                "SecretKey/Id @ref",
                "SecretKey/Value @ref",
                "PublicKey/Id @ref",
                "PublicKey/Value @ref",
                "PublicKey/Certificate @ref",
                "PublicKey/JWKS @ref @uri @uriRef",
            ]
        ),
        ignored="CustomClaims",
    )

    protection: Signing | Encryption
    strict: bool
    registered: Mapping[str, Text]
    token_id: Text | None
    life: Text
    begins: Text
    claims: Expectations
    headers: Expectations
    critical: Text
    compresses: bool
    output: str

    @property
    def failed_variable(self) -> str:
        """`JWT.failed`, without the policy's name."""
        return "JWT.failed"

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`, in the words of Apigee's deployment errors."""
        base = common(node)
        token_id = node.find("Id")
        begins = text_of(node.find("NotBefore"))
        if begins.text and not begins.ref and jwt.seconds(begins.text) is None and _moment(begins.text) is None:
            raise node.error(f"InvalidTimeFormat: <NotBefore> {begins.text!r}: policy({base.name})")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            protection=_protection(node),
            strict=not node.flag("IgnoreUnresolvedVariables", default=False),
            registered={claim: text_of(node.find(tag)) for claim, tag in _REGISTERED.items()},
            token_id=text_of(token_id) if token_id is not None else None,
            life=text_of(node.find("ExpiresIn")),
            begins=begins,
            claims=read_expectations(node, "AdditionalClaims"),
            headers=read_expectations(node, "AdditionalHeaders"),
            critical=text_of(node.find("CriticalHeaders")),
            compresses=node.flag("Compress", default=False),
            output=node.words("OutputVariable", f"jwt.{base.name}.generated_jwt"),
        )

    async def execute(self, context: Context) -> None:
        """Make the token; raises `Fault`."""
        claims = self._claims(context)
        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()
        header = self._header(context)
        protection = self.protection
        if isinstance(protection, Signing):
            key = protection.find(context, self.name)
            token = PyJWS().encode(payload, key, algorithm=protection.algorithm, headers=header, sort_headers=False)
        else:
            key = await protection.key_for(context, self.name, cast("str | None", header.get("kid")))
            token = protection.encrypt(self.name, header, payload, key)
        try:
            context.variables.set(self.output, token)
        except ReadOnlyVariableError:
            text = f"Failed to set variable {self.output}"
            raise Fault("steps.jwt.GenerationFailed", f"{text}: policy({self.name})", 401) from None

    def _claims(self, context: Context) -> dict[str, object]:
        now = int(context.now)
        claims: dict[str, object] = {}
        for claim, text in self.registered.items():
            value = self._resolved(context, text)
            if value is not None:
                claims[claim] = _audience(value) if claim == "aud" else value
        if self.token_id is not None:
            value = self._resolved(context, self.token_id) if not self.token_id.empty else None
            claims["jti"] = value or str(uuid.uuid4())
        claims["iat"] = now
        self._add_times(context, claims, now)
        self._add(context, claims, self.claims)
        return claims

    def _add_times(self, context: Context, claims: dict[str, object], now: int) -> None:
        life = self._resolved(context, self.life)
        if life is not None:
            seconds = jwt.seconds(life)
            if seconds is None:
                raise jwt.fault(self.name, "InvalidClaim", "Invalid Claim", "claim(exp)")
            claims["exp"] = int(now + seconds)
        begins = self._resolved(context, self.begins)
        if begins is not None:
            after, at = jwt.seconds(begins), _moment(begins)
            if after is None and at is None:
                raise jwt.fault(self.name, "InvalidClaim", "Invalid Claim", "claim(nbf)")
            claims["nbf"] = int(now + after) if after is not None else int(at or 0)

    def _header(self, context: Context) -> dict[str, object]:
        protection = self.protection
        header: dict[str, object] = {"typ": "JWT", "alg": protection.algorithm}
        if isinstance(protection, Encryption):
            header["enc"] = protection.content
            if self.compresses:
                header["zip"] = "DEF"
        key_id = self._resolved(context, protection.key_id)
        if key_id is not None:
            header["kid"] = key_id
        critical = self._resolved(context, self.critical)
        if critical is not None:
            header["crit"] = [part.strip() for part in critical.strip("[]").split(",") if part.strip()]
        self._add(context, header, self.headers)
        return header

    def _add(self, context: Context, into: dict[str, object], additional: Expectations) -> None:
        for claim in additional.claims:
            value = self._resolved(context, claim.expected)
            if value is None and not claim.expected.empty:
                continue
            try:
                into[claim.name] = claim.typed(value or "", context.lookup)
            except ValueError:
                raise jwt.fault(self.name, "InvalidClaim", "Invalid Claim", f"claim({claim.name})") from None
        if additional.ref:
            into.update(self._object(context, additional.ref))

    def _object(self, context: Context, ref: str) -> dict[str, object]:
        text = self._resolved(context, Text(ref=ref))
        if text is None:
            return {}
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise jwt.fault(self.name, "InvalidJsonFormat", "Invalid JSON format", f"variable({ref})")
        return cast("dict[str, object]", found)

    def _resolved(self, context: Context, text: Text) -> str | None:
        """Return the text, or `None` where there is none, which is a fault where the policy is strict."""
        value = text.read(context)
        if value is None and text.ref and self.strict:
            raise jwt.unresolved(self.name, text.ref)
        return value


_REGISTERED = {"sub": "Subject", "iss": "Issuer", "aud": "Audience"}


def _protection(node: Node) -> Signing | Encryption:
    policy, kind = node.attribute("name"), node.words("Type").lower()
    signs, encrypts = node.words("Algorithm") != "", node.find("Algorithms") is not None
    if signs == encrypts or kind not in {"", "signed" if signs else "encrypted"}:
        text = "<GenerateJWT> needs an <Algorithm>, or <Algorithms>, and a <Type> that fits"
        raise node.error(f"InvalidConfiguration: {text}: policy({policy})")
    return _signing(node, policy) if signs else read_encryption(node, opens=False)


def _signing(node: Node, policy: str) -> Signing:
    algorithm = node.words("Algorithm")
    if algorithm not in ALGORITHMS:
        raise node.error(f"InvalidValueForElement: <Algorithm> {algorithm!r}: policy({policy})")
    wanted, other = ("SecretKey", "PrivateKey") if algorithm.startswith("HS") else ("PrivateKey", "SecretKey")
    if node.find(other) is not None:
        name = "InvalidConfigurationForActionAndAlgorithm"
        raise node.error(f"{name}: <{other}> does not fit algorithm {algorithm}: policy({policy})")
    holder = node.find(wanted)
    if holder is None:
        raise node.error(f"MissingConfigurationElement: <{wanted}> is missing: policy({policy})")
    value = holder.find("Value")
    if value is None:
        raise node.error(f"InvalidKeyConfiguration: <Value> is missing in <{wanted}>: policy({policy})")
    check_secret(value, wanted, policy)
    password = holder.find("Password")
    if password is not None:
        check_secret(password, "Password", policy)
    encoding = holder.attribute("encoding").lower()
    if encoding not in ENCODINGS:
        raise node.error(f"InvalidValueForElement: encoding {encoding!r} of <{wanted}>: policy({policy})")
    return Signing(algorithm, text_of(value), text_of(holder.find("Id")), encoding, text_of(password))


def _audience(text: str) -> str | list[str]:
    listed = [part.strip() for part in text.split(",") if part.strip()]
    return listed if len(listed) > 1 else text.strip()


def _moment(text: str) -> float | None:
    """Return an absolute time in seconds since the epoch, of UTC where no zone is named; `None` for anything else."""
    for form in _DATES:
        try:
            found = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        if found.tzinfo is None and not text.strip().endswith(tuple("0123456789")):
            break
        return found.replace(tzinfo=found.tzinfo or UTC).timestamp()
    try:
        # Zones by their abbreviations, such as PDT.
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None

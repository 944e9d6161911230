"""The keys that JWT policies verify with: where they come from, and whether they fit the algorithm."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node
from portcullis.sandbox.apigee.runtime.policies import jwt
from portcullis.sandbox.apigee.runtime.remote_keys import RemoteKeysError

FAMILIES = ("HS", "RS", "PS", "ES")
ALGORITHMS = frozenset(f"{family}{size}" for family in FAMILIES for size in (256, 384, 512))
CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
SHORTEST = {"HS256": 32, "HS384": 48, "HS512": 64}
ENCODINGS = frozenset({"", "hex", "base16", "base64", "base64url"})


@dataclass(frozen=True)
class Text:
    """What is written, or what the variable `ref` holds; the text stands where the variable is unset."""

    text: str = ""
    ref: str = ""

    @property
    def empty(self) -> bool:
        """Whether neither is there."""
        return not self.text and not self.ref

    def read(self, context: Context) -> str | None:
        """Return the text, or `None` where there is none."""
        value = context.variables.text(self.ref) if self.ref else None
        return value if value is not None else (self.text or None)


NO_TEXT = Text()


def text_of(node: Node | None) -> Text:
    """Read an element with a `ref` and a text, which an absent element is too."""
    return Text(node.text, node.attribute("ref")) if node is not None else NO_TEXT


@dataclass(frozen=True)
class Keys:
    """Where the key comes from: `form` is JWKS, Value, Certificate or SecretKey."""

    form: str
    source: Text
    uri: Text = NO_TEXT
    encoding: str = ""

    async def find(self, context: Context, policy: str, token: jwt.Token, algorithm: str) -> Any:
        """Return the key for a token; raises `Fault` where there is none, or one that does not fit."""
        if self.form == "JWKS":
            return _from_set(policy, await self._key_set(context, policy), token, algorithm)
        text = self._read(context, policy)
        if self.form == "SecretKey":
            return _secret(policy, text, self.encoding, algorithm)
        key = _public_key(policy, text, certificate=self.form == "Certificate")
        _check_fits(policy, key, algorithm)
        return key

    def _read(self, context: Context, policy: str) -> str:
        text = self.source.read(context)
        if not text:
            raise jwt.unresolved(policy, self.source.ref)
        return text

    async def _key_set(self, context: Context, policy: str) -> str:
        if self.uri.empty:
            return self._read(context, policy)
        uri = self.uri.read(context)
        if not uri:
            raise jwt.unresolved(policy, self.uri.ref)
        try:
            return await context.services.keys.fetch(uri)
        except RemoteKeysError:
            raise jwt.fault(policy, "NoMatchingPublicKey", "No matching public key") from None


def read_keys(node: Node, algorithms: tuple[str, ...]) -> Keys:
    """Read `<PublicKey>` or `<SecretKey>`, whichever the algorithms need; raises `BundleError`."""
    policy, symmetric = node.attribute("name"), algorithms[0].startswith("HS")
    wanted, other = ("SecretKey", "PublicKey") if symmetric else ("PublicKey", "SecretKey")
    holder = node.find(wanted)
    if holder is None:
        if node.find(other) is not None:
            name = "InvalidConfigurationForActionAndAlgorithmFamily"
            raise node.error(f"{name}: <{other}> does not fit algorithm {algorithms[0]}: policy({policy})")
        raise node.error(f"MissingConfigurationElement: <{wanted}> is missing: policy({policy})")
    return _read_secret(holder, policy) if symmetric else _read_public(holder, policy)


def _read_secret(node: Node, policy: str) -> Keys:
    value, encoding = node.find("Value"), node.attribute("encoding").lower()
    if value is None:
        raise node.error(f"InvalidKeyConfiguration: <Value> is missing in <SecretKey>: policy({policy})")
    if value.text:
        raise node.error(f"InvalidSecretInConfig: a secret is written in <SecretKey>: policy({policy})")
    if not value.attribute("ref"):
        raise node.error(f"EmptyElementForKeyConfiguration: <Value> of <SecretKey> needs a ref: policy({policy})")
    if not value.attribute("ref").startswith("private."):
        name = "InvalidVariableNameForSecret"
        raise node.error(f"{name}: {value.attribute('ref')} does not begin with private.: policy({policy})")
    if encoding not in ENCODINGS:
        raise node.error(f"InvalidValueForElement: encoding {encoding!r} of <SecretKey>: policy({policy})")
    return Keys("SecretKey", text_of(value), encoding=encoding)


def _read_public(node: Node, policy: str) -> Keys:
    for form in ("JWKS", "Value", "Certificate"):
        found = node.find(form)
        if found is None:
            continue
        keys = Keys(form, text_of(found), Text(found.attribute("uri"), found.attribute("uriRef")))
        if keys.source.empty and keys.uri.empty:
            raise node.error(f"EmptyElementForKeyConfiguration: <{form}> is empty: policy({policy})")
        if form == "Value" and found.text and not found.attribute("ref"):
            _check_written(node, policy, found.text)
        return keys
    name = "InvalidKeyConfiguration"
    raise node.error(f"{name}: <PublicKey> needs a <JWKS>, a <Value> or a <Certificate>: policy({policy})")


def _check_written(node: Node, policy: str, text: str) -> None:
    try:
        load_pem_public_key(pem(text))
    except (ValueError, UnsupportedAlgorithm):
        raise node.error(f"InvalidPublicKeyValue: Invalid Public Key Value: policy({policy})") from None


def pem(text: str) -> bytes:
    """Return PEM without the indentation of the XML around it."""
    return "\n".join(line.strip() for line in text.strip().splitlines()).encode()


def _public_key(policy: str, text: str, *, certificate: bool) -> Any:
    try:
        if certificate:
            # Neither the dates nor the chain of the certificate are looked at (reference).
            return x509.load_pem_x509_certificate(pem(text)).public_key()
        return load_pem_public_key(pem(text))
    except (ValueError, UnsupportedAlgorithm):
        raise jwt.fault(policy, "KeyParsingFailed", "Failed to parse the public key") from None


def _check_fits(policy: str, key: Any, algorithm: str) -> None:
    curve = CURVES.get(algorithm)
    if curve is None and isinstance(key, RSAPublicKey):
        return
    if curve is None or not isinstance(key, EllipticCurvePublicKey):
        raise jwt.fault(policy, "WrongKeyType", "Wrong key type")
    if key.curve.name != curve:
        raise jwt.fault(policy, "InvalidCurve", "Invalid curve")


def _secret(policy: str, text: str, encoding: str, algorithm: str) -> bytes:
    try:
        key = decoded_secret(text, encoding)
    except ValueError:
        raise jwt.fault(policy, "InvalidSecretKey", "Invalid secret key") from None
    if len(key) < SHORTEST[algorithm]:
        raise jwt.fault(policy, "InsufficientKeyLength", "Insufficient key length")
    return key


def decoded_secret(text: str, encoding: str) -> bytes:
    """Return the bytes of a secret in hex, base16, base64, base64url or, by default, UTF-8; raises `ValueError`."""
    if encoding in {"hex", "base16"}:
        return bytes.fromhex(text)
    if encoding in {"base64", "base64url"}:
        stripped = text.strip().rstrip("=")
        padded = stripped + "=" * (-len(stripped) % 4)
        try:
            return base64.b64decode(padded, altchars=b"-_" if encoding == "base64url" else None, validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from None
    return text.encode()


def _from_set(policy: str, text: str, token: jwt.Token, algorithm: str) -> Any:
    kid = token.header.get("kid")
    if not isinstance(kid, str):
        raise jwt.fault(policy, "KeyIdMissing", "Key ID missing in the token's header")
    try:
        keys = cast("list[dict[str, Any]]", json.loads(text)["keys"])
        found = next((key for key in keys if key.get("kid") == kid), None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise jwt.fault(policy, "InvalidPublicKey", "Invalid public key") from None
    if found is None:
        raise jwt.fault(policy, "NoMatchingPublicKey", "No matching public key")
    try:
        key = PyJWK(found, algorithm).key
    except (PyJWTError, ValueError, KeyError, TypeError):
        raise jwt.fault(policy, "WrongKeyType", "Wrong key type") from None
    _check_fits(policy, key, algorithm)
    return key

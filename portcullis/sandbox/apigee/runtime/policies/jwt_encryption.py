"""Encrypted JWTs (RFC 7516): which keys and algorithms go together, making one, and opening one."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from portcullis.sandbox.apigee.runtime.context import Context
from portcullis.sandbox.apigee.runtime.elements import Node
from portcullis.sandbox.apigee.runtime.policies import jwt
from portcullis.sandbox.apigee.runtime.policies.jwt_keys import NO_TEXT, Text, decoded_secret, pem, text_of
from portcullis.sandbox.apigee.runtime.remote_keys import RemoteKeysError

_WRAPS = ("A128KW", "A192KW", "A256KW")
KEY_ALGORITHMS: Mapping[str, str] = {
    "dir": "DirectKey",
    "RSA-OAEP-256": "PublicKey",
    "ECDH-ES": "PublicKey",
    **{f"ECDH-ES+{wrap}": "PublicKey" for wrap in _WRAPS},
    **dict.fromkeys(_WRAPS, "SecretKey"),
    **{f"A{bits}GCMKW": "SecretKey" for bits in (128, 192, 256)},
    "PBES2-HS256+A128KW": "PasswordKey",
    "PBES2-HS384+A192KW": "PasswordKey",
    "PBES2-HS512+A256KW": "PasswordKey",
}
"""Algorithms for the key, and the element that holds the key that a token is made with."""

CONTENT_BYTES: Mapping[str, int] = {
    "A128CBC-HS256": 32,
    "A192CBC-HS384": 48,
    "A256CBC-HS512": 64,
    "A128GCM": 16,
    "A192GCM": 24,
    "A256GCM": 32,
}
"""Algorithms for the content, and how many bytes their key has."""

SECRET_BYTES: Mapping[str, int] = {
    "A128KW": 16,
    "A192KW": 24,
    "A256KW": 32,
    "A128GCMKW": 16,
    "A192GCMKW": 24,
    "A256GCMKW": 32,
}

ENCRYPTION = """
Algorithms/Key
Algorithms/Content
PasswordKey/Id @ref
PasswordKey/Value @ref
PasswordKey/SaltLength
PasswordKey/PBKDF2Iterations
DirectKey/Id @ref
DirectKey/Value @ref @encoding
"""


@dataclass(frozen=True)
class Encryption:
    """The algorithms, and where the key is: `form` is the element that holds it, `content` empty where any will do."""

    algorithm: str
    content: str
    form: str
    key: Text
    key_id: Text
    encoding: str = ""
    password: Text = NO_TEXT
    uri: Text = NO_TEXT

    async def key_for(self, context: Context, policy: str, key_id: str | None) -> Any:
        """Return the key; raises `Fault` where there is none, or one that does not fit."""
        if self.form == "JWKS":
            return _from_set(policy, await self._key_set(context, policy), key_id)
        text = self.key.read(context)
        if not text:
            raise jwt.unresolved(policy, self.key.ref)
        try:
            return self._parsed(text, self.password.read(context))
        except (ValueError, JoseError, TypeError):
            name = {
                "PublicKey": "InvalidPublicKey",
                "Certificate": "InvalidPublicKey",
                "PrivateKey": "InvalidPrivateKey",
            }
            raise jwt.fault(policy, name.get(self.form, f"Invalid{self.form}"), "Invalid key") from None

    def _parsed(self, text: str, password: str | None) -> Any:
        if self.form in {"SecretKey", "DirectKey"}:
            key = decoded_secret(text, self.encoding)
            wanted = CONTENT_BYTES.get(self.content) if self.form == "DirectKey" else SECRET_BYTES[self.algorithm]
            if wanted is not None and len(key) != wanted:
                raise ValueError("wrong length")
            return OctKey.import_key(key)
        if self.form == "PasswordKey":
            return _password_key(text)
        kind = ECKey if self.algorithm.startswith("ECDH") else RSAKey
        data = pem(text)
        if self.form == "Certificate":
            public = x509.load_pem_x509_certificate(data).public_key()
            data = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return kind.import_key(data, password=password)

    async def _key_set(self, context: Context, policy: str) -> str:
        if self.uri.empty:
            text = self.key.read(context)
            if not text:
                raise jwt.unresolved(policy, self.key.ref)
            return text
        uri = self.uri.read(context)
        if not uri:
            raise jwt.unresolved(policy, self.uri.ref)
        try:
            return await context.services.keys.fetch(uri)
        except RemoteKeysError:
            raise jwt.fault(policy, "NoMatchingPublicKey", "No matching public key") from None

    @property
    def _allowed(self) -> list[str]:
        return [self.algorithm, "DEF", *([self.content] if self.content else CONTENT_BYTES)]

    def check(self, policy: str, header: Mapping[str, object]) -> None:
        """Hold a token's algorithms against those that are expected; raises `Fault`."""
        if not isinstance(header.get("alg"), str):
            raise jwt.fault(policy, "NoAlgorithmFoundInHeader", "No algorithm found in the token's header")
        if header["alg"] != self.algorithm or (self.content and header.get("enc") != self.content):
            text = "Algorithm in header did not match any algorithm specified in Configuration"
            raise jwt.fault(policy, "AlgorithmMismatch", text)

    def encrypt(self, policy: str, header: Mapping[str, object], payload: bytes, key: Any) -> str:
        """Return the compact form; raises `Fault`."""
        try:
            return jwe.encrypt_compact(dict(header), payload, key, algorithms=self._allowed)
        except (JoseError, ValueError, TypeError):
            raise jwt.fault(policy, "EncryptionFailed", "Encryption failed") from None

    def decrypt(self, policy: str, text: str, key: Any) -> bytes:
        """Return the payload; raises `Fault`."""
        try:
            return jwe.decrypt_compact(text, key, algorithms=self._allowed).plaintext or b""
        except (JoseError, ValueError, TypeError):
            raise jwt.fault(policy, "InvalidToken", "Invalid token") from None


def read_encryption(node: Node, *, opens: bool) -> Encryption:
    """Read `<Algorithms>` and the key that goes with them; raises `BundleError`.

    `opens` tells whether tokens are opened, which takes the private half of a pair, or made.
    """
    policy = node.attribute("name")
    algorithm, content = node.words("Algorithms/Key"), node.words("Algorithms/Content")
    if algorithm not in KEY_ALGORITHMS or (content not in CONTENT_BYTES and not (opens and not content)):
        raise node.error(f"InvalidValueForElement: <Algorithms> {algorithm!r} with {content!r}: policy({policy})")
    wanted = KEY_ALGORITHMS[algorithm]
    element = "PrivateKey" if opens and wanted == "PublicKey" else wanted
    holder = node.find(element)
    if holder is None:
        raise node.error(f"MissingConfigurationElement: <{element}> is missing: policy({policy})")
    forms = ("Value", "Certificate", "JWKS") if element == "PublicKey" else ("Value",)
    form, value = next(((form, found) for form in forms if (found := holder.find(form)) is not None), ("", None))
    if value is None:
        raise node.error(f"InvalidKeyConfiguration: <{element}> needs a <Value>: policy({policy})")
    if element != "PublicKey":
        check_secret(value, element, policy)
    return Encryption(
        algorithm=algorithm,
        content=content,
        form=element if form == "Value" else form,
        key=text_of(value),
        key_id=text_of(holder.find("Id")),
        encoding=(value.attribute("encoding") or holder.attribute("encoding")).lower()
        or ("base64" if element == "DirectKey" else ""),
        password=text_of(holder.find("Password")),
        uri=Text(value.attribute("uri"), value.attribute("uriRef")),
    )


def check_secret(value: Node, element: str, policy: str) -> None:
    """Refuse a secret that is written down, or in a variable that a trace would show; raises `BundleError`."""
    if value.text:
        raise value.error(f"InvalidSecretInConfig: a secret is written in <{element}>: policy({policy})")
    if not value.attribute("ref"):
        raise value.error(f"EmptyElementForKeyConfiguration: <Value> of <{element}> needs a ref: policy({policy})")
    if not value.attribute("ref").startswith("private."):
        name = "InvalidVariableNameForSecret"
        raise value.error(f"{name}: {value.attribute('ref')} does not begin with private.: policy({policy})")


def _password_key(text: str) -> OctKey:
    with warnings.catch_warnings():
        # A password is not a key, and has no length to warn of.
        warnings.simplefilter("ignore")
        return OctKey.import_key(text.encode())


def _from_set(policy: str, text: str, key_id: str | None) -> Any:
    if not key_id:
        raise jwt.fault(policy, "KeyIdMissing", "Key ID missing")
    try:
        document = cast("dict[str, Any]", json.loads(text))
        keys = KeySet.import_key_set({"keys": document["keys"]})
        return keys.get_by_kid(key_id)
    except (ValueError, KeyError, TypeError, JoseError):
        raise jwt.fault(policy, "NoMatchingPublicKey", "No matching public key") from None

"""The kinds of value a contract holds, each with the rule it must keep and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from portcullis.contract.secrets_guard import shown

# One rule for every name both clouds see. Worker scripts take `^[a-z0-9_][a-z0-9-_]*$`, at most 63 characters, and a
# stack's name is put behind; Apigee proxies, products, apps and target servers take letters, digits, `-`, `_`, `.`,
# at least two characters (naming guidelines of Apigee). The intersection also makes a safe file and flow name.
MAX_NAME: Final = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\Z")
# Apigee wants a developer's email in lower case.
_EMAIL = re.compile(r"[a-z0-9._%+-]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+\Z")
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}\Z")
# RFC 6750 §2.1, b64token; a JOSE token begins with `eyJ`.
_TOKEN_PREFIX = re.compile(r"(?!e(?:y|\Z))[A-Za-z0-9._~+/-]{1,64}\Z")
_MODEL = re.compile(r"@(?:cf|hf)/[a-z0-9-]{1,32}/[A-Za-z0-9._-]{1,60}\Z")
_CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,127}\Z")
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+\Z")
_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]{0,39})\}\Z")
# A header's name (RFC 9110 §5.1), less what no client would write.
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")
# A repeated group that ends with a repetition takes exponential time on a text made for it.
_NESTED_REPEAT = re.compile(r"[+*}]\)[+*{]")
# What Java and Python read differently, or one of them not at all.
_ONE_DIALECT = re.compile(r"\\[1-9kpPhHRXGQEAzZgNu]|\(\?(?!i\))|[+*?}]\+|&&|\[\[")
MAX_PATH: Final = 200
MAX_SEGMENTS: Final = 12
# Where the Worker answers for itself (its `health/endpoints.ts`), before any operation is looked up.
RESERVED_PATH: Final = "/.well-known/portcullis"


def refuse(what: str, write: str) -> PydanticCustomError:
    """The error of a value that breaks its rule; `structure` finds its file and line."""
    return PydanticCustomError("contract", "{what}; write {write}", {"what": what, "write": write})


def _text(value: str) -> str:
    if not value.strip():
        raise refuse("the value is blank", "a text here, or remove the key if it is optional")
    if value != value.strip() or not value.isprintable():
        raise refuse(f"{shown(value)} has spaces around it or characters that cannot be printed", "it without them")
    return value


def _name(value: str) -> str:
    if not _NAME.match(value) or not 2 <= len(value) <= MAX_NAME:
        fixed = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:MAX_NAME].strip("-")
        example = fixed if _NAME.match(fixed) and len(fixed) > 1 else "my-name"
        raise refuse(
            f"{shown(value)} is no name that both clouds accept "
            f"(2 to {MAX_NAME} lower-case letters and digits, words joined by single `-`, a letter first)",
            f"a name such as {shown(example)}",
        )
    return value


def _https(value: str, parts_allowed: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise refuse(f"{shown(value)} is no URL", "one such as `https://host.example/path`") from None
    if parts.scheme != "https":
        example = "https://" + value.split("://", 1)[-1]
        raise refuse(f"{shown(value)} is not https, so anybody on the way could change it", f"{shown(example)}")
    if "@" in parts.netloc or port == 0 or not _HOST.match(parts.netloc.removesuffix(f":{port}")):
        raise refuse(
            f"{shown(value)} has no plain lower-case host name", "`https://host.example`, without user or password"
        )
    if "?" in value or "#" in value:
        example = re.split(r"[?#]", value)[0]
        raise refuse(f"{shown(value)} has a query or a fragment", f"{shown(example)}")
    if parts_allowed == "origin" and parts.path:
        raise refuse(f"{shown(value)} has a path, but a backend is a host", shown(f"https://{parts.netloc}"))
    if re.search(r"[^A-Za-z0-9._~/:-]|//|/\.\.?(?:/|\Z)", value[len("https://") :]):
        raise refuse(
            f"{shown(value)} has a path that can be read in two ways", "the plain path, without `//`, `..` or `%`"
        )
    return value


def _url(value: str) -> str:
    return _https(value, "path")


def _origin(value: str) -> str:
    return _https(value, "origin")


def _web_origin(value: str) -> str:
    if value == "*":
        raise refuse("`*` would let every web page call", "each page's origin, such as `https://shop.example`")
    if re.fullmatch(r"http://localhost:[1-9]\d{1,4}", value):
        # Pages under development: only the developer's own machine can serve them.
        return value
    if value.startswith("https://") and "/" in value[len("https://") :]:
        example = "/".join(value.split("/")[:3])
        raise refuse(f"{shown(value)} has a path, but an origin is a scheme and a host", shown(example))
    if value.endswith(":443"):
        raise refuse(f"browsers leave out the port of {shown(value)}", shown(value.removesuffix(":443")))
    return _https(value, "origin")


def _header(value: str) -> str:
    if not _HEADER.match(value):
        raise refuse(f"{shown(value)} is no header's name", "a name such as `Content-Type`")
    return value


def _parameter_name(value: str) -> str:
    if not _PARAMETER_NAME.match(value):
        raise refuse(f"{shown(value)} is no name of a parameter or header", "a name such as `q` or `X-Note`")
    return value


def _regex(value: str) -> str:
    try:
        found = re.compile(value).search("")
    except re.error as error:
        raise refuse(f"{shown(value)} is no regular expression ({error.msg})", "one such as `(?i)<script`") from None
    if found is not None:
        raise refuse(f"{shown(value)} is found in every text", "what a refused text must hold")
    if _ONE_DIALECT.search(value):
        raise refuse(
            f"{shown(value)} holds a construct that Java and Python read differently",
            "characters, classes, groups `(…)`, `(?i)` at its beginning and repetitions only",
        )
    if _NESTED_REPEAT.search(value):
        raise refuse(
            f"{shown(value)} repeats a repetition, which takes forever on a text made for it", "one repetition"
        )
    return value


def _folder_url(value: str) -> str:
    if value.endswith("/"):
        raise refuse(f"{shown(value)} ends with `/`, and `/` and a slug are added to it", shown(value.rstrip("/")))
    return _https(value, "path")


def _audience(value: str) -> str:
    if "*" in value or " " in value:
        raise refuse(
            f"the audience {shown(value)} would not name this API alone", "the exact `aud` of its tokens, without `*`"
        )
    return value


def _email(value: str) -> str:
    if not _EMAIL.match(value):
        raise refuse(
            f"{shown(value)} is no email address in lower case, by which Apigee knows a developer",
            "one such as `team@company.example`",
        )
    return value


def _client_id(value: str) -> str:
    if not _CLIENT_ID.match(value):
        raise refuse(
            f"{shown(value)} is no client id (letters, digits, `.`, `_`, `~`, `-`, at most 200)",
            "the client id that the issuer gave to this application",
        )
    return value


def _token_prefix(value: str) -> str:
    if not _TOKEN_PREFIX.match(value):
        raise refuse(
            f"{shown(value)} is not what opaque tokens begin with (at most 64 of `A-Z a-z 0-9 . _ ~ + / -`, and not "
            "`e` or `ey`, as signed tokens do)",
            "the beginning that the issuer documents, such as `ya29.`",
        )
    return value


def _model(value: str) -> str:
    if not _MODEL.match(value):
        raise refuse(
            f"{shown(value)} is no model of Workers AI, whose names are like `@cf/author/model`",
            "`@cf/meta/llama-3.1-8b-instruct-fast`, or another text generation model that knows JSON mode",
        )
    return value


def _claim(value: str) -> str:
    if not _CLAIM.match(value):
        raise refuse(f"{shown(value)} is no claim's name", "the name of a claim, such as `groups`")
    return value


def _claim_value(value: str) -> str:
    if "*" in value:
        raise refuse(
            f"{shown(value)} holds `*`, and a claim is compared as it is", "one mapping for each value, without `*`"
        )
    return value


def _path(value: str) -> str:
    example = "`/orders` or `/orders/{order}`"
    if not value.startswith("/"):
        raise refuse(f"the path {shown(value)} does not begin with `/`", f"{shown('/' + value)}")
    if "*" in value:
        raise refuse(
            f"the path {shown(value)} has a wildcard, so nobody can say what it opens", f"each path, as in {example}"
        )
    if len(value) > MAX_PATH or value.count("/") > MAX_SEGMENTS:
        raise refuse(
            f"the path {shown(value)} is longer than {MAX_PATH} characters or {MAX_SEGMENTS} parts", "a shorter one"
        )
    if value == "/":
        return value
    if value.endswith("/"):
        raise refuse(f"the path {shown(value)} ends with `/`", shown(value.rstrip("/") or "/"))
    parameters: list[str] = []
    for segment in value[1:].split("/"):
        parameter = _PARAMETER.match(segment)
        if parameter is not None:
            parameters.append(parameter[1])
        elif not _SEGMENT.match(segment) or segment in {".", ".."}:
            raise refuse(
                f"the part {shown(segment)} of the path {shown(value)} is neither a plain word nor one `{{name}}`",
                example,
            )
    if len(set(parameters)) < len(parameters):
        raise refuse(f"the path {shown(value)} has two parameters of one name", "a name of its own for each `{name}`")
    return value


def _not_reserved(value: str) -> str:
    """Refuse a template under the gateway's own paths, or one that could match one of them by a parameter."""
    well_known, own = RESERVED_PATH[1:].split("/")
    first, *rest = value[1:].split("/")
    if first == well_known and (rest[:1] == [own] or (len(rest) > 1 and rest[0].startswith("{"))):
        raise refuse(
            f"the path {shown(value)} lies under `{RESERVED_PATH}`, where the gateway itself answers", "another path"
        )
    return value


_T = TypeVar("_T")


def _unique(values: tuple[_T, ...]) -> tuple[_T, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            shown_value = shown(value) if isinstance(value, str) else f"entry {index + 1}"
            raise refuse(f"{shown_value} is in the list twice", "each entry once")
    return values


def _frozen(values: Mapping[str, _T]) -> Mapping[str, _T]:
    return MappingProxyType(dict(values))


Text = Annotated[str, Field(max_length=200), AfterValidator(_text)]
Name = Annotated[str, AfterValidator(_name)]
Url = Annotated[str, Field(max_length=300), AfterValidator(_text), AfterValidator(_url)]
FolderUrl = Annotated[str, Field(max_length=300), AfterValidator(_text), AfterValidator(_folder_url)]
Origin = Annotated[str, Field(max_length=300), AfterValidator(_text), AfterValidator(_origin)]
WebOrigin = Annotated[str, Field(max_length=300), AfterValidator(_text), AfterValidator(_web_origin)]
HeaderName = Annotated[str, AfterValidator(_text), AfterValidator(_header)]
ParameterName = Annotated[str, AfterValidator(_text), AfterValidator(_parameter_name)]
Regex = Annotated[str, Field(max_length=200), AfterValidator(_text), AfterValidator(_regex)]
Audience = Annotated[str, Field(max_length=255), AfterValidator(_text), AfterValidator(_audience)]
Email = Annotated[str, AfterValidator(_text), AfterValidator(_email)]
ClientId = Annotated[str, AfterValidator(_text), AfterValidator(_client_id)]
TokenPrefix = Annotated[str, AfterValidator(_text), AfterValidator(_token_prefix)]
ModelName = Annotated[str, AfterValidator(_text), AfterValidator(_model)]
ClaimName = Annotated[str, AfterValidator(_text), AfterValidator(_claim)]
ClaimValue = Annotated[str, Field(max_length=255), AfterValidator(_text), AfterValidator(_claim_value)]
PathTemplate = Annotated[str, AfterValidator(_text), AfterValidator(_path), AfterValidator(_not_reserved)]
Unique = AfterValidator(_unique)
Frozen = AfterValidator(_frozen)

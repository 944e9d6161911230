"""CORS: answers preflight requests, and allows origins to read the answers of all others."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from portcullis.sandbox.apigee.runtime.context import Answered, Context
from portcullis.sandbox.apigee.runtime.elements import Node, elements
from portcullis.sandbox.apigee.runtime.faults import Fault
from portcullis.sandbox.apigee.runtime.message import Message
from portcullis.sandbox.apigee.runtime.policies.base import Policy, Source, common, template
from portcullis.sandbox.apigee.runtime.templates import Template, UnresolvedError
from portcullis.sandbox.apigee.runtime.values import Value

ALLOW_HEADERS = (
    "Origin, Accept, X-Requested-With, Content-Type, Access-Control-Request-Method, Access-Control-Request-Headers"
)
ALLOW_METHODS = "GET, POST, HEAD, OPTIONS"
MAX_AGE = "1800"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "*"})
MAX_HEADERS_LENGTH = 8192

_PREFIX = "cross_origin_resource_sharing"
_SEPARATORS = re.compile(r"\s*,\s*")


def _listed(text: str) -> list[str]:
    return [part for part in _SEPARATORS.split(text.strip()) if part]


@dataclass(frozen=True)
class _Rules:
    """The policy's settings for one request, with its variables filled in."""

    origins: str
    methods: str
    headers: str
    expose: str
    max_age: str
    credentials: bool | None

    def allowed(self, origin: str) -> str:
        """Return the origin, where it is one that is allowed, else nothing."""
        listed = _listed(self.origins)
        return origin if origin and ("*" in listed or origin in listed) else ""


@dataclass(frozen=True)
class CORS(Policy):
    """On a preflight request it ends the way there; on any other its headers are set on whatever answer goes out.

    A request without an Origin is none of its business.
    """

    type_name = "CORS"
    fault_prefix = "cors"
    elements = elements(
        "AllowOrigins\nAllowMethods\nAllowHeaders\nExposeHeaders\nMaxAge\nAllowCredentials\n"
        "GeneratePreflightResponse\nIgnoreUnresolvedVariables\nDisplayName"
    )

    origins: Template
    methods: Template
    headers: Template
    expose: Template
    max_age: str
    credentials: bool | None
    answers: bool
    strict: bool

    @classmethod
    def parse(cls, node: Node, source: Source) -> Self:
        """Read the XML; raises `BundleError`, in the words of Apigee's deployment errors."""
        base = common(node)
        origins = node.words("AllowOrigins")
        if not origins:
            raise node.error("MissingAllowOrigins: <AllowOrigins> is missing or empty")
        methods = node.words("AllowMethods", ALLOW_METHODS)
        unknown = [m for m in _listed(methods) if "{" not in methods and m.upper() not in METHODS]
        if unknown:
            raise node.error(f"InvalidHTTPMethods: {', '.join(unknown)} in <AllowMethods>")
        max_age = node.words("MaxAge", MAX_AGE)
        if not re.fullmatch(r"-1|\d+", max_age):
            raise node.error(f"InvalidMaxAge: <MaxAge> {max_age!r} is no number of seconds and not -1")
        return cls(
            name=base.name,
            enabled=base.enabled,
            continue_on_error=base.continue_on_error,
            origins=template(node, origins),
            methods=template(node, methods),
            headers=_header_list(node, "AllowHeaders", ALLOW_HEADERS),
            expose=_header_list(node, "ExposeHeaders", ""),
            max_age=max_age,
            credentials=node.flag("AllowCredentials", default=False) if node.words("AllowCredentials") else None,
            answers=node.flag("GeneratePreflightResponse", default=True),
            strict=not node.flag("IgnoreUnresolvedVariables", default=True),
        )

    async def execute(self, context: Context) -> None:
        """Set the variables; answer a preflight request, or see to the answer's headers."""
        rules = self._rules(context)
        text = context.variables.text
        origin = text("request.header.origin") or ""
        method = text("request.header.access-control-request-method") or ""
        asked = ",".join(_listed(text("request.header.access-control-request-headers.values.string") or ""))
        preflight = text("request.verb") == "OPTIONS" and bool(origin)
        allowed = rules.allowed(origin)
        accepted = preflight and bool(allowed) and _accepts(rules, method, asked)
        values: dict[str, Value] = {
            "allow.credentials": bool(rules.credentials),
            "allow.headers": rules.headers,
            "allow.methods": rules.methods,
            "allow.origin": allowed,
            "allow.origins.list": rules.origins,
            "expose.headers": rules.expose,
            "max.age": int(rules.max_age),
            "preflight.accepted": accepted,
            "request.headers": asked,
            "request.method": method,
            "request.origin": origin,
            "request.type": "PRE_FLIGHT" if preflight else "ACTUAL",
        }
        context.variables.fill({f"{_PREFIX}.{name}": value for name, value in values.items()})
        if not preflight:
            context.finishers.append(_finisher(rules, allowed))
        elif self.answers:
            context.variables.messages["response"] = _preflight_answer(rules, allowed, accepted=accepted)
            raise Answered

    def _rules(self, context: Context) -> _Rules:
        return _Rules(
            origins=self._fill(context, self.origins),
            methods=self._fill(context, self.methods),
            headers=self._fill(context, self.headers),
            expose=self._fill(context, self.expose),
            max_age=self.max_age,
            credentials=self.credentials,
        )

    def _fill(self, context: Context, text: Template) -> str:
        try:
            return text.fill(context.lookup, strict=self.strict)
        except UnresolvedError as error:
            what = f"CORS[{self.name}]: unable to resolve variable {error.args[0]}"
            raise Fault("steps.cors.UnresolvedVariable", what) from None


def _header_list(node: Node, element: str, default: str) -> Template:
    text = node.words(element, default)
    if len(text) > MAX_HEADERS_LENGTH:
        raise node.error(f"{element}SizeTooLarge: <{element}> has more than {MAX_HEADERS_LENGTH} characters")
    return template(node, text)


def _accepts(rules: _Rules, method: str, asked: str) -> bool:
    methods = {listed.upper() for listed in _listed(rules.methods)}
    headers = {listed.lower() for listed in _listed(rules.headers)}
    wanted = {listed.lower() for listed in _listed(asked)}
    return (not method or "*" in methods or method.upper() in methods) and ("*" in headers or wanted <= headers)


def _preflight_answer(rules: _Rules, allowed: str, *, accepted: bool) -> Message:
    """Return an answer of 200 in any case: it is the browser that refuses where a header is missing."""
    answer = Message("response", status=200, reason="OK")
    if accepted:
        answer.headers.set("Access-Control-Allow-Origin", allowed)
        answer.headers.set("Access-Control-Allow-Methods", rules.methods)
        answer.headers.set("Access-Control-Allow-Headers", rules.headers)
        answer.headers.set("Access-Control-Max-Age", rules.max_age)
        _allow_credentials(answer, rules)
    answer.headers.set("Content-Length", "0")
    return answer


def _finisher(rules: _Rules, allowed: str) -> Callable[[Message], None]:
    def finish(answer: Message) -> None:
        if not allowed:
            return
        answer.headers.set("Access-Control-Allow-Origin", allowed)
        if rules.expose:
            answer.headers.set("Access-Control-Expose-Headers", rules.expose)
        _allow_credentials(answer, rules)

    return finish


def _allow_credentials(answer: Message, rules: _Rules) -> None:
    if rules.credentials is not None:
        answer.headers.set("Access-Control-Allow-Credentials", "true" if rules.credentials else "false")

"""HTTP messages as flow variables see them: `request`, `response`, `error`, and those that policies make."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import parse_qsl, quote, urlencode

from portcullis.sandbox.apigee.runtime.values import Value, as_text

Pairs = list[tuple[str, str]]

_WHOLE_HEADERS = frozenset({"set-cookie", "date", "expires", "last-modified", "if-modified-since", "user-agent"})
"""Headers whose value may hold a comma that separates nothing."""

FORM = "application/x-www-form-urlencoded"


class MultiMap:
    """Names with several values each, in the order they came; header names are matched without regard to case."""

    __slots__ = ("_fold", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), *, ignore_case: bool = False) -> None:
        self.pairs: Pairs = list(pairs)
        self._fold: Callable[[str], str] = str.lower if ignore_case else str

    def values(self, name: str) -> list[str]:
        """Return every value of `name` as it came."""
        fold = self._fold
        wanted = fold(name)
        return [value for key, value in self.pairs if fold(key) == wanted]

    def names(self) -> list[str]:
        """Return the names, each once."""
        seen: dict[str, str] = {}
        for key, _ in self.pairs:
            seen.setdefault(self._fold(key), key)
        return list(seen.values())

    def add(self, name: str, value: str) -> None:
        """Add one more value."""
        self.pairs.append((name, value))

    def set(self, name: str, value: str) -> None:
        """Replace every value of `name` by one, at the place of the first."""
        self.replace(name, [value])

    def replace(self, name: str, values: Sequence[str]) -> None:
        """Replace every value of `name` by others, at the place of the first."""
        fold = self._fold
        wanted = fold(name)
        index = next((i for i, (key, _) in enumerate(self.pairs) if fold(key) == wanted), None)
        if index is None:
            index = len(self.pairs)
        before = self.pairs[:index]
        after = [pair for pair in self.pairs[index + 1 :] if fold(pair[0]) != wanted]
        self.pairs = [*before, *((name, value) for value in values), *after]

    def remove(self, name: str, index: int | None = None) -> None:
        """Remove every value of `name`, or the one at `index` (from 1)."""
        fold = self._fold
        wanted = fold(name)
        kept: Pairs = []
        seen = 0
        for key, value in self.pairs:
            if fold(key) == wanted:
                seen += 1
                if index is None or seen == index:
                    continue
            kept.append((key, value))
        self.pairs = kept

    def clear(self) -> None:
        """Remove everything."""
        self.pairs = []


class Message:
    """One HTTP message; a request and a response differ only in which of the members mean something.

    `path` is the path as it came, undecoded and without the query; `content` the bytes of the body. The body of a
    form is read and written through `formparam` variables without being kept twice.
    """

    __slots__ = (
        "_raw_query",
        "content",
        "headers",
        "kind",
        "path",
        "query",
        "raised_headers",
        "reason",
        "status",
        "verb",
        "version",
    )

    def __init__(
        self,
        kind: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        content: bytes = b"",
        verb: str = "GET",
        path: str = "/",
        query: str = "",
        status: int = 200,
        reason: str = "",
    ) -> None:
        self.kind = kind
        self.headers = MultiMap(headers, ignore_case=True)
        self.content = content
        self.verb = verb
        self.path = path
        self.query = MultiMap(parse_qsl(query, keep_blank_values=True))
        self._raw_query = (query, list(self.query.pairs))
        self.version = "1.1"
        self.status = status
        self.reason = reason
        self.raised_headers: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The body as text, in the charset it declares or UTF-8; undecodable bytes become replacement characters."""
        charset = "utf-8"
        _, found, rest = self.header("content-type").lower().partition("charset=")
        if found:
            charset = rest.partition(";")[0].strip(' "') or charset
        try:
            return self.content.decode(charset, errors="replace")
        except LookupError:
            return self.content.decode("utf-8", errors="replace")

    @text.setter
    def text(self, text: str) -> None:
        self.content = text.encode()

    def header(self, name: str) -> str:
        """Return the first value of a header as it came, or the empty string."""
        return next(iter(self.headers.values(name)), "")

    @property
    def querystring(self) -> str:
        """The query as it came, or encoded anew where its parameters were changed."""
        raw, pairs = self._raw_query
        return raw if pairs == self.query.pairs else urlencode(self.query.pairs, quote_via=quote)

    @property
    def uri(self) -> str:
        """Path and query."""
        query = self.querystring
        return f"{self.path}?{query}" if query else self.path

    @property
    def form(self) -> MultiMap:
        """The parameters of a form body; empty for a body of another type."""
        if not self.header("content-type").lower().startswith(FORM):
            return MultiMap()
        return MultiMap(parse_qsl(self.text, keep_blank_values=True))

    def set_form(self, form: MultiMap) -> None:
        """Make the body a form of these parameters."""
        self.text = urlencode(form.pairs, quote_via=quote)
        self.headers.set("Content-Type", FORM)

    def copy(self) -> Message:
        """Return an independent copy."""
        other = Message(self.kind, headers=self.headers.pairs, content=self.content, verb=self.verb, path=self.path)
        other.query.pairs = list(self.query.pairs)
        other._raw_query = self._raw_query
        other.version, other.status, other.reason = self.version, self.status, self.reason
        return other

    def get(self, name: str) -> Value:
        """Return the value of a message variable by what follows the message's name and a dot, or `None`."""
        reader = _READERS.get(name)
        if reader is not None:
            return reader(self)
        for prefix, values in _PARAMETERS:
            if name.startswith(prefix):
                return _parameter(values(self, name[len(prefix) :]), name[len(prefix) :])
        return None

    def set(self, name: str, value: Value) -> bool:
        """Write a message variable; tell whether there is such a one that can be written."""
        writer = _WRITERS.get(name)
        text = as_text(value)
        if writer is not None:
            return writer(self, value)
        prefix, _, key = name.partition(".")
        if not key or prefix not in {"header", "queryparam", "formparam"}:
            return False
        form = self.form
        values = {"header": self.headers, "queryparam": self.query, "formparam": form}[prefix]
        name, _, index = key.rpartition(".")
        if name and index.isdecimal() and int(index) > 0 and not values.values(key):
            # `queryparam.q.2` is the second value of q; one further than there are is added.
            several = _values_of(self, prefix, name)
            several[int(index) - 1 : int(index)] = [text]
            values.replace(name, several)
        else:
            values.set(key.removesuffix(".values"), text)
        if prefix == "formparam":
            self.set_form(form)
        return True


def _values_of(message: Message, prefix: str, name: str) -> list[str]:
    if prefix == "header":
        return _split_header(name, message.headers.values(name))
    return (message.query if prefix == "queryparam" else message.form).values(name)


def _split_header(name: str, values: list[str]) -> list[str]:
    """Split values at commas, as Apigee reads a header of several values (flow variables: `request.header.NAME`)."""
    if name.lower() in _WHOLE_HEADERS:
        return values
    return [part.strip() for value in values for part in value.split(",")]


class _Reader:
    """Looks up the values of one kind of parameter, trying the longest name first: names may contain dots."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __call__(self, message: Message, rest: str) -> tuple[list[str], str, list[str]]:
        whole = _values_of(message, self.prefix, rest)
        if whole:
            return whole, "", _raw(message, self.prefix, rest)
        for suffix in (".values.count", ".values.string", ".values"):
            if rest.endswith(suffix):
                name = rest[: -len(suffix)]
                return _values_of(message, self.prefix, name), suffix, _raw(message, self.prefix, name)
        name, dot, index = rest.rpartition(".")
        if dot and index.isdecimal():
            return _values_of(message, self.prefix, name), index, []
        return [], "", []


def _raw(message: Message, prefix: str, name: str) -> list[str]:
    return message.headers.values(name) if prefix == "header" else []


def _parameter(found: tuple[list[str], str, list[str]], _name: str) -> Value:
    values, selector, raw = found
    if selector == ".values.count":
        return len(values)
    if not values:
        return None
    if selector == "":
        return values[0]
    if selector == ".values":
        return tuple(values)
    if selector == ".values.string":
        return ",".join(raw or values)
    index = int(selector)
    return values[index - 1] if 0 < index <= len(values) else None


_PARAMETERS: tuple[tuple[str, _Reader], ...] = (
    ("header.", _Reader("header")),
    ("queryparam.", _Reader("queryparam")),
    ("formparam.", _Reader("formparam")),
)


def _names(pick: Callable[[Message], MultiMap]) -> Callable[[Message], Value]:
    return lambda message: tuple(pick(message).names())


def _names_text(pick: Callable[[Message], MultiMap]) -> Callable[[Message], Value]:
    return lambda message: ",".join(pick(message).names())


def _count(pick: Callable[[Message], MultiMap]) -> Callable[[Message], Value]:
    return lambda message: len(pick(message).names())


def _headers(message: Message) -> MultiMap:
    return message.headers


def _query(message: Message) -> MultiMap:
    return message.query


def _form(message: Message) -> MultiMap:
    return message.form


def _only(kind: str, read: Callable[[Message], Value]) -> Callable[[Message], Value]:
    return lambda message: read(message) if message.kind == kind else None


_READERS: dict[str, Callable[[Message], Value]] = {
    "content": lambda m: m.text,
    "content.as.base64": lambda m: b64encode(m.content).decode(),
    "content.as.url.safe.base64": lambda m: urlsafe_b64encode(m.content).decode(),
    "verb": _only("request", lambda m: m.verb),
    "path": _only("request", lambda m: m.path),
    "uri": _only("request", lambda m: m.uri),
    "querystring": _only("request", lambda m: m.querystring),
    "version": lambda m: m.version,
    "transport.message": lambda m: m,
    "status.code": _only("response", lambda m: m.status),
    "reason.phrase": _only("response", lambda m: m.reason),
    "headers.names": _names(_headers),
    "headers.names.string": _names_text(_headers),
    "headers.count": _count(_headers),
    "queryparams.names": _only("request", _names(_query)),
    "queryparams.names.string": _only("request", _names_text(_query)),
    "queryparams.count": _only("request", _count(_query)),
    "formparams.names": _only("request", _names(_form)),
    "formparams.names.string": _only("request", _names_text(_form)),
    "formparams.count": _only("request", _count(_form)),
    "formstring": _only("request", lambda m: m.text if m.form.pairs else None),
}


def _write_content(message: Message, value: Value) -> bool:
    message.text = as_text(value)
    return True


def _write_verb(message: Message, value: Value) -> bool:
    message.verb = as_text(value)
    return True


def _write_path(message: Message, value: Value) -> bool:
    message.path = as_text(value)
    return True


def _write_version(message: Message, value: Value) -> bool:
    message.version = as_text(value)
    return True


def _write_querystring(message: Message, value: Value) -> bool:
    message.query.pairs = parse_qsl(as_text(value), keep_blank_values=True)
    return True


def _write_uri(message: Message, value: Value) -> bool:
    path, _, query = as_text(value).partition("?")
    message.path = path
    return _write_querystring(message, query)


def _write_status(message: Message, value: Value) -> bool:
    text = as_text(value)
    if not (text.isdecimal() and len(text) == 3):
        return False
    message.status = int(text)
    return True


def _write_reason(message: Message, value: Value) -> bool:
    message.reason = as_text(value)
    return True


_WRITERS: dict[str, Callable[[Message, Value], bool]] = {
    "content": _write_content,
    "verb": _write_verb,
    "path": _write_path,
    "uri": _write_uri,
    "querystring": _write_querystring,
    "version": _write_version,
    "status.code": _write_status,
    "reason.phrase": _write_reason,
}

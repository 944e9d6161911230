"""The condition language of flows, steps, routes and fault rules.

The operators, the adaptation of types and the table of null operands follow Google's conditions reference. Sources
disagree on how unparenthesised `and` and `or` bind: this interpreter follows the reference (as in Java, `and` binds
tighter) and warns, so that nobody relies on it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from portcullis.sandbox.apigee.runtime.java_regex import (
    JavaRegex,
    JavaRegexError,
    MatchTimeoutError,
    compile_java,
)
from portcullis.sandbox.apigee.runtime.values import Scalar, Value, adapted, as_flag, as_text, ordered

Lookup = Callable[[str], Value]
"""From a variable's name to its value, `None` where it is unset."""

Test = Callable[[Lookup], bool]

MAX_LENGTH = 8192
MAX_DEPTH = 64


class ConditionError(ValueError):
    """The text is no condition; the message says why and where."""


@dataclass(frozen=True)
class Condition:
    """A condition ready to be evaluated; `warnings` are for whoever wrote it."""

    text: str
    test: Test
    warnings: tuple[str, ...] = ()

    def __call__(self, lookup: Lookup) -> bool:
        """Evaluate against the variables that `lookup` finds."""
        return self.test(lookup)


@dataclass(frozen=True)
class _Operand:
    """A literal, or the name of a variable."""

    literal: Value = None
    variable: str | None = None

    def read(self, lookup: Lookup) -> Value:
        return self.literal if self.variable is None else lookup(self.variable)


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"[^"]*")
    | (?P<quoted>'[^']*')
    | (?P<symbol>&&|\|\||:=|=\||==|!=|!~~|!~/|!~|>=|<=|~~|~/|=|~|>|<|!|\(|\))
    | (?P<word>[^\s()"'=!<>~|&:]+)
    )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)(?P<suffix>[fFdDlL]?)")

_WORD_OPERATORS = {
    "equals": "=",
    "is": "=",
    "notequals": "!=",
    "isnot": "!=",
    "equalscaseinsensitive": ":=",
    "greaterthan": ">",
    "greaterthanorequals": ">=",
    "lesserthan": "<",
    "lesserthanorequals": "<=",
    "javaregex": "~~",
    "matches": "~",
    "like": "~",
    "matchespath": "~/",
    "likepath": "~/",
    "startswith": "=|",
}
_COMPARISONS = frozenset({"=", "==", "!=", ":=", ">", ">=", "<", "<=", "~~", "~", "~/", "=|", "!~~", "!~", "!~/"})
_PATTERNS = frozenset({"~~", "~", "~/", "!~~", "!~", "!~/"})
_LITERAL_ONLY = _PATTERNS | {":="}
_CONNECTIVES = {"and": "and", "&&": "and", "or": "or", "||": "or"}
_NEGATIONS = frozenset({"not", "!"})


def parse_condition(text: str) -> Condition:
    """Compile the text of a `<Condition>` element; raises `ConditionError`."""
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"the condition is longer than {MAX_LENGTH} characters")
    parser = _Parser(_tokens(text))
    test = parser.disjunction(0)
    parser.expect_end()
    return Condition(text.strip(), test, tuple(parser.warnings))


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ConditionError(f"cannot read the condition at {text[position : position + 20].strip()!r}")
        tokens.append(_Token(match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return tokens


@dataclass
class _Parser:
    tokens: list[_Token]
    position: int = 0
    warnings: list[str] = field(default_factory=list[str])

    def expect_end(self) -> None:
        token = self._peek()
        if token is not None:
            raise ConditionError(f"did not expect {token.text!r} in the condition")

    def disjunction(self, depth: int) -> Test:
        tests = [self._conjunction(depth)]
        while self._connective("or"):
            tests.append(self._conjunction(depth))
        if len(tests) == 1:
            return tests[0][0]
        if any(joined for _, joined in tests):
            self.warnings.append(
                "`and` and `or` are mixed without parentheses: sources disagree on which binds tighter "
                "(read here as in Java, `and` first); add parentheses"
            )
        return _any_of(tuple(test for test, _ in tests))

    def _conjunction(self, depth: int) -> tuple[Test, bool]:
        tests = [self._negation(depth)]
        while self._connective("and"):
            tests.append(self._negation(depth))
        return (tests[0], False) if len(tests) == 1 else (_all_of(tuple(tests)), True)

    def _negation(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise ConditionError(f"the condition is nested deeper than {MAX_DEPTH}")
        token = self._peek()
        if token is not None and token.kind in {"symbol", "word"} and token.text.lower() in _NEGATIONS:
            self.position += 1
            return _not(self._negation(depth + 1))
        if token is not None and token == _Token("symbol", "("):
            self.position += 1
            test = self.disjunction(depth + 1)
            if self._next("a closing parenthesis").text != ")":
                raise ConditionError("a parenthesis is not closed in the condition")
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        left = self._operand(self._next("a variable"))
        name = self._operator()
        if name is None:
            return _is_true(left)
        token = self._next("a value")
        right = self._operand(token)
        if name in _LITERAL_ONLY and right.variable is not None:
            raise ConditionError(f"operator {name} needs a literal on its right side, not the variable {token.text}")
        return _compare(name, left, right)

    def _operator(self) -> str | None:
        token = self._peek()
        if token is None:
            return None
        text = token.text
        if token.kind == "word":
            name = _WORD_OPERATORS.get(text.lower())
            if name is None and text.lower() not in _CONNECTIVES:
                raise ConditionError(f"unknown operator {text!r} in the condition")
            self.position += name is not None
            return name
        if token.kind == "symbol" and text in _COMPARISONS:
            self.position += 1
            return text
        return None

    def _connective(self, wanted: str) -> bool:
        token = self._peek()
        if token is None or token.kind not in {"symbol", "word"} or _CONNECTIVES.get(token.text.lower()) != wanted:
            return False
        self.position += 1
        return True

    def _operand(self, token: _Token) -> _Operand:
        if token.kind == "string":
            return _Operand(token.text[1:-1])
        if token.kind == "quoted":
            return _Operand(variable=token.text[1:-1])
        if token.kind != "word":
            raise ConditionError(f"expected a variable or a value in the condition, found {token.text!r}")
        return _word(token.text)

    def _peek(self) -> _Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _next(self, wanted: str) -> _Token:
        token = self._peek()
        if token is None:
            raise ConditionError(f"the condition ends where {wanted} is expected")
        self.position += 1
        return token


def _word(text: str) -> _Operand:
    constants: dict[str, Value] = {"true": True, "false": False, "null": None}
    if text.lower() in constants:
        return _Operand(constants[text.lower()])
    number = _NUMBER.fullmatch(text)
    if number is None:
        return _Operand(variable=text)
    digits = text.rstrip("fFdDlL")
    is_float = "." in digits or number["suffix"].lower() in {"f", "d"}
    return _Operand(float(digits) if is_float else int(digits))


def _any_of(tests: tuple[Test, ...]) -> Test:
    return lambda lookup: any(test(lookup) for test in tests)


def _all_of(tests: tuple[Test, ...]) -> Test:
    return lambda lookup: all(test(lookup) for test in tests)


def _not(test: Test) -> Test:
    return lambda lookup: not test(lookup)


def _is_true(operand: _Operand) -> Test:
    return lambda lookup: as_flag(operand.read(lookup))


def _compare(name: str, left: _Operand, right: _Operand) -> Test:
    if name in _PATTERNS:
        return _pattern_test(name, left, right)
    relation = _RELATIONS[name]
    return lambda lookup: relation(left.read(lookup), right.read(lookup))


def _pattern_test(name: str, left: _Operand, right: _Operand) -> Test:
    pattern = _compile(name.lstrip("!"), as_text(right.literal))
    negated = name.startswith("!")
    # The suffix of a request to the base path itself is empty, and is the path `/` to `MatchesPath`.
    nothing = "/" if name.lstrip("!") == "~/" else ""

    def test(lookup: Lookup) -> bool:
        value = left.read(lookup)
        # Null on the left: `~` is false, and so its negation true (null table of the conditions reference).
        return (value is not None and _matches(pattern, as_text(value) or nothing)) is not negated

    return test


def _matches(pattern: JavaRegex, text: str) -> bool:
    try:
        return pattern.matches(text)
    except MatchTimeoutError:
        return False


def _compile(name: str, text: str) -> JavaRegex:
    try:
        if name == "~~":
            return compile_java(text)
        return compile_java(f"(?s){_glob(text)}" if name == "~" else _path_pattern(text))
    except JavaRegexError as error:
        raise ConditionError(str(error)) from None


def _glob(text: str) -> str:
    """`Matches`: `*` stands for any number of any characters, slashes too; `%` takes the next character literally."""
    return _pattern(text, {"*": ".*"})


def _path_pattern(text: str) -> str:
    """`MatchesPath`: `*` is one segment, `**` any number of them, `{name}` one segment; `%` escapes."""
    return _pattern(re.sub(r"(?<!%)\{[^/{}]*\}", "*", text), {"**": ".*", "*": "[^/]+"})


def path_matches(template: str, path: str) -> bool:
    """Tell whether a path fits a template as `MatchesPath` has it."""
    return _matches(compile_java(_path_pattern(template)), path)


def _pattern(text: str, wildcards: dict[str, str]) -> str:
    parts: list[str] = []
    index = 0
    while index < len(text):
        if text[index] == "%" and index + 1 < len(text):
            parts.append(re.escape(text[index + 1]))
            index += 2
            continue
        wildcard = next((w for w in wildcards if text.startswith(w, index)), None)
        parts.append(wildcards[wildcard] if wildcard else re.escape(text[index]))
        index += len(wildcard or " ")
    return "".join(parts)


def _equals(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return left is right
    one, other = adapted(_scalar(left), _scalar(right))
    return one == other


def _not_equals(left: Value, right: Value) -> bool:
    return not _equals(left, right)


def _equals_ignoring_case(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return left is right
    return as_text(left).lower() == as_text(right).lower()


def _starts_with(left: Value, right: Value) -> bool:
    return left is not None and right is not None and as_text(left).startswith(as_text(right))


@dataclass(frozen=True)
class _Ordering:
    """An ordering operator with what it answers where an operand is null, as the reference's table has it."""

    compare: Callable[[Scalar, Scalar], bool]
    left_null: bool
    right_null: bool
    both_null: bool

    def __call__(self, left: Value, right: Value) -> bool:
        if left is None or right is None:
            if left is right:
                return self.both_null
            return self.left_null if left is None else self.right_null
        return self.compare(*ordered(_scalar(left), _scalar(right)))


def _scalar(value: Value) -> Scalar:
    return value if isinstance(value, str | int | float) else as_text(value)


_RELATIONS: dict[str, Callable[[Value, Value], bool]] = {
    "=": _equals,
    "==": _equals,
    "!=": _not_equals,
    ":=": _equals_ignoring_case,
    "=|": _starts_with,
    ">": _Ordering(operator.gt, left_null=True, right_null=False, both_null=False),
    ">=": _Ordering(operator.ge, left_null=False, right_null=True, both_null=True),
    "<": _Ordering(operator.lt, left_null=True, right_null=False, both_null=False),
    "<=": _Ordering(operator.le, left_null=True, right_null=False, both_null=True),
}

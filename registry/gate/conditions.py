"""Conditions of rules: checked and compiled when a pack is added, evaluated in microseconds.

The language is CEL (github.com/google/cel-spec). Its library has no budget: five nested `map()` took half a
minute. So a condition is read before it is compiled: what it may name, call and nest is listed here, and
all of it takes time that is bounded by its length.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cel

from registry.gate.facts import BY_NAME, GROUPS, Fact, FactType, Value

MAXIMUM_LENGTH = 2000  # characters
MAXIMUM_TOKENS = 400
MAXIMUM_NESTING = 12
FUNCTIONS = ("contains", "startsWith", "endsWith", "matches", "size")
COMPREHENSIONS = ("exists", "all")
KEYWORDS = ("true", "false", "in")
ORDERINGS = ("<", "<=", ">", ">=")
# A pattern is compiled at every evaluation: half a millisecond for each class of Unicode, as `\\w`, and a
# counted repetition unrolls what it counts.
MAXIMUM_PATTERN, MOST_PATTERNS, MOST_CLASSES = 200, 3, 4

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]])""",
    re.VERBOSE | re.ASCII,
)
_CLASS = re.compile(r"\\[wWdDsSbBpP]")


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a condition, and at which of its characters."""

    at: int
    reason: str


class BadCondition(ValueError):
    """A condition cannot be used."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        super().__init__("; ".join(flaw.reason for flaw in flaws))
        self.flaws = tuple(flaws)


class ConditionFailed(Exception):
    """A condition that was checked could not be evaluated: it divides by a number that was zero, say."""


@dataclass(frozen=True)
class Condition:
    """A checked condition: what it reads, and its program."""

    text: str
    facts: tuple[str, ...]
    program: cel.Program
    patterns: int  # how many times it calls matches()

    def holds(self, context: cel.Context) -> bool:
        """Whether it is true of the facts in a context of `context_of`. Raises ConditionFailed."""
        try:
            result = self.program.execute(context)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise ConditionFailed(str(error)[:200]) from None
        if not isinstance(result, bool):
            raise ConditionFailed("the condition is neither true nor false")
        return result


def compile_condition(text: str) -> Condition:
    """Checks and compiles a condition. Raises BadCondition."""
    tokens, flaws = _read(text)
    reader = _Reader(tokens)
    if not flaws:
        flaws = list(reader.flaws())
    if flaws:
        raise BadCondition(flaws)
    try:
        program = cel.compile(text)
    except (ValueError, RuntimeError) as error:
        raise BadCondition([Flaw(0, _syntax_error(str(error)))]) from None
    patterns = sum(token.text == "matches" for token in tokens)
    condition = Condition(text, tuple(dict.fromkeys(reader.facts)), program, patterns)
    _try_on_nothing(condition)
    return condition


def context_of(facts: Mapping[str, Value], names: Sequence[str]) -> cel.Context:
    """What conditions read: only the facts that are named, because each is copied."""
    groups: dict[str, Any] = {}
    for name in names:
        *path, last = name.split(".")
        place = groups
        for step in path:
            place = place.setdefault(step, {})
        # The library does not mix whole numbers with others, so that all are of one kind.
        place[last] = float(facts[name]) if BY_NAME[name].type is FactType.NUMBER else facts[name]  # type: ignore[arg-type]
    return cel.Context(groups)


def nearest(name: str, known: Sequence[str]) -> str:
    """A question that names what may have been meant; empty where nothing is near."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not found:  # right at the end, wrong before it: `face_swap.found` for `op.face_swap.found`
        found = [one for one in known if one.endswith("." + name)][:1]
    return f"; did you mean {found[0]}?" if found else ""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def _read(text: str) -> tuple[list[_Token], list[Flaw]]:
    if not text.strip():
        return [], [Flaw(0, "the condition is empty")]
    if len(text) > MAXIMUM_LENGTH:
        return [], [Flaw(0, f"the condition has {len(text)} characters; {MAXIMUM_LENGTH} are allowed")]
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return [], [Flaw(at, f"{text[at]!r} cannot stand here")]
        if found.lastgroup != "space":
            token = _Token(str(found.lastgroup), found.group(), at)
            if tokens and (reason := _hides(tokens[-1], token)):
                return [], [Flaw(at, reason)]
            tokens.append(token)
        at = found.end()
    if len(tokens) > MAXIMUM_TOKENS:
        return [], [Flaw(0, f"the condition has {len(tokens)} parts; {MAXIMUM_TOKENS} are allowed")]
    return tokens, []


def _hides(before: _Token, token: _Token) -> str | None:
    """Why CEL would read two tokens otherwise than this module: code must not hide in a text."""
    is_next = before.at + len(before.text) == token.at
    if before.kind == token.kind == "text":
        return "two texts cannot stand side by side"  # the quotes of a longer text, as in Python
    if is_next and before.kind == "name" and token.kind == "text":
        return "texts have no prefix"  # raw texts and bytes, in which a backslash hides nothing
    if is_next and before.text == token.text == "/":
        return "comments are not read"
    return None


class _Reader:
    """Reads the tokens of one condition, and lists what is wrong with them."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._bound = dict(self._bound_places())
        self.facts: list[str] = []

    def flaws(self) -> Iterator[Flaw]:
        yield from self._nesting()
        yield from self._bound_flaws()
        patterns = [place for place, one in enumerate(self._tokens) if one.text == "matches"]
        if len(patterns) > MOST_PATTERNS:
            at = self._tokens[patterns[MOST_PATTERNS]].at
            yield Flaw(at, f"matches() can stand {MOST_PATTERNS} times in a condition")
        place = 0
        while place < len(self._tokens):
            token = self._tokens[place]
            if token.kind != "name" or token.text in KEYWORDS:
                place += 1
                continue
            if self._sign(place - 1) == ".":
                yield from self._method(place)
                place += 1
                continue
            end = self._end_of_name(place)
            name = ".".join(one.text for one in self._tokens[place:end:2])
            if self._sign(end) == "(" and end == place + 1:
                yield from self._function(place)
            elif not self._is_bound(token.text, place):
                yield from self._fact(name, place, end)
            elif end > place + 1:
                yield Flaw(token.at, f"{token.text} is one word of a list, and has no parts")
            place = end

    def _sign(self, place: int) -> str:
        return self._tokens[place].text if 0 <= place < len(self._tokens) else ""

    def _nesting(self) -> Iterator[Flaw]:
        open_since: list[int] = []  # for each bracket that is open: whether a comprehension opened it
        for place, token in enumerate(self._tokens):
            if token.text in ("(", "["):
                opens = token.text == "(" and self._sign(place - 1) in COMPREHENSIONS
                if opens and any(open_since):
                    yield Flaw(token.at, "exists() and all() cannot be put into one another")
                open_since.append(int(opens))
                if len(open_since) > MAXIMUM_NESTING:
                    yield Flaw(token.at, f"more than {MAXIMUM_NESTING} brackets in one another")
                    return
            elif token.text in (")", "]") and open_since:
                open_since.pop()

    def _bound_places(self) -> Iterator[tuple[int, tuple[str, int]]]:
        """Of each comprehension: where its bracket opens, the name that it gives, and where it closes."""
        for place, token in enumerate(self._tokens):
            if (
                token.text in COMPREHENSIONS
                and self._sign(place + 1) == "("
                and self._sign(place + 3) == ","
            ):
                yield place + 1, (self._sign(place + 2), self._closing(place + 1))

    def _closing(self, opening: int) -> int:
        depth = 0
        for place in range(opening, len(self._tokens)):
            depth += self._sign(place) in ("(", "[")
            depth -= self._sign(place) in (")", "]")
            if depth == 0:
                return place
        return len(self._tokens)

    def _is_bound(self, name: str, place: int) -> bool:
        return any(
            name == bound and opening < place < closing for opening, (bound, closing) in self._bound.items()
        )

    def _bound_flaws(self) -> Iterator[Flaw]:
        for opening, (name, closing) in self._bound.items():
            token = self._tokens[opening + 1]
            if token.kind != "name" or name in (*KEYWORDS, *GROUPS, *FUNCTIONS, *COMPREHENSIONS):
                yield Flaw(token.at, f"{name} cannot be the name for one word of a list")
            inside = self._tokens[opening:closing]
            pattern = next((one for one in inside if one.text == "matches"), None)
            if pattern is not None:
                yield Flaw(pattern.at, "matches() cannot stand in exists() or all(): it is slow")

    def _end_of_name(self, place: int) -> int:
        """Where the dotted name ends that begins at `place`; a method's name is no part of it."""
        end = place + 1
        while (
            self._sign(end) == "." and end + 1 < len(self._tokens) and self._tokens[end + 1].kind == "name"
        ):
            if self._sign(end + 2) == "(":
                break
            end += 2
        return end

    def _method(self, place: int) -> Iterator[Flaw]:
        token = self._tokens[place]
        if self._sign(place + 1) != "(":
            yield Flaw(token.at, f"{token.text} cannot stand here")
        elif token.text not in (*FUNCTIONS, *COMPREHENSIONS):
            known = (*FUNCTIONS, *COMPREHENSIONS)
            yield Flaw(token.at, f"there is no {token.text}(){nearest(token.text, known)}")
        elif token.text == "matches":
            yield from self._pattern(place)
        elif token.text in COMPREHENSIONS and self._sign(place + 3) != ",":
            yield Flaw(token.at, f"{token.text}() needs a name and a condition: {token.text}(one, ...)")

    def _function(self, place: int) -> Iterator[Flaw]:
        token = self._tokens[place]
        if token.text == "has":
            yield Flaw(token.at, "has() is not needed: every fact has a value (docs/policy-facts.md)")
        elif token.text != "size":
            known = (*FUNCTIONS, *COMPREHENSIONS)
            yield Flaw(token.at, f"there is no {token.text}(){nearest(token.text, known)}")

    def _pattern(self, place: int) -> Iterator[Flaw]:
        at = self._tokens[place].at
        is_alone = self._sign(place + 3) == ")"
        if not is_alone or self._tokens[place + 2].kind != "text":
            yield Flaw(at, "matches() needs one pattern in quotes, and nothing else")
            return
        pattern = self._tokens[place + 2].text
        if len(pattern) > MAXIMUM_PATTERN:
            yield Flaw(at, f"the pattern has more than {MAXIMUM_PATTERN} characters")
        elif "{" in pattern or re.search(r"\\[xXuU0-7]|\(\?\w*x", pattern):
            yield Flaw(
                at, "a pattern may not count with {}, ignore blanks or name characters by their numbers"
            )
        elif len(_CLASS.findall(pattern)) > MOST_CLASSES:
            yield Flaw(at, f"a pattern may have {MOST_CLASSES} classes such as \\w; write [a-z0-9]")
        else:
            yield from _pattern_flaw(at, pattern)

    def _fact(self, name: str, place: int, end: int) -> Iterator[Flaw]:
        at = self._tokens[place].at
        fact = BY_NAME.get(name)
        if fact is None and name in GROUPS:
            example = next(one for one in BY_NAME if one.startswith(f"{name}."))
            yield Flaw(at, f"{name} is a group of facts, such as {example}")
            return
        if fact is None:
            known = tuple(BY_NAME) if "." in name else (*GROUPS, *BY_NAME)
            yield Flaw(at, f"there is no fact {name}{nearest(name, known)}")
            return
        self.facts.append(name)
        yield from self._comparison(fact, place, end)

    def _comparison(self, fact: Fact, place: int, end: int) -> Iterator[Flaw]:
        """What it is compared with: the library takes a number that is compared with a word as unequal."""
        before, after = self._sign(place - 1), self._sign(end)
        if after in ("==", "!=", *ORDERINGS):
            yield from self._against(fact, after, end + 1)
        if before in ("==", "!=", *ORDERINGS):
            yield from self._against(fact, before, place - 2)
        if before == "in" and fact.type is FactType.WORDS:
            yield from self._word(fact, place - 2)
        elif before == "in":
            yield Flaw(self._tokens[place].at, f"{fact.name} is no list; compare it with ==")
        if after == "in" and self._sign(end + 1) == "[":
            inside = end + 2
            while self._sign(inside) not in ("]", ""):
                yield from self._word(fact, inside)
                inside += 1
        if fact.type is not FactType.BOOLEAN and self._stands_alone(place, end):
            yield Flaw(
                self._tokens[place].at,
                f"{fact.name} is a {fact.type.value}, neither true nor false; compare it with something",
            )

    def _stands_alone(self, place: int, end: int) -> bool:
        before, after = self._sign(place - 1), self._sign(end)
        if before == "(" and place >= 2 and self._tokens[place - 2].kind == "name":
            return False  # an argument
        return before in ("", "&&", "||", "!", "(") and after in ("", "&&", "||", ")", "?")

    def _against(self, fact: Fact, sign: str, place: int) -> Iterator[Flaw]:
        at = self._tokens[min(max(place, 0), len(self._tokens) - 1)].at
        if fact.type is FactType.WORDS:
            yield Flaw(at, f"{fact.name} is a list: ask 'word' in {fact.name}")
        elif sign in ORDERINGS and fact.type is not FactType.NUMBER:
            yield Flaw(at, f"{fact.name} is a {fact.type.value}, which has no order")
        else:
            yield from self._word(fact, place)

    def _word(self, fact: Fact, place: int) -> Iterator[Flaw]:
        """Whether the literal at `place`, if it is one, can be a value of this fact."""
        if not 0 <= place < len(self._tokens):
            return
        token = self._tokens[place]
        kind = {"text": FactType.TEXT, "number": FactType.NUMBER}.get(token.kind)
        if token.text in ("true", "false"):
            kind = FactType.BOOLEAN
        if kind is None:
            return
        wanted = FactType.TEXT if fact.type is FactType.WORDS else fact.type
        if kind is not wanted:
            what = "a list of words" if fact.type is FactType.WORDS else fact.type.value
            yield Flaw(token.at, f"{fact.name} is {what}, and {token.text} is not")
        elif fact.words and token.text[1:-1] not in fact.words:
            word = token.text[1:-1]
            meant = nearest(word, fact.words) or f"; it is one of {', '.join(fact.words)}"
            yield Flaw(token.at, f"{fact.name} is never {word!r}{meant}")


def _pattern_flaw(at: int, pattern: str) -> Iterator[Flaw]:
    """A pattern behind `&&` would fail only once it is asked, so it is tried alone."""
    try:
        cel.evaluate(f"''.matches({pattern})")
    except (ValueError, RuntimeError, TypeError):
        yield Flaw(at, "the pattern cannot be read")


def _syntax_error(said: str) -> str:
    """The library's own words, without the condition that it repeats."""
    found = re.search(r"<input>:\d+:(\d+): (.+)", said)
    if found is None:
        return "the condition cannot be read"
    return f"the condition cannot be read at character {found.group(1)}: {found.group(2)[:150]}"


def _try_on_nothing(condition: Condition) -> None:
    """A condition that cannot be evaluated where nothing is known never could be. Raises BadCondition."""
    unknown = {name: BY_NAME[name].default for name in condition.facts}
    try:
        condition.holds(context_of(unknown, condition.facts))
    except ConditionFailed as error:
        raise BadCondition([Flaw(0, f"it cannot be evaluated: {error}")]) from None

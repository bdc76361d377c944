"""What is said of a parser: inputs that it reads, errors that it may raise, and what must hold."""

from collections.abc import Callable
from dataclasses import dataclass

from samples.parsers.program_words import program_words


class Broken(AssertionError):
    """A parser read what reads otherwise when it is written again, or refused in words of a program."""


@dataclass(frozen=True)
class Parser:
    """One parser: `check` reads the bytes, writes what it read, and raises Broken where that differs."""

    name: str
    check: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...]  # what it may raise; none: it reads anything
    seeds: tuple[bytes, ...]  # which it reads
    dictionary: tuple[bytes, ...] = ()  # words of the format, for fuzzers
    is_told: bool = True  # whether people read what its errors say


def holds(parser: Parser, content: bytes) -> bool:
    """Whether the bytes were read; False: refused.

    Raises Broken, and whatever the parser must not raise.
    """
    try:
        parser.check(content)
    except parser.refusals as refusal:
        words = program_words(str(refusal)) if parser.is_told else None
        is_quoted = words is not None and words.encode("utf-8", "surrogateescape") in content
        require(words is None or is_quoted, f"a refusal says what a program says: {words}")
        return False
    return True


def require(condition: bool, said: str) -> None:
    """Raises Broken."""
    if not condition:
        raise Broken(said)


def require_same(left: object, right: object) -> None:
    """Raises Broken where the two differ."""
    require(left == right, "what was written again reads otherwise")


def text_of(content: bytes) -> str:
    """Text that a caller may pass on: any, with half characters where the bytes are no UTF-8."""
    return content.decode("utf-8", "surrogateescape")

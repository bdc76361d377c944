"""Prints what commands have to say: words and tables for people, one JSON object a line for programs."""

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError
from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from sdk.flaws import flaws_in_words

# Exit codes (docs/commands.md).
NOTHING_MATCHED, FAILED_FILE, USAGE, CHECK_FAILED, REFUSED, MATCHED = 0, 1, 2, 3, 4, 10
LINE_SEPARATORS = "\x85\u2028\u2029"  # JSON allows them in strings; readers of lines break at them

# Labels and names come from strangers: nothing that is printed is read as markup.
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
# Notes are broken between words on a terminal.
notes = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty(), markup=False, emoji=False)


def styled(style: str, words: str, rest: object = "") -> Text:
    """Puts some words in a style and leaves the rest plain, for a console."""
    return Text.assemble((words, style), str(rest))


def say(words: Text | str, indent: int = 0) -> None:
    """Prints a line on standard output: broken between words on a terminal, in one piece elsewhere."""
    if sys.stdout.isatty():
        console.print(Padding(words, (0, 0, 0, indent), expand=False), soft_wrap=False)
    else:
        console.print(Text(" " * indent) + words if isinstance(words, Text) else " " * indent + words)


def say_beside(word: Text, words: str) -> None:
    """Prints a word and what belongs to it, which on a terminal stays beside it when it is broken."""
    if sys.stdout.isatty():
        row = Table.grid("", Column(overflow="fold"), padding=(0, 2))
        row.add_row(word, Text(words))
        console.print(row, soft_wrap=False)
    else:
        console.print(Text.assemble(word, f"  {words}"))


def shown(path: Path) -> str:
    """A path in one line, with escapes for what would break it or steer the terminal."""
    return "".join(map(_shown_letter, str(path)))


def _shown_letter(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":  # macOS puts wide spaces into names
        return letter
    if 0xDC80 <= ord(letter) <= 0xDCFF:  # a byte that is no UTF-8 (PEP 383)
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with one line on standard error and an exit code."""
    notes.print(styled("bold red", "trueprint:", f" {message}"))
    raise SystemExit(code)


def usage_of(error: ValidationError) -> NoReturn:
    """Ends the command where an option has a value that cannot be, in plain words."""
    words = (f"{'.'.join(map(str, place))}: {what}" for place, what in flaws_in_words(error.errors()))
    fail("; ".join(words), USAGE)


def print_json(value: Any) -> None:
    """Prints one object in one line on standard output."""
    line = json.dumps(value, ensure_ascii=False)
    for separator in LINE_SEPARATORS:
        line = line.replace(separator, f"\\u{ord(separator):04x}")
    if sys.stdout.isatty():
        console.print(Text(line), soft_wrap=True)  # which keeps a progress bar out of its way
        return
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

"""What is wrong with a value that was sent or set, in plain words.

It knows pydantic's types of errors, and says each without a word of Python's. Nothing that was sent is
repeated: it may be a secret.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import ErrorDetails

NUMBER, WHOLE_NUMBER, YES_OR_NO = "must be a number", "must be a whole number", "must be true or false"
TEXT, LIST, OBJECT = "must be text", "must be a list", "must be an object with named fields"
TIME = "must be a date and a time with its zone, such as 2026-01-31T12:00:00Z"
ADDRESS, NAME = "must be a web address", "must be a UUID"
WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "none_required": "must be null",
    "finite_number": NUMBER,
    "string_unicode": "must be text in UTF-8",
    "int_from_float": WHOLE_NUMBER,
    "int_parsing_size": "is too large a number",
    "mapping_type": OBJECT,
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "dataclass_type": OBJECT,
    "frozen_set_type": LIST,
    "set_type": LIST,
    "tuple_type": LIST,
    "list_type": LIST,
    "iterable_type": LIST,
    "timezone_aware": TIME,
}
# By how the name of the type begins; pydantic has several for each.
FAMILIES = (
    ("string_sub_type", TEXT),
    ("string_type", TEXT),
    ("int_", WHOLE_NUMBER),
    ("float_", NUMBER),
    ("decimal_", NUMBER),
    ("bool_", YES_OR_NO),
    ("bytes_", TEXT),
    ("datetime_", TIME),
    ("date_", "must be a date, such as 2026-01-31"),
    ("url_", ADDRESS),
    ("uuid_", NAME),
)
LIMITS = {
    "greater_than": ("must be more than {}", "gt"),
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than": ("must be less than {}", "lt"),
    "less_than_equal": ("must be at most {}", "le"),
    "enum": ("must be {}", "expected"),
    "literal_error": ("must be {}", "expected"),
    "string_too_short": ("must have at least {} characters", "min_length"),
    "string_too_long": ("must have at most {} characters", "max_length"),
    "too_short": ("must have at least {} entries", "min_length"),
    "too_long": ("must have at most {} entries", "max_length"),
}
# A test holds that every pattern of the wire stands here.
FORMS = {
    r"^[0-9a-f]{64}$": "must be 64 hexadecimal digits in lower case",
    r"^did:(web:[A-Za-z0-9.:%_~-]{3,250}|key:z[1-9A-HJ-NP-Za-km-z]{40,60})$": (
        "must be a did:web or a did:key identifier, such as did:web:example.org"
    ),
    r"^urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$": "must be a UUID, as urn:uuid:...",
    r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+$": (
        "must be one line of text, not empty and without control characters"
    ),
    r"^(urn:uuid:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
    r"|^urn:sha256:[0-9a-f]{64}$|^https://[!-~]{1,300}$": (
        "must be the id of a record, a digest as urn:sha256:..., or an https address"
    ),
    r"^(off|([01]\d|2[0-3]):[0-5]\d)$": "must be a time of day in UTC, such as 03:00, or off",
    r"^\d+$": "must be a cursor, as the page before gives it",
    r"^https://[!#-&(-;=?-~]+$": "must be an https address",
    r"^(https://[!#-&(-;=?-~]+)?$": "must be an https address, or empty",
    r"^https?://[^\s\"'<>]+$": "must be a web address",
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$": "must be a language, such as en or de-AT (BCP 47)",
    r"^[a-z][a-z0-9_]{0,39}$": "must be one word of lower-case letters, digits and underscores",
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "must be lower-case letters and digits, with hyphens between them",
    r"^[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}$": "must be a version of three numbers, such as 1.0.0",
    r"^\d+ ?(MiB|GiB)$": "must be a size, such as 512 MiB or 2 GiB",
    "^(all|api|search|worker)$": "must be all, api, search or worker",
    r"^\s*\d{1,5}(\s*,\s*\d{1,5})*\s*$": "must be numbers of ports, separated by commas",
}
OTHERWISE = "is not valid"
_NUMBER_OF_ERROR = re.compile(r"\[Errno -?\d+\] ")
_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")  # how pydantic writes one value of an enum
NOT_A_FILE = "UploadFile"  # of a form in which text was sent for a file, in FastAPI's words


def flaw_in_words(flaw: ErrorDetails) -> str:
    """What one value must be, or what is wrong with it; goes after the value's name."""
    kind, context = flaw["type"], flaw.get("ctx", {})
    if kind in WORDS:
        return WORDS[kind]
    if kind in LIMITS:
        words, name = LIMITS[kind]
        limit = _MEMBER.sub(r"\1", str(context.get(name)))
        return _singular(words.format(limit)) if name in context else OTHERWISE
    if kind == "string_pattern_mismatch":
        return FORMS.get(context.get("pattern", ""), OTHERWISE)
    if kind == "json_invalid":
        return f"is not JSON: {context['error']}" if "error" in context else "is not JSON"
    if kind in ("value_error", "assertion_error"):
        reason = flaw["msg"].partition(", ")[2]
        return "must be a file" if NOT_A_FILE in reason else reason
    return next((words for begin, words in FAMILIES if kind.startswith(begin)), OTHERWISE)


def flaws_in_words(flaws: Iterable[ErrorDetails]) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Where each flaw lies, and what it is.

    A list whose entries are at fault is not said to be too short besides.
    """
    found = list(flaws)
    places = [flaw["loc"] for flaw in found]
    for flaw in found:
        place = flaw["loc"]
        if flaw["type"] == "too_short" and any(_lies_in(other, place) for other in places):
            continue
        yield place, flaw_in_words(flaw)


def first_flaw_in_words(flaws: list[ErrorDetails]) -> str:
    """The first flaw with its place; without one where it is about the whole."""
    place, words = next(iter(flaws_in_words(flaws)))
    return f"{'.'.join(map(str, place))}: {words}".removeprefix(": ")


def fault_in_words(error: Exception) -> str:
    """What a file or a connection suffers from, without numbers and names of the program's own.

    Of a file that cannot be opened or read as text, of a connection that was not made.
    """
    if isinstance(error, UnicodeError):
        return "it is not text in UTF-8"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return _NUMBER_OF_ERROR.sub("", str(error)) or "no reason is given"


def _lies_in(place: tuple[Any, ...], outer: tuple[Any, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _singular(words: str) -> str:
    return words.replace(" 1 characters", " 1 character").replace(" 1 entries", " 1 entry")

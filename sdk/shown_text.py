"""Text that is shown to strangers, in pages and terminals: names of organisations, labels of records.

By PRECIS (RFC 8264): its FreeformClass has no control, no character that turns the direction of writing,
none that nobody sees (but where a script needs joiners), and none that is not assigned.
"""

import unicodedata
from functools import cache
from typing import Any

UNSHOWABLE = "must be text that can be shown, without control characters and such as nobody sees"
NOT_AS_WRITTEN = "must be in Unicode's form NFC, with no other space than that of the keyboard"


@cache
def _profile(name: str) -> Any:
    from precis_i18n import get_profile  # 20 ms, for those only who need it

    return get_profile(name)


def as_label(text: str) -> str:
    """A label in its one form (RFC 8265, OpaqueString). Raises ValueError."""
    return _enforced("OpaqueString", text)


def as_name(text: str) -> str:
    """An organisation's name in its one form (RFC 8266, case preserved). Raises ValueError."""
    return _enforced("NicknameCasePreserved", text)


def require_label(text: str) -> None:
    """Refuses a label that is in another form than its own. Raises ValueError."""
    if as_label(text) != text:
        raise ValueError(NOT_AS_WRITTEN)


def with_marks_for_the_rest(text: str) -> str:
    """The text as a label, with a question mark for each character that cannot be shown."""
    try:
        return as_label(text)
    except ValueError:
        composed = unicodedata.normalize("NFC", text)
        return unicodedata.normalize("NFC", "".join(_or_a_mark(character) for character in composed))


def _or_a_mark(character: str) -> str:
    try:
        return as_label(character)
    except ValueError:
        return "?"


def _enforced(profile: str, text: str) -> str:
    try:
        return str(_profile(profile).enforce(text))
    except ValueError:  # of which UnicodeError is one
        raise ValueError(UNSHOWABLE) from None

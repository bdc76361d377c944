"""Words that a program says to its author and nobody else understands: none belongs into a message."""

import re

_WORDS = re.compile(
    r"\b[A-Z]\w*(?:Error|Exception|Warning)\b|Traceback|NoneType|\[Errno|\berrno\b"
    r"|\bobject has no attribute\b|\bunsupported operand\b|\bpositional argument|codec can't"
    r"|\binvalid literal\b"
    r"|\bmust be (?:real|str|bytes|an integer)\b|\bindex out of range\b|\bcannot identify image file\b"
    r"|\b(?:PIL|numpy|av|cv2|pillow_heif|indexer|registry|sdk|obstore|psycopg|sqlalchemy|pydantic)\.\w"
    r"|\bline \d+, in \w|<class |\b0x[0-9a-f]{6,}"
)


def program_words(message: str) -> str | None:
    """The first of such words in a message; None: there is none."""
    found = _WORDS.search(message)
    return found.group() if found else None

"""Whether two names look alike, by the skeletons of Unicode Technical Standard 39, section 4.

The table is Unicode's, as the package `confusable-homoglyphs` brings it: for every character those that it
is confused with. They form stars, whose centre is the prototype that a skeleton is written with.
"""

import json
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

MARK = "\u200e"  # the table sets right-to-left characters between two of these


def look_alike(one: str, other: str) -> bool:
    """Whether somebody who reads one may take it for the other; upper and lower case are not told apart."""
    return bool(_skeletons(one) & _skeletons(other))


def _skeletons(name: str) -> frozenset[str]:
    """Two, because case hides differences and makes them: I and l look alike, and so do A and a."""
    return frozenset({_skeleton(name).casefold(), _skeleton(name.casefold()).casefold()})


def _skeleton(name: str) -> str:
    prototypes = _prototypes()
    decomposed = unicodedata.normalize("NFD", name)
    written = "".join(prototypes.get(character, character) for character in decomposed)
    written = unicodedata.normalize("NFD", written)
    # Spaces and punctuation do not tell names apart, unless there is nothing else.
    return "".join(filter(_tells_apart, written)) or written


def _tells_apart(character: str) -> bool:
    return unicodedata.category(character)[0] not in "ZP"


@cache
def _prototypes() -> Mapping[str, str]:
    table = json.loads((files("confusable_homoglyphs") / "confusables.json").read_text(encoding="utf-8"))
    confused = {
        text.strip(MARK): [other["c"].strip(MARK) for other in others] for text, others in table.items()
    }
    return {character: _centre(character, confused) for character in confused if len(character) == 1}


def _centre(character: str, confused: Mapping[str, list[str]]) -> str:
    """The prototype of a character: that with most neighbours; of a lonely pair either will do."""
    star = (character, *confused[character])
    return max(star, key=lambda text: (len(confused.get(text, ())), text))

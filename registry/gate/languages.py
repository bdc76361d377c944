"""The languages of statements of reasons: their catalogues, and what words of the wire are called in them.

A sentence is written in English where it is said, and stands translated in `locale/<language>.po`. New
ones are found with `pybabel extract -k say -k say_number:1,2 -k N_ registry/gate`; a test compares.
It knows nothing of decisions.
"""

from datetime import date
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.dates import format_date
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from indexer.operations import Degree, OperationType
from sdk.models import ExceptionKind

ENGLISH: Final = "en"
LANGUAGES = (ENGLISH, "de", "fr", "es")
LOCALE_FOLDER = Path(__file__).parent / "locale"


def language_for(tag: str) -> str:
    """The language of LANGUAGES for a BCP 47 tag: `de` for `de-AT`, English for one that is not there."""
    primary = tag.replace("_", "-").split("-")[0].lower()
    return primary if primary in LANGUAGES else ENGLISH


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of one of LANGUAGES, read once; that of English says what it is asked."""
    if language == ENGLISH:
        return NullTranslations()
    compiled = BytesIO()
    with (LOCALE_FOLDER / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language, abort_invalid=True))
    compiled.seek(0)
    return GNUTranslations(compiled)


class Voice:
    """Says sentences in one language. Values are put into them last, so that nothing in a value counts."""

    def __init__(self, tag: str) -> None:
        self.language = language_for(tag)
        self._catalogue = translations(self.language)

    def say(self, sentence: str, **values: str) -> str:
        """A sentence, with values for its `%(name)s`."""
        return self._catalogue.gettext(sentence) % values

    def say_number(self, one: str, many: str, number: int) -> str:
        """A sentence with a `%(number)d` in it."""
        return self._catalogue.ngettext(one, many, number) % {"number": number}

    def day(self, day: date) -> str:
        """A date as people write it out: "28. Juli 2027"."""
        return _written_out(day, self.language)

    def listed(self, words: list[str]) -> str:
        """Words as a list within a sentence: "a, b and c"."""
        return format_list(words, locale=self.language)


@lru_cache(64)
def _written_out(day: date, language: str) -> str:
    return format_date(day, format="long", locale=language)


def N_(text: str) -> str:  # noqa: N802
    """Marks what stands in a table, to be said later."""
    return text


# Each is one of several after a colon, and speaks of what was changed as "it".
OPERATION_WORDS = {
    OperationType.FACE_SWAP: N_("a face was replaced by that of another person"),
    OperationType.PERSON_REPLACED: N_("a person was replaced by another one, from head to body"),
    OperationType.FACE_REENACTED: N_("the expression, the mouth or the pose of a face was changed"),
    OperationType.COMPOSITE: N_("a large part of it shows something else"),
    OperationType.LOCAL_EDIT: N_("a part of it was painted over, copied, blurred or removed"),
    OperationType.REVERSED: N_("it plays backwards"),
    OperationType.REORDERED: N_("parts of it were put in another order"),
    OperationType.RETIMED: N_("it plays at another speed, or stands still for a while"),
    OperationType.PICTURES_REPLACED: N_("its sound is heard under other pictures"),
    OperationType.AUDIO_REPLACED: N_("its sound was replaced, added or taken away"),
    OperationType.FACE_EDITED: N_("a face was edited, for example retouched, made up or made older"),
    OperationType.FACE_COVERED: N_("a face was covered, for example with a bar, a mask or a blur"),
    OperationType.FRAME_OVERLAY: N_("another moving picture was laid over a part of it"),
    OperationType.OVERLAY: N_("text, a logo, a sticker or a bar was laid over it"),
    OperationType.MIRRORED: N_("it was mirrored, left to right"),
    OperationType.ROTATED: N_("it was turned"),
    OperationType.STRETCHED: N_("its proportions were changed, so that all looks slimmer or broader"),
    OperationType.CROPPED: N_("it was cropped"),
    OperationType.EMBEDDED: N_("it was placed inside another picture, as in a screenshot"),
    OperationType.BORDERED: N_("something was added around it, such as a border"),
    OperationType.AUDIO_RETIMED: N_("its sound was slowed down, sped up or shifted against the pictures"),
    OperationType.CLIPPED: N_("some seconds of it are missing"),
    OperationType.CONCATENATED: N_("it was joined with other footage"),
    OperationType.LOOPED: N_("a part of it is shown again and again"),
    OperationType.RESIZED: N_("its size was changed"),
    OperationType.COLOUR: N_("its colours or its brightness were changed"),
    OperationType.FILTERED: N_("it was blurred, sharpened or filtered as a whole"),
    OperationType.RE_ENCODED: N_("it was saved anew, perhaps at lower quality"),
}
DEGREE_WORDS = {
    Degree.SLIGHT: N_("a slight change"),
    Degree.CLEAR: N_("a clear change"),
    Degree.STRONG: N_("a strong change"),
}
# All that `indexer.compare.vocabulary.where_in_words` says.
PLACE_WORDS = (
    N_("at the upper left"),
    N_("at the top"),
    N_("at the upper right"),
    N_("on the left"),
    N_("in the middle"),
    N_("on the right"),
    N_("at the lower left"),
    N_("at the bottom"),
    N_("at the lower right"),
)
EXCEPTION_WORDS = {
    ExceptionKind.ART: N_("art"),
    ExceptionKind.DOCUMENTARY: N_("documentary"),
    ExceptionKind.EDUCATION: N_("education"),
    ExceptionKind.NEWS: N_("news reporting"),
    ExceptionKind.SATIRE: N_("satire"),
    ExceptionKind.SCIENCE: N_("science"),
}

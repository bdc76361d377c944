"""The facts that conditions of policies read: the one table, from which docs/policy-facts.md is made.

Every fact has a value in every decision, so that no condition can fail for want of one: what is not known
is the value `nothing` of its row. What fills them is `fact_finding.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from indexer.operations import OPERATIONS, Certainty, Degree, Direction, OperationType, Severity
from sdk.models import (
    AlterationShown,
    Audience,
    Declared,
    ExceptionKind,
    MatchRelation,
    Question,
    Standing,
    Strength,
    VerdictKind,
    YesNo,
)
from sdk.records import AssetClass

Value = str | bool | int | float | list[str]
NONE = "none"  # of a fact that is one word of several, where there is none of them


class FactType(Enum):
    """What a fact can be compared with."""

    TEXT = "text"
    BOOLEAN = "true or false"
    NUMBER = "number"
    WORDS = "list of words"


NOTHING: dict[FactType, Value] = {
    FactType.TEXT: "",
    FactType.BOOLEAN: False,
    FactType.NUMBER: 0.0,
    FactType.WORDS: [],
}


@dataclass(frozen=True)
class Fact:
    """One row: its name in conditions, its type and what it means."""

    name: str
    type: FactType
    meaning: str
    words: tuple[str, ...] = ()  # that it can be, or hold; empty: any
    nothing: Value | None = None  # where nothing is known; None: that of its type
    is_kept: bool = True  # whether a decision keeps it, so that it can be replayed

    @property
    def default(self) -> Value:
        """What it is where nothing is known."""
        return NOTHING[self.type] if self.nothing is None else self.nothing


def _words_of(kind: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in kind)


def _text(name: str, meaning: str, **more: object) -> Fact:
    return Fact(name, FactType.TEXT, meaning, **more)  # type: ignore[arg-type]


def _one_of(name: str, kind: type[StrEnum], meaning: str, *, nothing: str = NONE) -> Fact:
    words = _words_of(kind)
    return Fact(
        name, FactType.TEXT, meaning, words if nothing in words else (*words, nothing), nothing=nothing
    )


def _true(name: str, meaning: str) -> Fact:
    return Fact(name, FactType.BOOLEAN, meaning)


def _number(name: str, meaning: str) -> Fact:
    return Fact(name, FactType.NUMBER, meaning)


def _several(name: str, meaning: str, words: tuple[str, ...] = ()) -> Fact:
    return Fact(name, FactType.WORDS, meaning, words)


class Unclear(StrEnum):
    """What could not be told of an upload."""

    TOO_LITTLE_DETAIL = "too_little_detail"  # nothing can be said of it at all
    NOT_COMPARED = "not_compared"  # fingerprints agree, and no picture was there to compare
    ALTERATION = "alteration"  # whether it shows what makes the registered fake false
    DIRECTION = "direction"  # which of the two was made from the other
    CHANGE = "change"  # something of the match that is said in its field `uncertain`


MEDIA = ("image", "video", "fingerprints")
PROVEN = ("proven", "unproven", NONE)
POSTERS = ("first", "resharer", "unknown")

_UPLOAD = (
    Fact("upload.media", FactType.TEXT, "what was sent", MEDIA, nothing="fingerprints"),
    _text("upload.media_type", "the file's type, as `image/jpeg`; empty where fingerprints were sent"),
    _number("upload.seconds", "length of a video; 0 of a picture"),
    _one_of("upload.audience", Audience, "who will see it, as the platform says", nothing="unknown"),
    _text("upload.language", "the language of the upload, as the platform says (BCP 47)"),
    Fact(
        "upload.text",
        FactType.TEXT,
        "what is written beside it, as the platform sends it; not kept, so rules that read it cannot be "
        "replayed",
        is_kept=False,
    ),
    _several("upload.signals", "words that the platform's own classifiers say"),
    _several("upload.exceptions", "exceptions that somebody claims by name", _words_of(ExceptionKind)),
    _several("upload.unclear", "what could not be told", _words_of(Unclear)),
)
_VERDICT = (
    Fact(
        "verdict.kind",
        FactType.TEXT,
        "what the matches mean together (docs/verdicts.md)",
        _words_of(VerdictKind),
        nothing=VerdictKind.NOT_IN_REGISTRY.value,
    ),
    _one_of("verdict.severity", Severity, "how far it is from what it was made from"),
)
_MATCH = (
    _true("match.found", "a registered asset was found, more than possibly: no weak match counts"),
    _true(
        "match.sure", "the match is strong or better, and pictures were compared or the file is the same"
    ),
    _one_of("match.relation", MatchRelation, "of the upload to the registered asset"),
    _one_of("match.strength", Strength, "how sure the match is"),
    _true("match.verified", "pictures were compared, not only fingerprints"),
    _one_of("match.direction", Direction, "which of the two was made from the other", nothing="unknown"),
    _one_of("match.alteration", AlterationShown, "whether it shows what makes a registered fake false"),
    _true("match.changes_content", "the two show something else somewhere"),
    _true("match.another_face", "a face was swapped or driven, or a person replaced"),
    _true("match.concerns_face", "something was done to a face"),
    _number("match.share_of_upload", "share of the upload that is the same in the asset, 0 to 1"),
    _number("match.share_of_record", "share of the asset that the upload shows, 0 to 1"),
    _several("match.operations", "what was done, the most severe first", _words_of(OperationType)),
    _number("match.count", "registered assets that matched, possibly or surely"),
    _true("match.any_intimate", "one of them is intimate, possible ones included"),
)
_RECORD = (
    _one_of("record.class", AssetClass, "what its publisher registered the asset as"),
    _one_of("record.standing", Standing, "of a known fake: whether more than one report speaks for it"),
    _true("record.disputed", "several publishers claim it, or say otherwise of it"),
    _text("record.status", "`active`, or `withdrawn`"),
    _true("record.intimate", "it is an intimate picture, or was made from one"),
    _text("record.publisher", "id of who registered it"),
    Fact("record.publisher_proven", FactType.TEXT, "whether its publisher's identifier is proven", PROVEN,
         nothing=NONE),
    _true("record.own", "the platform itself registered it"),
)  # fmt: skip
_DECLARED = (
    *(
        _true(f"declared.{one.value}", f"the uploader says: {one.value.replace('_', ' ')}")
        for one in Declared
    ),
    _true("declared.refuted", "the uploader denies what the comparison shows was done to the upload"),
    _true(
        "declared.contradicted",
        "the uploader says that it is unaltered, and it differs from a registered original; which of the "
        "two was made from the other may not be shown",
    ),
)
_UPLOADER = (
    _number("uploader.confirmed_violations", "uploads of theirs that a person confirmed break the policy"),
    _number("uploader.refused", "uploads of theirs that were refused in the last 90 days"),
    Fact("uploader.poster", FactType.TEXT, "whether this platform saw it first from them", POSTERS,
         nothing="unknown"),
)  # fmt: skip
_ANSWERS = tuple(
    _one_of(f"answers.{one.value}", YesNo, meaning, nothing="unknown")
    for one, meaning in (
        (Question.ALTERED, "is it significantly altered, or made up?"),
        (Question.DECEPTIVE, "is it shared in a deceptive manner?"),
        (Question.HARM, "is it likely to cause serious harm?"),
    )
)


def _of_operation(one: OperationType) -> tuple[Fact, ...]:
    what = OPERATIONS[one].description.split(";")[0]
    name = f"op.{one.value}"
    return (
        _true(f"{name}.found", what),
        _one_of(f"{name}.degree", Degree, "how far it went"),
        _one_of(f"{name}.certainty", Certainty, "how sure it is that it was done"),
        _number(f"{name}.share", "share of the upload's area that was changed, 0 to 1"),
        _number(f"{name}.factor", "playback speed against the original; 0 where it does not apply"),
        _number(f"{name}.seconds", "seconds of the upload in which it was found; 0 of a picture"),
    )


FACTS: tuple[Fact, ...] = (
    *_UPLOAD,
    *_VERDICT,
    *_MATCH,
    *(fact for one in OperationType for fact in _of_operation(one)),
    *_RECORD,
    *_DECLARED,
    *_UPLOADER,
    *_ANSWERS,
)
BY_NAME: Mapping[str, Fact] = {fact.name: fact for fact in FACTS}
GROUPS = tuple(dict.fromkeys(fact.name.split(".")[0] for fact in FACTS))
UNKNOWN: Mapping[str, Value] = {fact.name: fact.default for fact in FACTS}


def kept_of(facts: Mapping[str, Value]) -> dict[str, Value]:
    """The facts that a decision keeps: those that say something, so that a decision stays small."""
    return {
        name: value for name, value in facts.items() if BY_NAME[name].is_kept and value != UNKNOWN[name]
    }


def flaw_of(fact: Fact, value: object) -> str | None:
    """Why a value cannot be this fact's; None: it can."""
    fits = {
        FactType.TEXT: isinstance(value, str),
        FactType.BOOLEAN: isinstance(value, bool),
        FactType.NUMBER: isinstance(value, int | float) and not isinstance(value, bool),
        FactType.WORDS: isinstance(value, list) and all(isinstance(one, str) for one in value),
    }[fact.type]
    if not fits:
        return (
            f"{fact.name} is a {fact.type.value}"
            if fact.type is not FactType.BOOLEAN
            else (f"{fact.name} is true or false")
        )
    said = value if isinstance(value, list) else [value]
    if fact.words and any(one not in fact.words for one in said):
        return f"{fact.name} is one of {', '.join(fact.words)}"
    return None

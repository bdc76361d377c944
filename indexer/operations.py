"""Every operation that can be done to a reference, one row each: the table that all other code reads.

A new operation is one member of `OperationType` and one row of `OPERATIONS`. Comparison, verdicts, pages,
documents and policies take from the row what they need to know; what finds the operation is code elsewhere.
This module imports nothing heavy, so that the SDK can publish it.

Other vocabularies: C2PA's action is the one that a manifest would name (C2PA 2.2, actions), IPTC's digital
source type is that of the action (`cv.iptc.org/newscodes/digitalsourcetype`), and schema.org's category is
the `mediaAuthenticityCategory` of a MediaReview. All three say what was done, none whether it was meant to
deceive.
"""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_COMPOSITE, _BY_HAND, _ENHANCED, _BY_MODEL = (
    IPTC + name
    for name in (
        "composite",
        "humanEdits",
        "algorithmicallyEnhanced",
        "compositeWithTrainedAlgorithmicMedia",
    )
)


class OperationType(StrEnum):
    """One thing done to the reference, the most severe first."""

    FACE_SWAP = "face_swap"
    PERSON_REPLACED = "person_replaced"
    FACE_REENACTED = "face_reenacted"
    COMPOSITE = "composite"
    LOCAL_EDIT = "local_edit"
    REVERSED = "reversed"
    REORDERED = "reordered"
    RETIMED = "retimed"
    PICTURES_REPLACED = "pictures_replaced"
    AUDIO_REPLACED = "audio_replaced"
    FACE_EDITED = "face_edited"
    FACE_COVERED = "face_covered"
    FRAME_OVERLAY = "frame_overlay"
    OVERLAY = "overlay"
    MIRRORED = "mirrored"
    ROTATED = "rotated"
    STRETCHED = "stretched"
    CROPPED = "cropped"
    EMBEDDED = "embedded"
    BORDERED = "bordered"
    AUDIO_RETIMED = "audio_retimed"
    CLIPPED = "clipped"
    CONCATENATED = "concatenated"
    LOOPED = "looped"
    RESIZED = "resized"
    COLOUR = "colour"
    FILTERED = "filtered"
    RE_ENCODED = "re_encoded"


class _Ranked(StrEnum):
    """Words in a rising order. As strings they compare by letter, so the order is that of `rank`."""

    @property
    def rank(self) -> int:
        """The place of the word in its order, from 0."""
        return list(type(self)).index(self)


class Degree(_Ranked):
    """How far an operation went."""

    SLIGHT = "slight"
    CLEAR = "clear"
    STRONG = "strong"


class Certainty(_Ranked):
    """How sure it is that an operation was done: how far its evidence is beyond the line that names it."""

    LIKELY = "likely"  # beyond the line, and near it
    VERY_LIKELY = "very_likely"  # far beyond it


class Severity(_Ranked):
    """What an operation can do to what people believe of the content."""

    NONE = "none"
    TECHNICAL = "technical"  # the same content in another form
    EDITED = "edited"  # less, more or other content, as everyday editing does it
    MISLEADING_CAPABLE = "misleading_capable"  # can make the content say what the reference does not
    PERSON_ALTERED = "person_altered"  # shows another person, another face or another expression


class Extent(StrEnum):
    """What of the content an operation concerns."""

    FRAME = "frame"  # the picture as a whole
    PART = "part"  # a region of the picture
    TIME = "time"  # which moments are shown, in which order and at what speed
    AUDIO = "audio"


class Direction(StrEnum):
    """Which of two pictures was made from the other, as far as there is evidence."""

    FROM_REFERENCE = "from_reference"  # the query from the reference, or from what that was made from
    TO_REFERENCE = "to_reference"  # the reference from the query, or from what that was made from
    UNKNOWN = "unknown"


class MediaAuthenticity(StrEnum):
    """Those of schema.org's categories that an operation can lead to."""

    ORIGINAL = "OriginalMediaContent"
    EDITED_OR_CROPPED = "EditedOrCroppedContent"
    TRANSFORMED = "TransformedContent"


@dataclass(frozen=True)
class OperationRow:
    """What is known of one operation, wherever it was found."""

    type: OperationType
    severity: Severity
    extent: Extent
    c2pa_action: str
    digital_source_type: str | None  # IPTC
    media_authenticity: MediaAuthenticity  # schema.org
    description: str  # what was done, for documents
    _: KW_ONLY
    # For a verdict, after "compared with that,"; None: a verdict does not mention it.
    phrase: str | None = None
    # Whether the content then shows something else than the reference, not only differently.
    changes_content: bool = False
    concerns_face: bool = False
    shows_another_face: bool = False  # another person's, or another expression
    # Whether it can be told only from two frames of the same moment: between others, motion looks like it.
    needs_same_moment: bool = False
    # Whether it stays about where it is from frame to frame; coarse coding differs from place to place.
    stays_in_place: bool = False
    least_share: float = 0.5  # of the compared frames of a video, those that must show it

    @property
    def rank(self) -> int:
        """The place of the operation in the order of severity, 0 for the most severe."""
        return _RANKS[self.type]


_SAME, _EDITED, _TRANSFORMED = MediaAuthenticity
# fmt: off
_ROWS = (
    OperationRow(OperationType.FACE_SWAP, Severity.PERSON_ALTERED, Extent.PART,
                 "c2pa.edited", _BY_MODEL, _TRANSFORMED,
                 "another person's face in place of the one that was there, the picture around it kept",
                 phrase="a face was replaced (face swap)",
                 changes_content=True, concerns_face=True, shows_another_face=True, needs_same_moment=True,
                 least_share=0.34),
    OperationRow(OperationType.PERSON_REPLACED, Severity.PERSON_ALTERED, Extent.PART,
                 "c2pa.edited", _BY_MODEL, _TRANSFORMED,
                 "another person from head to body in place of the one there, the surroundings kept",
                 phrase="a person was replaced",
                 changes_content=True, concerns_face=True, shows_another_face=True, needs_same_moment=True,
                 least_share=0.6),  # another take in the same room has persons in one place now and then
    OperationRow(OperationType.FACE_REENACTED, Severity.PERSON_ALTERED, Extent.PART,
                 "c2pa.edited", _BY_MODEL, _TRANSFORMED,
                 "the same person, but expression, mouth or pose changed",
                 phrase="a face was re-enacted",
                 changes_content=True, concerns_face=True, shows_another_face=True, needs_same_moment=True,
                 least_share=0.34),
    OperationRow(OperationType.COMPOSITE, Severity.MISLEADING_CAPABLE, Extent.PART,
                 "c2pa.placed", _COMPOSITE, _TRANSFORMED,
                 "a large part shows something else",
                 phrase="a large part shows something else",
                 changes_content=True, needs_same_moment=True),
    OperationRow(OperationType.LOCAL_EDIT, Severity.MISLEADING_CAPABLE, Extent.PART,
                 "c2pa.edited", _COMPOSITE, _TRANSFORMED,
                 "a part of it painted over, copied, blurred, removed",
                 phrase="a part was edited",
                 changes_content=True, needs_same_moment=True, stays_in_place=True),
    OperationRow(OperationType.REVERSED, Severity.MISLEADING_CAPABLE, Extent.TIME,
                 "c2pa.edited", _BY_HAND, _TRANSFORMED,
                 "played backwards",
                 phrase="it plays backwards",
                 changes_content=True),
    OperationRow(OperationType.REORDERED, Severity.MISLEADING_CAPABLE, Extent.TIME,
                 "c2pa.edited", _BY_HAND, _TRANSFORMED,
                 "parts in another order",
                 phrase="parts were put in another order",
                 changes_content=True),
    OperationRow(OperationType.RETIMED, Severity.MISLEADING_CAPABLE, Extent.TIME,
                 "c2pa.edited", _BY_HAND, _TRANSFORMED,
                 "played at another speed, or one frame frozen; `factor` is the playback speed of the "
                 "upload against the original: slowed to three quarters is 0.75",
                 phrase="it plays at another speed",
                 changes_content=True),
    OperationRow(OperationType.PICTURES_REPLACED, Severity.MISLEADING_CAPABLE, Extent.FRAME,
                 "c2pa.edited", _COMPOSITE, _TRANSFORMED,
                 "the original's sound under other pictures",
                 phrase="its sound is heard under other pictures",
                 changes_content=True),
    OperationRow(OperationType.AUDIO_REPLACED, Severity.MISLEADING_CAPABLE, Extent.AUDIO,
                 "c2pa.edited", _COMPOSITE, _TRANSFORMED,
                 "other sound under the original's pictures, or none",
                 phrase="its sound is not the original's",
                 changes_content=True),
    OperationRow(OperationType.FACE_EDITED, Severity.MISLEADING_CAPABLE, Extent.PART,
                 "c2pa.edited", _ENHANCED, _TRANSFORMED,
                 "the same person and expression, features or skin changed: retouch, age, make-up",
                 phrase="a face was edited",
                 changes_content=True, concerns_face=True, needs_same_moment=True),
    OperationRow(OperationType.FACE_COVERED, Severity.EDITED, Extent.PART,
                 "c2pa.drawing", _BY_HAND, _EDITED,
                 "a bar, glasses, a mask, an emoji, pixels or a blur over it",
                 changes_content=True, concerns_face=True, needs_same_moment=True),
    OperationRow(OperationType.FRAME_OVERLAY, Severity.EDITED, Extent.PART,
                 "c2pa.placed", _COMPOSITE, _EDITED,
                 "another moving picture laid over a part of the frame",
                 changes_content=True, needs_same_moment=True),
    OperationRow(OperationType.OVERLAY, Severity.EDITED, Extent.PART,
                 "c2pa.drawing", _BY_HAND, _EDITED,
                 "text, a logo, a sticker or a bar laid over it",
                 changes_content=True, needs_same_moment=True, stays_in_place=True),
    OperationRow(OperationType.MIRRORED, Severity.EDITED, Extent.FRAME,
                 "c2pa.orientation", _BY_HAND, _EDITED,
                 "left to right"),
    OperationRow(OperationType.ROTATED, Severity.EDITED, Extent.FRAME,
                 "c2pa.orientation", _BY_HAND, _EDITED,
                 "turned",
                 needs_same_moment=True),
    OperationRow(OperationType.STRETCHED, Severity.EDITED, Extent.FRAME,
                 "c2pa.resized", _BY_HAND, _EDITED,
                 "its proportions changed: bodies and faces made slimmer or broader"),
    OperationRow(OperationType.CROPPED, Severity.EDITED, Extent.FRAME,
                 "c2pa.cropped", _BY_HAND, _EDITED,
                 "a part of it"),
    OperationRow(OperationType.EMBEDDED, Severity.EDITED, Extent.FRAME,
                 "c2pa.placed", _COMPOSITE, _EDITED,
                 "placed inside another picture: a screenshot, a picture in a picture"),
    OperationRow(OperationType.BORDERED, Severity.EDITED, Extent.FRAME,
                 "c2pa.placed", _BY_HAND, _EDITED,
                 "something new around it"),
    OperationRow(OperationType.AUDIO_RETIMED, Severity.EDITED, Extent.AUDIO,
                 "c2pa.edited", _BY_HAND, _TRANSFORMED,
                 "the sound slowed or sped up with the pictures, or heard earlier or later than they are "
                 "shown; the sentence says by how much, or whether its pitch was corrected"),
    OperationRow(OperationType.CLIPPED, Severity.EDITED, Extent.TIME,
                 "c2pa.cropped", _BY_HAND, _EDITED,
                 "seconds of the original are missing"),
    OperationRow(OperationType.CONCATENATED, Severity.EDITED, Extent.TIME,
                 "c2pa.placed", _COMPOSITE, _EDITED,
                 "joined with other footage"),
    OperationRow(OperationType.LOOPED, Severity.EDITED, Extent.TIME,
                 "c2pa.edited", _BY_HAND, _EDITED,
                 "a part shown again and again"),
    OperationRow(OperationType.RESIZED, Severity.TECHNICAL, Extent.FRAME,
                 "c2pa.resized", None, _SAME,
                 "smaller or larger"),
    OperationRow(OperationType.COLOUR, Severity.TECHNICAL, Extent.FRAME,
                 "c2pa.adjustedColor", _BY_HAND, _SAME,
                 "exposure, white balance, saturation, grey"),
    OperationRow(OperationType.FILTERED, Severity.TECHNICAL, Extent.FRAME,
                 "c2pa.filtered", _ENHANCED, _SAME,
                 "blurred, sharpened, reduced to few colours or darkened towards its corners, as a whole",
                 needs_same_moment=True, least_share=0.8),
    OperationRow(OperationType.RE_ENCODED, Severity.TECHNICAL, Extent.FRAME,
                 "c2pa.transcoded", None, _SAME,
                 "other bytes of the same picture, or saved as a coarse JPEG"),
)
# fmt: on
_RANKS = {row.type: rank for rank, row in enumerate(_ROWS)}
OPERATIONS = {row.type: row for row in _ROWS}  # the most severe first


def most_severe(operations: Iterable[OperationType]) -> Severity:
    """Returns the highest severity of these operations; none where nothing was done."""
    severities = (OPERATIONS[operation].severity for operation in operations)
    return max(severities, key=lambda severity: severity.rank, default=Severity.NONE)

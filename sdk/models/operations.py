"""The vocabulary of operations, and what other vocabularies call them.

C2PA: the action that a manifest would name (C2PA 2.2, actions). IPTC: the digital source type of that
action (`cv.iptc.org/newscodes/digitalsourcetype`), where one is needed. schema.org: the
`mediaAuthenticityCategory` of a MediaReview. All three say what was done, none whether it was meant to
deceive.
"""

from dataclasses import dataclass
from enum import StrEnum

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class OperationType(StrEnum):
    """One thing done to a registered picture."""

    RE_ENCODED = "re-encoded"
    RESIZED = "resized"
    COLOUR = "colour"
    CROPPED = "cropped"
    MIRRORED = "mirrored"
    ROTATED = "rotated"
    BORDERED = "bordered"
    EMBEDDED = "embedded"
    OVERLAY = "overlay"
    LOCAL_EDIT = "local_edit"
    FACE_SWAP = "face_swap"
    FACE_REENACTED = "face_reenacted"
    FACE_EDITED = "face_edited"
    FACE_COVERED = "face_covered"
    COMPOSITE = "composite"
    RETIMED = "retimed"
    REVERSED = "reversed"
    CLIPPED = "clipped"
    REORDERED = "reordered"
    LOOPED = "looped"
    CONCATENATED = "concatenated"
    FRAME_OVERLAY = "frame_overlay"
    AUDIO_REPLACED = "audio_replaced"
    AUDIO_RETIMED = "audio_retimed"
    PICTURES_REPLACED = "pictures_replaced"


class MediaAuthenticity(StrEnum):
    """schema.org's categories that an operation can lead to."""

    ORIGINAL = "OriginalMediaContent"
    EDITED_OR_CROPPED = "EditedOrCroppedContent"
    TRANSFORMED = "TransformedContent"


@dataclass(frozen=True)
class OperationTerms:
    """What an operation is called elsewhere."""

    c2pa_action: str
    digital_source_type: str | None
    media_authenticity: MediaAuthenticity


_SAME, _EDITED, _TRANSFORMED = MediaAuthenticity
_BY_HAND, _BY_MODEL = f"{IPTC}humanEdits", f"{IPTC}compositeWithTrainedAlgorithmicMedia"
TERMS = {
    OperationType.RE_ENCODED: OperationTerms("c2pa.transcoded", None, _SAME),
    OperationType.RESIZED: OperationTerms("c2pa.resized", None, _SAME),
    OperationType.COLOUR: OperationTerms("c2pa.adjustedColor", _BY_HAND, _SAME),
    OperationType.CROPPED: OperationTerms("c2pa.cropped", _BY_HAND, _EDITED),
    OperationType.MIRRORED: OperationTerms("c2pa.orientation", _BY_HAND, _EDITED),
    OperationType.ROTATED: OperationTerms("c2pa.orientation", _BY_HAND, _EDITED),
    OperationType.BORDERED: OperationTerms("c2pa.placed", _BY_HAND, _EDITED),
    OperationType.EMBEDDED: OperationTerms("c2pa.placed", f"{IPTC}composite", _EDITED),
    OperationType.OVERLAY: OperationTerms("c2pa.drawing", _BY_HAND, _EDITED),
    OperationType.LOCAL_EDIT: OperationTerms("c2pa.edited", f"{IPTC}composite", _TRANSFORMED),
    OperationType.FACE_SWAP: OperationTerms("c2pa.edited", _BY_MODEL, _TRANSFORMED),
    OperationType.FACE_REENACTED: OperationTerms("c2pa.edited", _BY_MODEL, _TRANSFORMED),
    OperationType.FACE_EDITED: OperationTerms(
        "c2pa.edited", f"{IPTC}algorithmicallyEnhanced", _TRANSFORMED
    ),
    OperationType.FACE_COVERED: OperationTerms("c2pa.drawing", _BY_HAND, _EDITED),
    OperationType.COMPOSITE: OperationTerms("c2pa.placed", f"{IPTC}composite", _TRANSFORMED),
    OperationType.RETIMED: OperationTerms("c2pa.edited", _BY_HAND, _TRANSFORMED),
    OperationType.REVERSED: OperationTerms("c2pa.edited", _BY_HAND, _TRANSFORMED),
    OperationType.CLIPPED: OperationTerms("c2pa.cropped", _BY_HAND, _EDITED),
    OperationType.REORDERED: OperationTerms("c2pa.edited", _BY_HAND, _TRANSFORMED),
    OperationType.LOOPED: OperationTerms("c2pa.edited", _BY_HAND, _EDITED),
    OperationType.CONCATENATED: OperationTerms("c2pa.placed", f"{IPTC}composite", _EDITED),
    OperationType.AUDIO_REPLACED: OperationTerms("c2pa.edited", f"{IPTC}composite", _TRANSFORMED),
    OperationType.AUDIO_RETIMED: OperationTerms("c2pa.edited", _BY_HAND, _TRANSFORMED),
    OperationType.PICTURES_REPLACED: OperationTerms("c2pa.edited", f"{IPTC}composite", _TRANSFORMED),
    OperationType.FRAME_OVERLAY: OperationTerms("c2pa.placed", f"{IPTC}composite", _EDITED),
}

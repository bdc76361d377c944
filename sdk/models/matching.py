"""Questions about an upload, and their answers."""

import base64
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from sdk.models.base import Wire, in_words
from sdk.models.operations import Certainty, Degree, Direction, MediaAuthenticity, OperationType, Severity
from sdk.models.records import FingerprintValue, Receipt, RecordSummary


class Effort(StrEnum):
    """How closely a registry looks at what an upload may come from."""

    FAST = "fast"  # the same of the whole picture only: what is small in another picture is not found
    STANDARD = "standard"  # candidates pass a quick check before they are compared
    THOROUGH = "thorough"  # all of them are compared, by every means

    def at_least(self, other: "Effort | None") -> "Effort":
        """The closer of two looks."""
        order = list(Effort)
        return self if other is None else max(self, other, key=order.index)


class Strength(StrEnum):
    """How sure a match is, in words; error rates stand in docs/quality.md."""

    EXACT = "exact"
    VERY_STRONG = "very_strong"
    STRONG = "strong"
    MODERATE = "moderate"
    WEAK = "weak"


class MatchRelation(StrEnum):
    """What the upload is to the registered asset."""

    SAME_FILE = "same_file"
    SAME_PICTURE = "same_picture"
    DERIVATIVE = "derivative"
    POSSIBLY_RELATED = "possibly_related"


class AlterationShown(StrEnum):
    """Whether an upload shows what makes a registered fake false."""

    SHOWN = "shown"
    NOT_SHOWN = "not_shown"  # it shows there what the original shows
    NOT_IN_FRAME = "not_in_frame"  # the altered part is not in it, or is covered
    UNKNOWN = "unknown"  # what was altered is not known here, or it shows a third thing there


class VerdictKind(StrEnum):
    """What the matches mean together."""

    REGISTERED_ORIGINAL = "registered_original"
    DERIVATIVE_OF_ORIGINAL = "derivative_of_original"
    KNOWN_FAKE = "known_fake"
    REPORTED = "reported"  # one publisher says that it is a fake, and nothing else speaks for that
    AI_GENERATED = "ai_generated"
    REGISTERED_DERIVATIVE = "registered_derivative"
    DISPUTED = "disputed"  # rival claims of several publishers that one picture is their original
    # It has its picture in common with a registered fake or AI-generated one; that it is that one is not
    # shown, and may be wrong.
    SHARES_PICTURE = "shares_picture"
    # Fingerprints alone were compared, which cannot tell a fake from the picture that it was made from.
    ONE_OF_THESE = "one_of_these"
    POSSIBLE_MATCH = "possible_match"
    NOT_IN_REGISTRY = "not_in_registry"
    NOT_FINGERPRINTABLE = "not_fingerprintable"


class FingerprintQuery(Wire):
    """A question about a picture that stays where it is: its fingerprints."""

    fingerprints: tuple[FingerprintValue, ...] = Field(min_length=1, max_length=64)
    digest_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


Corner = tuple[float, float]
# Bytes here, base64 on the wire.
PictureBytes = Annotated[
    bytes,
    BeforeValidator(
        lambda value: base64.b64decode(value, validate=True) if isinstance(value, str) else value
    ),
    PlainSerializer(lambda value: base64.b64encode(value).decode(), when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}),
]


class Region(Wire):
    """A quadrilateral as shares of width and height, clockwise from the upper left corner."""

    corners: tuple[Corner, Corner, Corner, Corner]


class Operation(Wire):
    """One thing that was done to the reference, with its terms elsewhere (docs/operations.md)."""

    type: OperationType
    degree: Degree
    certainty: Certainty | None = None  # that it was done; None: an older registry did not say
    sentence: str
    c2pa_action: str
    digital_source_type: str | None  # IPTC
    media_authenticity: MediaAuthenticity  # schema.org
    region: Region | None = None  # in the upload
    share: float | None = None  # of the upload's area, that the region takes
    reference_region: Region | None = None
    factor: float | None = None  # of `retimed`: playback speed of the upload against the original
    measured: dict[str, Any] = Field(default_factory=dict)

    def how_much_in_words(self) -> str:
        """How far it went and how sure it is, as people read it: "strong, very likely"."""
        return ", ".join(in_words(one) for one in (self.degree, self.certainty) if one is not None)


Seconds = tuple[float, float]


class Segment(Wire):
    """A stretch of the upload, and the stretch of the registered video that it shows; seconds."""

    query: Seconds
    reference: Seconds  # rising, also where it is played backwards
    factor: float | None  # playback speed of the upload; 0: a frozen frame; None: a still image
    operations: tuple[Operation, ...]  # what was done in this stretch, the most severe first
    # Similarity of the frames over its time, in equal steps, -1..1; only with the scope `evidence`.
    similarity: tuple[float, ...] = ()


class Evidence(Wire):
    """The numbers behind a match, for keys with the scope `evidence` only."""

    found_by: tuple[str, ...]
    pdq_distance: int | None = None
    pdq_orientation: str | None = None
    phash_distance: int | None = None
    hash_list_distances: dict[str, int] = Field(default_factory=dict)  # bits, by kind (docs/hash-lists.md)
    descriptor_similarity: float | None = None
    descriptor_rate: float | None = (
        None  # of unrelated pairs, those that are so similar; below 1e-5 extrapolated
    )
    inliers: int | None = None
    pairs: int | None = None
    spread: float | None = None  # share of what both pictures show that the inliers span
    confidence: float
    # Of the windows with detail once the query is warped onto the reference: the share that agrees, that
    # disagrees, and that agrees with a place nearby.
    agreeing: float | None = None
    disagreeing: float | None = None
    moved: float | None = None
    fine: float | None = None  # correlation of the finest detail, -1..1


class Match(Wire):
    """One registered asset that the upload comes from."""

    record: RecordSummary
    # What its publisher declares it to come from, where that is registered here and the comparison of the
    # two confirmed it.
    made_from: tuple[RecordSummary, ...] = ()
    relation: MatchRelation
    direction: Direction = Direction.UNKNOWN  # of upload (query) and record (reference)
    direction_reason: str | None = None  # a sentence: what shows it
    strength: Strength
    severity: Severity = Severity.NONE  # of the most severe operation
    alteration: AlterationShown | None = None  # of a registered fake or AI-generated asset
    summary: str = ""  # one line
    operations: tuple[Operation, ...]  # the most severe first
    segments: tuple[Segment, ...] = ()  # of videos: which seconds are which, in the order of the upload
    uncertain: tuple[str, ...] = ()  # sentences: what could not be told, and why
    verified: bool  # whether the pictures were compared, not only their fingerprints
    explanation: str
    receipt: Receipt | None
    evidence: Evidence | None = None


class Comparison(Wire):
    """What was changed between an upload and one registered asset."""

    record: RecordSummary
    digest_sha256: str  # of the upload
    relation: MatchRelation | None  # None: nothing that the two have in common was found
    direction: Direction = Direction.UNKNOWN  # of upload (query) and record (reference)
    direction_reason: str | None = None  # a sentence: what shows it
    strength: Strength | None
    severity: Severity = Severity.NONE  # of the most severe operation
    alteration: AlterationShown | None = None  # of a registered fake or AI-generated asset
    operations: tuple[Operation, ...]  # the most severe first
    segments: tuple[Segment, ...] = ()  # of videos
    uncertain: tuple[str, ...]  # sentences: what could not be told, and why
    verified: bool
    explanation: str
    # PNG in the frame of the registered picture, transparent where nothing was changed; of an intimate
    # record only for those who may see its picture.
    change_map: PictureBytes | None = None


class Computed(Wire):
    """What was computed of the upload."""

    digest_sha256: str | None
    kinds: tuple[str, ...]
    quality: int | None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    effort: Effort | None = None  # with which a still was compared; None: a video, or no picture
    note: str | None = None


class Freshness(Wire):
    """How current the index was when it answered."""

    records_searched: int
    position: int  # the last change that the index had applied
    lag: int  # changes that were committed but not yet searched
    checkpoint_size: int


class Family(Wire):
    """Ids of matched records that show one thing: copies, crops, fakes and what they were made from."""

    records: tuple[str, ...]  # the one that explains the upload best is the first
    registered_first: str


class Verdict(Wire):
    """What the matches mean together, in words."""

    kind: VerdictKind
    sentence: str
    # How far the upload, or the known fake that it shows, is from what it was made from.
    severity: Severity = Severity.NONE
    record: str | None = None  # the id of the record that it is about


class MatchAnswer(Wire):
    """The answer to a match request."""

    answered_at: datetime
    computed: Computed
    verdict: Verdict
    matches: tuple[Match, ...]
    families: tuple[
        Family, ...
    ] = ()  # of the matches that are stronger than weak, the one it is about first
    index: Freshness
    signature: str | None = None  # by the registry's own key; `sdk.answers.verify_answer` checks it

    def kind_in_words(self) -> str:
        """What people read above the sentence; none is called a derivative whose direction is not known."""
        lead = next((match for match in self.matches if match.record.id == self.verdict.record), None)
        is_derivative = self.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
        if is_derivative and lead is not None and lead.direction is not Direction.FROM_REFERENCE:
            return "shares its picture with an original"
        if self.verdict.kind is VerdictKind.REPORTED:
            return "reported as a fake"
        return in_words(self.verdict.kind)

"""Wire types, shared by client and service. Frozen; unknown fields are refused."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sdk.records import AssetClass, ShownText


class Wire(BaseModel):
    """Base of all wire types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProblemField(Wire):
    """One field of a request that is not valid."""

    field: str
    reason: str


class Problem(Wire):
    """An RFC 9457 problem document; docs/problems.md lists the codes."""

    type: str
    title: str
    status: int
    detail: str
    code: str  # stable, for programs
    fields: tuple[ProblemField, ...] = ()


class Role(StrEnum):
    """What an organisation is here for; bounds the scopes that its API keys may have."""

    PUBLISHER = "publisher"
    PLATFORM = "platform"
    RESEARCHER = "researcher"
    REVIEWER = "reviewer"
    OPERATOR = "operator"


class Scope(StrEnum):
    """What an API key may do."""

    REGISTER = "register"
    MATCH = "match"
    PUBLISH_FAKE = "publish-fake"
    REVIEW = "review"
    EVIDENCE = "evidence"
    ADMIN = "admin"


class Strength(StrEnum):
    """How sure a match is, in words; error rates stand in docs/quality.md."""

    EXACT = "exact"
    VERY_STRONG = "very strong"
    STRONG = "strong"
    MODERATE = "moderate"
    WEAK = "weak"


class MatchRelation(StrEnum):
    """What the upload is to the registered asset."""

    SAME_FILE = "same_file"
    SAME_PICTURE = "same_picture"
    DERIVATIVE = "derivative"
    POSSIBLY_RELATED = "possibly_related"


class VerdictKind(StrEnum):
    """What the matches mean together."""

    REGISTERED_ORIGINAL = "registered_original"
    DERIVATIVE_OF_ORIGINAL = "derivative_of_original"
    KNOWN_FAKE = "known_fake"
    AI_GENERATED = "ai_generated"
    REGISTERED_DERIVATIVE = "registered_derivative"
    CONTESTED = "contested"
    POSSIBLE_MATCH = "possible_match"
    NOT_IN_REGISTRY = "not_in_registry"
    NOT_FINGERPRINTABLE = "not_fingerprintable"


class NewPublisher(Wire):
    """Enrol an organisation."""

    name: ShownText = Field(max_length=200)
    contact: ShownText = Field(min_length=3, max_length=200)
    did: str | None = Field(default=None, pattern=r"^did:web:[A-Za-z0-9.:%-]{3,250}$")
    role: Role = Role.PUBLISHER


class Publisher(Wire):
    """An enrolled organisation."""

    id: str
    name: str
    did: str | None
    role: Role
    issuer: str  # what its statements must name as `issuer`
    enrolled_at: datetime


class NewPublisherKey(Wire):
    """Add a signing key: its public half as JWK."""

    jwk: dict[str, str]


class PublisherKey(Wire):
    """A signing key and when it may be believed."""

    kid: str
    publisher: str
    jwk: dict[str, str]
    valid_from: datetime
    valid_until: datetime | None
    revoked_at: datetime | None


class KeyValidity(Wire):
    """Whether a key was valid at a time."""

    kid: str
    at: datetime
    valid: bool
    reason: str


class NewApiKey(Wire):
    """Ask for an API key."""

    publisher: str
    scopes: tuple[Scope, ...] = Field(min_length=1)
    expires_in_days: int = Field(default=365, ge=1, le=365)


class ApiKey(Wire):
    """An API key, without its secret."""

    id: str
    publisher: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class IssuedApiKey(ApiKey):
    """An API key with its secret, which is shown this once."""

    secret: str


class FingerprintValue(Wire):
    """A fingerprint made on the caller's device: `kind:value`."""

    value: str = Field(max_length=2000)
    orientation: int = Field(default=0, ge=0, le=7)
    quality: int | None = Field(default=None, ge=0, le=100)


class FingerprintRegistration(Wire):
    """Register without the picture: the statement binds the list through the nonce."""

    statement: str = Field(max_length=32 * 1024)
    nonce: str = Field(min_length=16, max_length=100)
    fingerprints: tuple[FingerprintValue, ...] = Field(min_length=1, max_length=64)
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)


class FingerprintQuery(Wire):
    """Match without the picture."""

    fingerprints: tuple[FingerprintValue, ...] = Field(min_length=1, max_length=64)
    digest_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class Receipt(Wire):
    """Everything that is needed to check a record offline, together with two public keys."""

    record: str  # compact JWS
    salt: str  # base64, 32 bytes
    entry: str  # base64, the log entry
    proof: str  # c2sp.org/tlog-proof@v1: index, hashes, checkpoint
    publisher_key: dict[str, str]
    log_key: str  # vkey


class Edge(Wire):
    """A declared or detected line from a record to another."""

    relation: str
    target: str
    origin: str  # declared or detected


class RecordSummary(Wire):
    """A registered record without numbers or fingerprints."""

    id: str
    label: str
    asset_class: AssetClass = Field(alias="class")
    publisher: str
    publisher_name: str
    registered_at: datetime
    status: str
    contested_with: tuple[str, ...] = ()
    edges: tuple[Edge, ...] = ()
    log_index: int | None
    preview: str | None = None

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Registration(Wire):
    """The answer to a registration."""

    record: RecordSummary
    already_registered: bool
    receipt: Receipt


Corner = tuple[float, float]


class Region(Wire):
    """A quadrilateral as shares of width and height, clockwise from the upper left corner."""

    corners: tuple[Corner, Corner, Corner, Corner]


class Operation(Wire):
    """One thing that was done to the reference."""

    type: str
    strength: str
    sentence: str
    region: Region | None = None  # in the upload
    reference_region: Region | None = None
    measured: dict[str, Any] = {}


class Evidence(Wire):
    """The numbers behind a match; only for keys with the scope `evidence`."""

    found_by: tuple[str, ...]
    pdq_distance: int | None = None
    pdq_orientation: str | None = None
    phash_distance: int | None = None
    descriptor_similarity: float | None = None
    inliers: int | None = None
    pairs: int | None = None
    spread: float | None = None  # share of what both pictures show that the inliers span
    confidence: float


class Match(Wire):
    """One registered asset that the upload comes from."""

    record: RecordSummary
    relation: MatchRelation
    strength: Strength
    operations: tuple[Operation, ...]
    verified: bool  # whether the pictures were compared, not only their fingerprints
    explanation: str
    receipt: Receipt | None
    evidence: Evidence | None = None


class Computed(Wire):
    """What was computed from the upload."""

    digest_sha256: str | None
    kinds: tuple[str, ...]
    quality: int | None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    note: str | None = None


class Freshness(Wire):
    """How current the index was when it answered."""

    records_searched: int
    through_change: int
    behind: int  # changes that were committed but not yet searched
    checkpoint_size: int


class Verdict(Wire):
    """What the matches mean together, in words."""

    kind: VerdictKind
    sentence: str


class MatchAnswer(Wire):
    """The answer to a match request."""

    answered_at: datetime
    computed: Computed
    verdict: Verdict
    matches: tuple[Match, ...]
    index: Freshness
    signature: str | None = None  # by the registry's own key; `sdk.answers.verify_answer` checks it


class LogState(Wire):
    """The log's newest checkpoint and the key that signs it."""

    origin: str
    size: int
    checkpoint: str
    log_key: str


class Consistency(Wire):
    """A consistency proof between two tree sizes."""

    first: int
    second: int
    hashes: Annotated[tuple[str, ...], Field(description="base64, RFC 9162 order")]


class AuditFinding(Wire):
    """One difference between what is stored and what follows from the rows."""

    what: str
    detail: str


class AuditReport(Wire):
    """What an audit derived again, and every difference it found."""

    clean: bool
    records: int
    log_size: int
    fingerprints: int
    findings: tuple[AuditFinding, ...]


class Doctor(Wire):
    """What this registry runs on."""

    version: str
    device: str
    index: str
    isolation: str
    database: str
    blobs: str
    records: int
    fingerprints: dict[str, int]
    freshness: Freshness
    oldest_index_s: float

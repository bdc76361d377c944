"""Who may sign and who may ask."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from sdk.dids import DID, canonical_did
from sdk.models.base import Wire
from sdk.possession import MAXIMUM_PROOF_BYTES
from sdk.records import ShownText
from sdk.shown_text import as_name


class Role(StrEnum):
    """What an organisation is here for; it bounds the scopes of its API keys."""

    PUBLISHER = "publisher"
    PLATFORM = "platform"
    RESEARCHER = "researcher"
    REVIEWER = "reviewer"
    OPERATOR = "operator"


class Scope(StrEnum):
    """What an API key may do."""

    REGISTER = "register"
    MATCH = "match"
    PUBLISH_FAKE = "publish_fake"
    REVIEW = "review"
    EVIDENCE = "evidence"
    MANAGE_KEYS = "manage_keys"  # add, rotate and revoke the organisation's signing keys
    MONITOR = "monitor"  # read metrics
    GATE = "gate"  # have uploads decided
    READ_DECISIONS = "read_decisions"  # of the key's own organisation, as the next three
    REVIEW_DECISIONS = "review_decisions"  # decide what was held
    WRITE_POLICIES = "write_policies"  # add policy packs, test and replay them
    ACTIVATE_POLICIES = "activate_policies"
    ADMIN = "admin"


class DidStatus(StrEnum):
    """Whether anything shows that an identifier is its publisher's."""

    PROVEN = "proven"  # a did:key, whose own key signed that it is this publisher's
    UNPROVEN = "unproven"  # what the publisher says: no did:web is read here


class NewPublisher(Wire):
    """An organisation to be enrolled. Its name and its identifier are kept in their one form."""

    name: Annotated[ShownText, AfterValidator(as_name)] = Field(max_length=200)
    contact: ShownText = Field(min_length=3, max_length=200)
    did: Annotated[str, Field(pattern=DID), AfterValidator(canonical_did)] | None = None
    role: Role = Role.PUBLISHER


class Publisher(Wire):
    """An enrolled organisation."""

    id: str
    name: str
    did: str | None
    did_status: DidStatus | None = None
    role: Role
    issuer: str  # what its statements must name as `issuer`
    enrolled_at: datetime


class NewPublisherKey(Wire):
    """A signing key to be enrolled: its public half as JWK, and the proof that its owner wants that."""

    jwk: dict[str, Any] = Field(max_length=20)
    proof: str = Field(max_length=MAXIMUM_PROOF_BYTES, description="made by `sdk.possession`, compact JWS")


class PublisherKey(Wire):
    """A signing key, and the time in which it may be believed."""

    kid: str
    publisher: str
    jwk: dict[str, str]
    valid_from: datetime
    valid_until: datetime | None
    revoked_at: datetime | None


class KeyValidity(Wire):
    """Whether a signing key was valid at a time, and why."""

    kid: str
    at: datetime
    valid: bool
    reason: str


class NewApiKey(Wire):
    """An API key to be issued."""

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

"""What is registered, what is known of it, and the receipt for it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from sdk.models.base import Wire, in_words
from sdk.models.operations import OperationType
from sdk.records import AssetClass, ShownText


class FingerprintValue(Wire):
    """A fingerprint made on the caller's device: `kind:value`."""

    value: str = Field(max_length=4000)  # a crop-resistant hash of 179 segments is the longest
    orientation: int = Field(default=0, ge=0, le=7)
    quality: int | None = Field(default=None, ge=0, le=100)


class FingerprintRegistration(Wire):
    """A registration without the picture; the signed statement binds nonce and fingerprints."""

    statement: str = Field(max_length=32 * 1024)
    nonce: str = Field(min_length=16, max_length=100)
    fingerprints: tuple[FingerprintValue, ...] = Field(min_length=1, max_length=64)
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)


class Receipt(Wire):
    """Everything that is needed to verify a record offline, with the two public keys."""

    record: str  # compact JWS
    salt: str  # base64, 32 bytes
    entry: str  # base64, the log entry
    proof: str  # c2sp.org/tlog-proof@v1: index, hashes, checkpoint
    publisher_key: dict[str, str]
    log_key: str  # vkey


class SourceAgreement(StrEnum):
    """What the registry's own comparison says of a declared source."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"  # both pictures were compared, and nothing in common was found
    NOT_COMPARED = "not_compared"  # a picture is not here, or the declaration is about a person


class DeclaredSource(Wire):
    """What a record is declared to come from, beside what was detected between the two."""

    relation: str
    target: str
    origin: str  # declared or detected
    agreement: SourceAgreement = SourceAgreement.NOT_COMPARED
    operations: tuple[OperationType, ...] = ()  # detected, the most severe first


class Standing(StrEnum):
    """Whether more than one report speaks for a known fake."""

    REPORTED = "reported"
    CONFIRMED = "confirmed"


class Review(Wire):
    """What a reviewer found of a known fake."""

    confirmed: bool
    reason: str
    reviewer: str  # id of the organisation
    at: datetime


class NewReview(Wire):
    """A review of a known fake that another organisation registered."""

    confirmed: bool
    reason: Annotated[ShownText, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        max_length=500, description="public: names nobody who is depicted"
    )


class FakeStanding(Wire):
    """What speaks for a record of a known fake, beside the publisher that registered it.

    A review decides. Without one it is confirmed where another publisher registered the same fake, or where
    the registry itself found it altered from another publisher's original.
    """

    standing: Standing
    corroborated_by: tuple[str, ...] = ()  # records of the same fake by other publishers
    altered_from: tuple[str, ...] = ()  # originals of other publishers, as the comparison found
    review: Review | None = None


class RecordSummary(Wire):
    """A registered record without numbers or fingerprints."""

    id: str
    label: str
    asset_class: AssetClass = Field(alias="class")
    publisher: str
    publisher_name: str
    registered_at: datetime
    status: str
    disputed_with: tuple[str, ...] = ()
    fake: FakeStanding | None = None  # of a known fake
    declared_sources: tuple[DeclaredSource, ...] = ()
    intimate: bool = False  # its preview is given to its publisher and to the scope `review` only
    # Whether the file was shown to the registry; else its publisher sent fingerprints, and a digest in its
    # statement is a claim that nobody checked.
    media_seen: bool = True
    log_index: int | None
    duration_s: float | None = None  # of a video; None: a still image
    preview: str | None = None

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def class_in_words(self) -> str:
        """What people read that it is registered as."""
        is_active = self.status == "active"  # of a withdrawn one nothing speaks for or against any more
        is_reported = is_active and self.fake is not None and self.fake.standing is Standing.REPORTED
        return "reported fake" if is_reported else in_words(self.asset_class)


class Registration(Wire):
    """The answer to a registration."""

    record: RecordSummary
    already_registered: bool
    receipt: Receipt
    # What of the file could not be read: it is registered without that. Of what is sent in this request,
    # not kept: a file that is known already is not read again.
    notes: tuple[str, ...] = ()

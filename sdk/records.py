"""The signed record: a W3C Verifiable Credential 2.0 in a compact JWS, ES256 (RFC 7515, VC-JOSE-COSE).

The signed bytes are the stored bytes, so no database round trip breaks a signature. A record carries
the digest of the asset and never the value of a fingerprint.
"""

import base64
import hashlib
import json
import re
import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

import rfc8785
from joserfc import jws
from joserfc.jwk import ECKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdk.encodings import (
    ALGORITHM,
    BadEncoding,
    Compact,
    NestedTooDeep,
    is_signed_by,
    parse_compact,
    parse_object,
)
from sdk.errors import VerificationError
from sdk.flaws import first_flaw_in_words
from sdk.keys import thumbprint
from sdk.shown_text import as_label

HEADER_TYPE, CONTENT_TYPE = "vc+jwt", "vc"
CREDENTIAL_TYPE = "MediaProvenanceRecord"
CONTEXT = ["https://www.w3.org/ns/credentials/v2", {"@vocab": "urn:trueprint:terms:"}]
MAXIMUM_RECORD_BYTES = 32 * 1024
TYPES = ["VerifiableCredential", CREDENTIAL_TYPE]
MEMBERS = {"@context", "id", "type", "issuer", "validFrom", "aud", "credentialSubject"}
SUBJECT_MEMBERS = {
    "id",
    "class",
    "digestSHA256",
    "label",
    "mediaType",
    "fingerprintsSHA256",
    "previewAllowed",
    "intimate",
    "derivedFrom",
    "identityFrom",
}
DATE_TIME = re.compile(  # dateTimeStamp of XML Schema, as VC 2.0 wants it
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII
)
# Names and labels are shown to strangers, on pages and in terminals: no control characters, and none that
# turn the direction of writing (CVE-2021-42574).
SHOWN_TEXT = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+$"
ShownText = Annotated[str, Field(pattern=SHOWN_TEXT)]


class BadSignature(VerificationError):
    """The record was not signed by the key that it names, or was changed since."""


class BadStatement(VerificationError):
    """The record is signed, but is no statement that this registry understands."""


class StatementTooDeep(BadStatement):
    """More is nested in one another in it than any statement needs."""


class AssetClass(StrEnum):
    """What the registrant says the asset is."""

    AUTHENTIC = "authentic"
    KNOWN_FAKE = "known_fake"
    AI_GENERATED = "ai_generated"
    DERIVATIVE = "derivative"


class Relation(StrEnum):
    """How an asset comes from another that its publisher declares as a source."""

    DERIVED_FROM = "derived_from"
    IDENTITY_FROM = "identity_from"


UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # in the form of RFC 9562, in lower case
# What a declared source may be: a record here or elsewhere, bytes that need not be registered, or a page.
Target = Annotated[
    str, Field(pattern=rf"^(urn:uuid:)?{UUID}$|^urn:sha256:[0-9a-f]{{64}}$|^https://[!-~]{{1,300}}$")
]


class Statement(BaseModel):
    """What a publisher says of one asset, before it is signed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(default_factory=lambda: uuid.uuid4().urn, pattern=rf"^urn:uuid:{UUID}$")
    issuer: ShownText = Field(max_length=300)
    valid_from: AwareDatetime
    # Names of the logs that it is meant for (`LogState.origin`); none: for any registry.
    audience: tuple[Annotated[str, Field(min_length=1, max_length=300)], ...] = Field(
        default=(), max_length=10
    )
    asset_class: AssetClass
    digest_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")  # None: no file is named
    label: ShownText = Field(max_length=300)
    media_type: ShownText | None = Field(default=None, max_length=100)
    derived_from: tuple[Target, ...] = Field(default=(), max_length=20)
    identity_from: tuple[Target, ...] = Field(default=(), max_length=20)
    preview_allowed: bool = False
    intimate: bool = False  # its picture is for reviewers and its publisher
    # Binds fingerprints that come without their picture: SHA-256 over nonce and JCS list.
    fingerprints_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        """Lists of hashes often name no file; then the fingerprints are all that the statement is about."""
        if self.digest_sha256 is None and self.fingerprints_sha256 is None:
            raise ValueError("a digest of the file, or of fingerprints, is needed")
        return self

    def subject_id(self) -> str:
        """Returns the name of the asset: by its file, else by the fingerprints that the statement binds."""
        if self.digest_sha256 is not None:
            return f"urn:sha256:{self.digest_sha256}"
        return f"urn:trueprint:fingerprints:{self.fingerprints_sha256}"

    def payload(self) -> dict[str, Any]:
        """Returns the credential as it is signed."""
        subject: dict[str, Any] = {
            "id": self.subject_id(),
            "class": self.asset_class.value,
            **({"digestSHA256": self.digest_sha256} if self.digest_sha256 else {}),
            "label": self.label,
            "previewAllowed": self.preview_allowed,
        }
        optional = {
            "mediaType": self.media_type,
            "fingerprintsSHA256": self.fingerprints_sha256,
            "intimate": self.intimate,
            "derivedFrom": list(self.derived_from),
            "identityFrom": list(self.identity_from),
        }
        subject.update({name: value for name, value in optional.items() if value})
        return {
            "@context": CONTEXT,
            "id": self.id,
            "type": TYPES,
            "issuer": self.issuer,
            **({"aud": list(self.audience)} if self.audience else {}),
            "validFrom": self.valid_from.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "credentialSubject": subject,
        }


def new_statement(
    issuer: str, asset_class: AssetClass, digest_sha256: str | None, label: str, **more: Any
) -> Statement:
    """Makes a statement that is valid from now; `more` are further fields of it. Raises BadStatement.

    The label is written in its one form (`sdk.shown_text`).
    """
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        label = as_label(label)
    except ValueError as error:
        raise BadStatement(f"label: {error}") from None
    try:
        return Statement(
            issuer=issuer,
            valid_from=now,
            asset_class=asset_class,
            digest_sha256=digest_sha256,
            label=label,
            **more,
        )
    except ValidationError as error:
        raise _first_fault(error) from None


def _first_fault(error: ValidationError) -> BadStatement:
    return BadStatement(first_flaw_in_words(error.errors(include_input=False, include_url=False)))


def sign_statement(statement: Statement, key: ECKey) -> str:
    """Signs a statement; returns the record, a compact JWS."""
    header = {"alg": ALGORITHM, "typ": HEADER_TYPE, "cty": CONTENT_TYPE, "kid": thumbprint(key)}
    payload = json.dumps(statement.payload(), ensure_ascii=False, separators=(",", ":"))
    return jws.serialize_compact(header, payload, key, algorithms=[ALGORITHM])


def verify_record(record: str, key: ECKey) -> Statement:
    """Verifies a record's signature and returns its statement. Raises BadSignature or BadStatement."""
    compact = _taken_apart(record)
    if compact.header.get("typ") != HEADER_TYPE or compact.header.get("cty", CONTENT_TYPE) != CONTENT_TYPE:
        raise BadStatement(f"the record's type is not {HEADER_TYPE} over {CONTENT_TYPE}")
    if not is_signed_by(compact, key):
        raise BadSignature("the record's signature does not verify")
    return parse_payload(compact.payload)


def signing_kid(record: str) -> str:
    """Returns the key id that an unverified record names. Raises BadStatement."""
    kid = _taken_apart(record).header.get("kid")
    if not isinstance(kid, str):
        raise BadStatement("the record names no key")
    return kid


def _taken_apart(record: str) -> Compact:
    if len(record) > MAXIMUM_RECORD_BYTES:
        raise BadStatement(f"a record has at most {MAXIMUM_RECORD_BYTES} bytes")
    try:
        return parse_compact(record, MAXIMUM_RECORD_BYTES)
    except BadEncoding as error:
        raise _unreadable("record", error) from None


def _unreadable(what: str, error: BadEncoding) -> BadStatement:
    kind = StatementTooDeep if isinstance(error, NestedTooDeep) else BadStatement
    return kind(f"the {what} cannot be read: {error}")


def parse_payload(payload: bytes) -> Statement:
    """Reads the statement in a credential that is understood as a whole. Raises BadStatement."""
    try:
        credential = parse_object(payload)
    except BadEncoding as error:
        raise _unreadable("credential", error) from None
    try:
        _require_understood(credential)
        subject = credential["credentialSubject"]
        statement = Statement(
            id=credential["id"],
            issuer=credential["issuer"],
            valid_from=credential["validFrom"],
            audience=_audience(credential["aud"]) if "aud" in credential else (),
            asset_class=subject["class"],
            digest_sha256=subject.get("digestSHA256"),
            label=subject["label"],
            media_type=subject.get("mediaType"),
            derived_from=tuple(subject.get("derivedFrom", ())),
            identity_from=tuple(subject.get("identityFrom", ())),
            preview_allowed=subject.get("previewAllowed", False),
            intimate=subject.get("intimate", False),
            fingerprints_sha256=subject.get("fingerprintsSHA256"),
        )
    except ValidationError as error:
        raise _first_fault(error) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadStatement(f"not a {CREDENTIAL_TYPE} credential") from error
    if subject["id"] != statement.subject_id():
        raise BadStatement("the subject's id and digest differ")
    return statement


def _require_understood(credential: dict[str, Any]) -> None:
    """Refuses types, contexts, members and dates that could mean something which is not done here."""
    subject = credential["credentialSubject"]
    if credential["type"] != TYPES:
        raise BadStatement(f"the credential is no {CREDENTIAL_TYPE}")
    if credential["@context"] != CONTEXT:
        raise BadStatement("the credential's contexts are not those of such a record")
    if "validUntil" in credential:
        raise BadStatement("validUntil: a record stands until it is withdrawn")
    unknown = sorted({*credential} - MEMBERS) + sorted({*subject} - SUBJECT_MEMBERS)
    if unknown:
        raise BadStatement(f"{unknown[0][:40]!r} is not understood here")
    if not isinstance(credential["validFrom"], str) or not DATE_TIME.fullmatch(credential["validFrom"]):
        raise BadStatement("validFrom must be a date and a time with its zone, as XML Schema writes it")
    for name in ("previewAllowed", "intimate"):
        if not isinstance(subject.get(name, False), bool):
            raise BadStatement(f"{name} must be true or false")
    for name in ("derivedFrom", "identityFrom"):
        if not isinstance(subject.get(name, []), list):
            raise BadStatement(f"{name} must be a list")


def _audience(said: Any) -> tuple[str, ...]:
    """Of `aud`, which is a string or a list of them (RFC 7519, section 4.1.3)."""
    names = [said] if isinstance(said, str) else said
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise BadStatement("aud must be the name of a registry's log, or a list of them")
    if not names:  # for nobody: then it was not meant for this registry either
        raise BadStatement("aud must name a registry's log, or be left out")
    return tuple(names)


def fingerprints_digest(nonce: str, fingerprints: list[dict[str, Any]]) -> str:
    """Computes SHA-256 over the nonce and the JCS (RFC 8785) list of fingerprints, in hexadecimal."""
    return hashlib.sha256(nonce.encode() + b"\n" + rfc8785.dumps(fingerprints)).hexdigest()


def commitment(salt: bytes, content: bytes) -> bytes:
    """Computes what a log entry holds of a record: SHA-256 over its 32-byte salt and its bytes."""
    return hashlib.sha256(salt + content).digest()


def log_entry(entry_type: str, committed: bytes) -> bytes:
    """Encodes a leaf: JCS over version, type and commitment, of one shape for every class of asset."""
    encoded = base64.b64encode(committed).decode()
    return rfc8785.dumps({"v": 1, "type": entry_type, "commitment": encoded})

"""Everything that a request or a start can fail with. Each carries its problem code and HTTP status.

RegistryError
├── NotAuthenticated, NotAllowed
├── UnknownPublisher, UnknownKey, UnknownRecord, UnknownApiKey, RecordErased
├── StatementRefused: BadStatement, BadSignature, KeyNotValid, DigestMismatch, FingerprintMismatch
├── MediaRefused: UnsupportedMedia, MediaTooLarge, UndecodableMedia, DecoderGaveUp, TooPlain
├── Conflict: DuplicateKey, DuplicatePublisher, IdempotencyConflict, DuplicateStatement
├── IndexUnavailable, IndexStale
├── UnknownJob, JobPending, JobFailed, BadWebhook
├── InvalidRequest
└── StartRefused: NotMigrated, MissingKey, MissingModel, LogRolledBack, UnsafeDatabase, CorruptRows
"""

from sdk.models.base import Problem

PROBLEM_TYPE_BASE = "urn:trueprint:problem:"


class RegistryError(Exception):
    """Base; `str()` is the detail that a caller reads."""

    code = "internal"
    status = 500
    title = "The registry failed"


def problem_of(error: RegistryError) -> Problem:
    """As a caller reads it (RFC 9457)."""
    return Problem(
        type=PROBLEM_TYPE_BASE + error.code,
        title=error.title,
        status=error.status,
        detail=str(error),
        code=error.code,
    )


class NotAuthenticated(RegistryError):
    """No API key, or none that is valid now."""

    code, status, title = "not-authenticated", 401, "A valid API key is needed"


class NotAllowed(RegistryError):
    """The API key may not do this."""

    code, status, title = "not-allowed", 403, "This API key may not do that"


class UnknownPublisher(RegistryError):
    """No such organisation."""

    code, status, title = "unknown-publisher", 404, "No such publisher"


class UnknownKey(RegistryError):
    """No such signing key."""

    code, status, title = "unknown-key", 404, "No such signing key"


class UnknownApiKey(RegistryError):
    """No such API key."""

    code, status, title = "unknown-api-key", 404, "No such API key"


class UnknownRecord(RegistryError):
    """No such record."""

    code, status, title = "unknown-record", 404, "No such record"


class NothingToCompare(RegistryError):
    """The registered asset, or the pair, cannot be shown side by side."""

    code, status, title = "nothing-to-compare", 409, "Nothing to compare with"


class UnknownEntry(RegistryError):
    """The log has no such entry, tile or size."""

    code, status, title = "unknown-log-resource", 404, "The log holds no such thing"


class RecordErased(RegistryError):
    """The record and its salt were erased; only the log entry is left."""

    code, status, title = "record-erased", 410, "This record was erased"


class BadStatement(RegistryError):
    """The statement cannot be read or contradicts the request."""

    code, status, title = "bad-statement", 422, "The signed statement is not acceptable"


class BadSignature(RegistryError):
    """The statement's signature does not verify."""

    code, status, title = "bad-signature", 422, "The statement's signature does not verify"


class KeyNotValid(RegistryError):
    """The signing key is unknown to this registry, revoked, or not yet valid."""

    code, status, title = "key-not-valid", 422, "The signing key is not valid"


class DigestMismatch(RegistryError):
    """The statement is about other bytes."""

    code, status, title = "digest-mismatch", 422, "The statement is about another file"


class FingerprintMismatch(RegistryError):
    """The statement does not bind the fingerprints that came with it."""

    code, status, title = "fingerprint-mismatch", 422, "The statement does not bind these fingerprints"


class InvalidFingerprint(RegistryError):
    """A fingerprint value cannot be read."""

    code, status, title = "invalid-fingerprint", 422, "A fingerprint cannot be read"


class UnsupportedMedia(RegistryError):
    """Not an image format that is read."""

    code, status, title = "unsupported-media", 415, "This kind of file is not read"


class MediaTooLarge(RegistryError):
    """Over the limits on bytes or pixels."""

    code, status, title = "media-too-large", 413, "The file is too large"


class UndecodableMedia(RegistryError):
    """Cut or corrupt."""

    code, status, title = "undecodable-media", 422, "The file cannot be decoded"


class DecoderGaveUp(RegistryError):
    """The limited process ran out of time or memory."""

    code, status, title = "decoder-gave-up", 422, "The file needs too much time or memory to decode"


class TooPlain(RegistryError):
    """Too little detail to be told from other pictures."""

    code, status, title = "too-plain", 422, "The picture is too plain to fingerprint"


class DuplicateKey(RegistryError):
    """This signing key is enrolled already."""

    code, status, title = "duplicate-key", 409, "This signing key is already enrolled"


class DuplicatePublisher(RegistryError):
    """An organisation with this DID is enrolled already."""

    code, status, title = "duplicate-publisher", 409, "This organisation is already enrolled"


class DuplicateStatement(RegistryError):
    """A statement with this id, but other content, is registered."""

    code, status, title = "duplicate-statement", 409, "Another statement has this id"


class IdempotencyConflict(RegistryError):
    """The Idempotency-Key was used for another request."""

    code, status, title = "idempotency-conflict", 422, "This Idempotency-Key belongs to another request"


class UnknownJob(RegistryError):
    """No such job of this organisation."""

    code, status, title = "unknown-job", 404, "No such job"


class JobPending(RegistryError):
    """The job is not finished."""

    code, status, title = "job-pending", 409, "The job is not finished"


class JobFailed(RegistryError):
    """A job ended with a problem: that one is answered, with its own code and status."""

    code, status, title = "job-failed", 500, "The job failed"

    def __init__(self, found: Problem) -> None:
        super().__init__(found.detail)
        self.code, self.status, self.title = found.code, found.status, found.title


class BadWebhook(RegistryError):
    """The address of a webhook is not acceptable."""

    code, status, title = "bad-webhook", 422, "The webhook's address is not acceptable"


class InvalidRequest(RegistryError):
    """A field is missing, unknown or out of range."""

    code, status, title = "invalid-request", 422, "The request is not valid"


class IndexUnavailable(RegistryError):
    """No search node answers."""

    code, status, title = "index-unavailable", 503, "The index cannot be searched now"


class IndexStale(RegistryError):
    """The index has not followed the rows for a while."""

    code, status, title = "index-stale", 503, "The index has fallen behind"


class StartRefused(RegistryError):
    """The server will not run on what it found; nothing was changed."""

    code, status, title = "start-refused", 503, "The registry refuses to start"


class NotMigrated(StartRefused):
    """The database is not at the newest migration."""

    code = "not-migrated"


class MissingKey(StartRefused):
    """A private key is missing although the log is not empty."""

    code = "missing-key"


class MissingModel(StartRefused):
    """The descriptor that was chosen cannot be loaded."""

    code = "missing-model"


class LogRolledBack(StartRefused):
    """The log is older than its last signed checkpoint, or another log."""

    code = "log-rolled-back"


class UnsafeDatabase(StartRefused):
    """The database would lose acknowledged writes in a crash."""

    code = "unsafe-database"


class CorruptRows(StartRefused):
    """A fingerprint in the database is not what its kind says."""

    code = "corrupt-rows"

"""Everything that a request or a start can fail with. Each error carries its problem code and HTTP status.

RegistryError
├── NotAuthenticated, NotAllowed
├── UnknownPublisher, UnknownKey, UnknownApiKey, UnknownRecord, UnknownEntry, RecordErased
├── StatementRefused: BadStatement, BadSignature, KeyNotValid, DigestMismatch, FingerprintMismatch
├── MediaRefused: UnsupportedMedia, MediaTooLarge, UndecodableMedia, DecoderGaveUp, InsufficientDetail
├── Conflict: DuplicateKey, DuplicatePublisher, DuplicateStatement, IdempotencyConflict
├── InvalidRequest, NestedTooDeep, InvalidFingerprint, InconsistentFingerprints, NotProven,
│   NothingToCompare, NotReviewable
├── BadPack, UnknownPack, NoActivePolicy, UnknownDecision, ActivationRefused
├── UnknownJob, JobPending, JobFailed, BadWebhook, UnknownHost
├── Busy: TooManyRequests, LookupsExceeded, FingerprintProbing, Overloaded, DecoderLost, Stopping
├── StorageAway: DatabaseUnavailable, DatabaseFrozen, OutOfConnections, DiskFull, BlobsUnavailable
├── IndexUnavailable, IndexStale, LogDiverged, ActDamaged, AuditFailed
├── SignerUnavailable, NotCosigned, SigningStopped
├── BackupFailed, BadBackup, RestoreRefused, RotationRefused
└── StartRefused: NotMigrated, MissingKey, MissingModel, LogRolledBack, UnsafeDatabase, CorruptRows,
                  BadThresholds, BadWitnesses

A test compares this tree with the classes, and `docs/problems.md` with their codes. StatementRefused,
MediaRefused, Conflict, Busy and StorageAway name families for those who catch them; what is raised is one
of their members.
"""

from sdk.models.base import PackFlaw, Problem

PROBLEM_TYPE_BASE = "urn:trueprint:problem:"


class RegistryError(Exception):
    """Base; `str()` is the detail that a caller reads."""

    code = "internal"
    status = 500
    title = "The registry failed"
    retry_after_s: int | None = None  # when the same request may do better, as `Retry-After` says it


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

    code, status, title = "not_authenticated", 401, "A valid API key is needed"


class NotAllowed(RegistryError):
    """The API key may not do this."""

    code, status, title = "not_allowed", 403, "This API key may not do that"


class UnknownPublisher(RegistryError):
    """No such organisation."""

    code, status, title = "unknown_publisher", 404, "No such publisher"


class UnknownKey(RegistryError):
    """No such signing key."""

    code, status, title = "unknown_key", 404, "No such signing key"


class UnknownApiKey(RegistryError):
    """No such API key."""

    code, status, title = "unknown_api_key", 404, "No such API key"


class UnknownRecord(RegistryError):
    """No such record."""

    code, status, title = "unknown_record", 404, "No such record"


class NothingToCompare(RegistryError):
    """The registered asset, or the pair, cannot be shown side by side."""

    code, status, title = "nothing_to_compare", 409, "Nothing to compare with"


class UnknownEntry(RegistryError):
    """The log has no such entry, tile or size."""

    code, status, title = "unknown_log_resource", 404, "The log holds no such thing"


class RecordErased(RegistryError):
    """The record and its salt were erased; only the log entry is left."""

    code, status, title = "record_erased", 410, "This record was erased"


class StatementRefused(RegistryError):
    """Base of what is wrong with a signed statement."""


class BadStatement(StatementRefused):
    """The statement cannot be read or contradicts the request."""

    code, status, title = "bad_statement", 422, "The signed statement is not acceptable"


class NestedTooDeep(RegistryError):
    """More is nested in one another than any statement, or request, needs."""

    code, status, title = "nested_too_deep", 400, "Too much is nested in one another"


class BadSignature(StatementRefused):
    """The statement's signature does not verify."""

    code, status, title = "bad_signature", 422, "The statement's signature does not verify"


class KeyNotValid(StatementRefused):
    """The signing key is unknown to this registry, revoked, or not yet valid."""

    code, status, title = "key_not_valid", 422, "The signing key is not valid"


class DigestMismatch(StatementRefused):
    """The statement is about other bytes."""

    code, status, title = "digest_mismatch", 422, "The statement is about another file"


class FingerprintMismatch(StatementRefused):
    """The statement does not bind the fingerprints that came with it."""

    code, status, title = "fingerprint_mismatch", 422, "The statement does not bind these fingerprints"


class InvalidFingerprint(RegistryError):
    """A fingerprint value cannot be read."""

    code, status, title = "invalid_fingerprint", 422, "A fingerprint cannot be read"


class InconsistentFingerprints(RegistryError):
    """Values that were sent without their picture cannot be those of one picture."""

    code, status, title = (
        "inconsistent_fingerprints",
        422,
        "These fingerprints are not those of one picture",
    )


class MediaRefused(RegistryError):
    """Base of what is wrong with an uploaded file."""


class UnsupportedMedia(MediaRefused):
    """Not an image format that is read."""

    code, status, title = "unsupported_media", 415, "This kind of file is not read"


class MediaTooLarge(MediaRefused):
    """Over a limit on bytes, pixels, frames or seconds."""

    code, status, title = "media_too_large", 413, "The file is too large"


class UndecodableMedia(MediaRefused):
    """Cut or corrupt."""

    code, status, title = "undecodable_media", 422, "The file cannot be decoded"


class DecoderGaveUp(MediaRefused):
    """The limited process ran out of time or memory, or what follows takes too long."""

    code, status, title = "decoder_gave_up", 422, "The file needs too much time or memory to decode"


class InsufficientDetail(MediaRefused):
    """Too little detail to be told from other pictures."""

    code, status, title = "insufficient_detail", 422, "The picture has too little detail to fingerprint"


class Conflict(RegistryError):
    """Base of what contradicts something that is registered already."""


class DuplicateKey(Conflict):
    """This signing key is enrolled already."""

    code, status, title = "duplicate_key", 409, "This signing key is already enrolled"


class DuplicatePublisher(Conflict):
    """An organisation with this DID is enrolled already."""

    code, status, title = "duplicate_publisher", 409, "This organisation is already enrolled"


class DuplicateStatement(Conflict):
    """A statement with this id, but other content, is registered."""

    code, status, title = "duplicate_statement", 409, "Another statement has this id"


class IdempotencyConflict(Conflict):
    """The Idempotency-Key was used for another request."""

    code, status, title = "idempotency_conflict", 422, "This Idempotency-Key belongs to another request"


class UnknownHost(RegistryError):
    """The request is for another host than this."""

    code, status, title = "unknown_host", 421, "This registry does not have that name"


class NotProven(RegistryError):
    """Nothing shows that whoever enrols a signing key holds it."""

    code, status, title = "not_proven", 422, "The new key does not say that it is this publisher's"


class BadPack(RegistryError):
    """A policy pack cannot be used."""

    code, status, title = "bad_pack", 422, "The policy pack cannot be used"

    def __init__(self, flaws: tuple[PackFlaw, ...]) -> None:
        super().__init__("; ".join(_at_line(flaw) for flaw in flaws[:20]))
        self.flaws = flaws


def _at_line(flaw: PackFlaw) -> str:
    return f"line {flaw.line}{f', {flaw.where}' if flaw.where else ''}: {flaw.reason}"


class UnknownPack(RegistryError):
    """No such policy pack of this organisation, and none is shipped under that name."""

    code, status, title = "unknown_pack", 404, "No such policy pack"


class NoActivePolicy(RegistryError):
    """The request names no policy, and none is active."""

    code, status, title = "no_active_policy", 409, "No policy is active"


class ActivationRefused(RegistryError):
    """A policy pack is not switched on."""

    code, status, title = "activation_refused", 409, "The policy pack was not switched on"


class UnknownDecision(RegistryError):
    """No such decision of this organisation."""

    code, status, title = "unknown_decision", 404, "No such decision"


class UnknownJob(RegistryError):
    """No such job of this organisation."""

    code, status, title = "unknown_job", 404, "No such job"


class JobPending(RegistryError):
    """The job is not finished."""

    code, status, title = "job_pending", 409, "The job is not finished"


class JobFailed(RegistryError):
    """A job ended with a problem: that one is answered, with its own code and status."""

    code, status, title = "job_failed", 500, "The job failed"

    def __init__(self, found: Problem) -> None:
        super().__init__(found.detail)
        self.code, self.status, self.title = found.code, found.status, found.title


class BadWebhook(RegistryError):
    """The address of a webhook is not acceptable."""

    code, status, title = "bad_webhook", 422, "The webhook's address is not acceptable"


class Busy(RegistryError):
    """Base of what is refused for now: all but Stopping and DecoderLost before anything was done for it."""

    retry_after_s = 2


class TooManyRequests(Busy):
    """This caller has as much under way, or waiting, as one caller may have."""

    code, status, title = "too_many_requests", 429, "You have too many requests under way"


class LookupsExceeded(Busy):
    """Without an API key, this address asked too often."""

    code, status, title = "lookups_exceeded", 429, "Too many look-ups without an API key"
    retry_after_s = 10


class FingerprintProbing(Busy):
    """The queries of this organisation follow one another as those of somebody who reads off a value."""

    code, status, title = "fingerprint_probing", 429, "Too many near copies of one query"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "these queries differ in few bits each, as if to find out a registered fingerprint"
        )
        self.retry_after_s = retry_after_s


class Overloaded(Busy):
    """All callers together have as much under way, or waiting, as the registry takes on."""

    code, status, title = "overloaded", 503, "The registry is busy"


class DecoderLost(Busy):
    """Something outside ended the process that was reading the upload: the system, short of memory, say."""

    code, status, title = "decoder_lost", 503, "Reading the file was interrupted"


class Stopping(Busy):
    """The process is told to stop, and will not finish this."""

    code, status, title = "stopping", 503, "The registry is stopped"
    retry_after_s = 10


class StorageAway(RegistryError):
    """Base of what is wrong with database or disk for now; nothing that was acknowledged is lost by it."""

    retry_after_s = 5


class DatabaseUnavailable(StorageAway):
    """The database is not there: stopped, starting, or out of reach."""

    code, status, title = "database_unavailable", 503, "The database does not answer"


class DatabaseFrozen(StorageAway):
    """The database is there, and does not answer in time."""

    code, status, title = "database_frozen", 503, "The database takes too long to answer"
    retry_after_s = 10


class OutOfConnections(StorageAway):
    """The database, or this process, has no connection left."""

    code, status, title = "out_of_connections", 503, "No connection to the database is free"
    retry_after_s = 3


class DiskFull(StorageAway):
    """There is no room for what was to be stored."""

    code, status, title = "disk_full", 503, "The disk is full"
    retry_after_s = 60


class BlobsUnavailable(StorageAway):
    """Previews and uploads that wait are out of reach."""

    code, status, title = "blobs_unavailable", 503, "Stored files cannot be read for now"


class InvalidRequest(RegistryError):
    """A field is missing, unknown or out of range."""

    code, status, title = "invalid_request", 422, "The request is not valid"


class IndexUnavailable(RegistryError):
    """No search node answers."""

    code, status, title = "index_unavailable", 503, "The index cannot be searched now"


class IndexStale(RegistryError):
    """The index has not followed the rows for a while."""

    code, status, title = "index_stale", 503, "The index has fallen behind"


class LogDiverged(RegistryError):
    """The log's head or its tiles are not what they were: rotted, or moved by who takes no lock."""

    code, status, title = "log_diverged", 500, "The stored log is not what was signed"


class NotReviewable(RegistryError):
    """The record is no known fake, or was withdrawn."""

    code, status, title = "not_reviewable", 409, "This record is not reviewed"


class ActDamaged(RegistryError):
    """The row of an administrative act was changed into something that is none."""

    code, status, title = "act_damaged", 500, "The row of an act is damaged"


class AuditFailed(RegistryError):
    """The last audit found that what is stored is not what was registered."""

    code, status, title = "audit_failed", 503, "The last audit found differences"


class SignerUnavailable(RegistryError):
    """The module that holds a private key does not sign now."""

    code, status, title = "signer_unavailable", 503, "A private key cannot be used now"
    retry_after_s = 60


class RotationRefused(RegistryError):
    """A key of the registry is not rotated; nothing was changed."""

    code, status, title = "rotation_refused", 409, "The key was not rotated"


class NotCosigned(RegistryError):
    """Too few witnesses cosigned in time. What was stored stays: the same request gets its receipt."""

    code, status, title = "not_cosigned", 503, "Too few witnesses cosigned the log"
    retry_after_s = 5


class SigningStopped(RegistryError):
    """A witness knows another log under this name: nothing is appended until the operator has looked."""

    code, status, title = "signing_stopped", 503, "The log is stopped"


class BackupFailed(RegistryError):
    """The backup was not made; nothing of it is left."""

    code, status, title = "backup_failed", 500, "The backup was not made"


class BadBackup(RegistryError):
    """What is read is no backup, or not all of one, or it was damaged."""

    code, status, title = "bad_backup", 422, "This backup cannot be used"


class RestoreRefused(RegistryError):
    """The backup was not restored; what was there before is as it was."""

    code, status, title = "restore_refused", 409, "The backup was not restored"


class StartRefused(RegistryError):
    """The server will not run on what it found; nothing was changed."""

    code, status, title = "start_refused", 503, "The registry refuses to start"


class NotMigrated(StartRefused):
    """The database is not at the newest migration."""

    code = "not_migrated"


class MissingKey(StartRefused):
    """A private key is missing although the log is not empty."""

    code = "missing_key"


class MissingModel(StartRefused):
    """The descriptor that was chosen cannot be loaded."""

    code = "missing_model"


class LogRolledBack(StartRefused):
    """The log is older than its last signed checkpoint, or another log."""

    code = "log_rolled_back"


class UnsafeDatabase(StartRefused):
    """The database would lose acknowledged writes in a crash."""

    code = "unsafe_database"


class CorruptRows(StartRefused):
    """A fingerprint in the database is not what its kind says."""

    code = "corrupt_rows"


class BadThresholds(StartRefused):
    """The file of thresholds cannot be read, or holds a name or a value that is not possible."""

    code = "bad_thresholds"


class BadWitnesses(StartRefused):
    """The policy of witnesses cannot be read or met, or is missing although the log was witnessed."""

    code = "bad_witnesses"

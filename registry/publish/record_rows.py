"""The rows of one registration: the record, and those fingerprints of an upload that are kept."""

from indexer.fingerprints.kinds import AUDIO, KINDS, PDQ, Family
from indexer.fingerprints.kinds import Fingerprint as Computed
from registry.media.uploads import Upload
from registry.records.statements import VerifiedStatement
from registry.storage.models import Fingerprint, Record


def record_row(
    verified: VerifiedStatement, upload: Upload, preview_key: str | None, index: int, salt: bytes
) -> Record:
    """The record of a statement whose log entry has this index and salt."""
    statement, (width, height) = verified.statement, upload.size
    return Record(
        id=verified.record_id,
        publisher_id=verified.publisher_id,
        kid=verified.kid,
        jws=verified.jws,
        salt=salt,
        log_index=index,
        digest_sha256=statement.digest_sha256,
        asset_class=statement.asset_class.value,
        label=statement.label,
        media_type=upload.media_type or statement.media_type,
        width=width,
        height=height,
        duration_ms=upload.duration_ms,
        preview_key=preview_key,
        intimate=statement.intimate,
    )


def fingerprint_rows(record: Record, upload: Upload, wanted_descriptor: str) -> list[Fingerprint]:
    """The fingerprints that are kept of an upload; `wanted_descriptor`: the kind that is searched by."""
    return [
        Fingerprint(
            record_id=record.id,
            kind=fingerprint.kind,
            orientation=fingerprint.orientation,
            time_ms=fingerprint.time_ms,
            quality=fingerprint.quality,
            value=fingerprint.value,
        )
        for fingerprint in upload.fingerprints
        if _is_kept(fingerprint, upload, wanted_descriptor)
    ]


def _is_kept(fingerprint: Computed, upload: Upload, wanted_descriptor: str) -> bool:
    """Of a picture the wanted descriptor only: older ones were computed to search with.

    Of a video's frames what is searched by: they are many, and asked about in all orientations anyway.
    """
    if fingerprint.kind == wanted_descriptor:
        return True
    if upload.video is not None:
        is_upright_pdq = fingerprint.kind == PDQ.name and fingerprint.orientation == 0
        return fingerprint.kind == AUDIO.name or is_upright_pdq
    return upload.image is None or KINDS[fingerprint.kind].family is Family.BINARY

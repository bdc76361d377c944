"""From an upload to records that it may come from: the index nominates, the database has the last word."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import tuple_
from sqlmodel import Session, col, select

from indexer.compare.aligned_pair import AlignedPair
from indexer.compare.geometry import Alignment
from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.compute import upright
from indexer.fingerprints.kinds import (
    KINDS,
    PDQ,
    PHASH,
    Family,
    Vectors,
    hamming,
    unpack_codes,
    unpack_vectors,
)
from indexer.fingerprints.regions import Region
from indexer.media.images import Pixels
from registry.match.evidence_rules import Measured
from registry.media.uploads import Upload, answering_embedders
from registry.services import Services
from registry.storage.models import Fingerprint, Record
from registry.storage.models.records import ACTIVE


@dataclass(frozen=True)
class Candidate:
    """A registered asset and everything measured between it and the upload."""

    record: Record
    measured: Measured
    found_by: tuple[str, ...]
    region: Region | None = None  # the part of the upload in which it was found; None: the whole
    alignment: Alignment | None = None
    reference: Pixels | None = None  # its preview, where it was read
    pair: AlignedPair | None = None  # the upload and that preview, where they were compared
    time_ms: int = 0  # of the frame that was found; a still image is a video of one frame


@dataclass(frozen=True)
class Nomination:
    """What one search of the index says of one fingerprint row."""

    measured: Measured
    found_by: str
    region: Region | None = None


Nominations = dict[int, Nomination]  # by fingerprint id


def nominate(services: Services, session: Session, upload: Upload) -> list[Candidate]:
    """By the whole frame: PDQ in all orientations, and the descriptor."""
    found = _by_pdq(services, upload)
    wanted = services.embedders.wanted.kind
    # The wanted one last: a record that moves to it meanwhile is then seen at its old place or at its new.
    for kind in (*(set(services.index.descriptors_held()) - {wanted}), wanted):
        descriptor = upright(upload.fingerprints, kind)
        if descriptor is not None and not upload.insufficient_detail:
            found |= _by_descriptor(services, kind, unpack_vectors([descriptor.value]), kind)
    return _choose(services, session, upload, found)


def nominate_within(
    services: Services, session: Session, upload: Upload, regions: Sequence[Region], name: str
) -> list[Candidate]:
    """By the descriptors of parts of the picture; `name` says what the parts are."""
    if not regions or upload.image is None:
        return []
    parts = [region.cut(upload.image.pixels) for region in regions]
    found: Nominations = {}
    for embedder in answering_embedders(services):
        found |= _by_descriptor(services, embedder.kind, embedder.embed(parts), name, regions)
    return _choose(services, session, upload, found)


def _choose(services: Services, session: Session, upload: Upload, found: Nominations) -> list[Candidate]:
    """The most promising that the database still knows, measured by every kind."""
    by_record = _join_records(session, found)
    _add_same_digest(session, upload, by_record)
    chosen = sorted(by_record.values(), key=_promise, reverse=True)
    return _complete(session, chosen[: services.settings.candidates], upload)


def _by_pdq(services: Services, upload: Upload) -> Nominations:
    codes = [one for one in upload.fingerprints if one.kind == PDQ.name]
    if not codes or upload.insufficient_detail:
        return {}
    queries = unpack_codes([one.value for one in codes])
    limits = services.thresholds
    # Without the picture nothing beyond Meta's radius could be confirmed, and a scan would be needed.
    radius = limits.pdq_candidate_bits if upload.image is not None else limits.pdq_same_bits
    hits = services.index.by_kind[PDQ.name].within(queries, radius)
    found: Nominations = {}
    for hit in hits:  # nearest first
        measured = Measured(pdq_distance=int(hit.distance), pdq_orientation=codes[hit.query].orientation)
        found.setdefault(hit.id, Nomination(measured, PDQ.name))
    return found


def _by_descriptor(
    services: Services, kind: str, vectors: Vectors, name: str, regions: Sequence[Region] = ()
) -> Nominations:
    """(n, dimensions) descriptors of one upload; a row counts by its best similarity to any of them."""
    hits = services.index.by_kind[kind].nearest(vectors, services.settings.candidates)
    found: Nominations = {}
    for hit in hits:  # nearest first
        region = regions[hit.query] if regions else None
        nomination = Nomination(Measured(descriptor_similarity=1 - hit.distance), name, region)
        found.setdefault(hit.id, nomination)
    return found


def _join_records(session: Session, found: Nominations) -> dict[str, Candidate]:
    """The database has the last word: what was withdrawn a moment ago is no hit any more."""
    if not found:
        return {}
    rows = session.exec(
        select(Fingerprint.id, Fingerprint.time_ms, Record)
        .join(Record, col(Record.id) == col(Fingerprint.record_id))
        .where(col(Fingerprint.id).in_(list(found)), Record.status == ACTIVE)
    ).all()
    joined: dict[tuple[str, int], Candidate] = {}
    for fingerprint_id, time_ms, record in rows:
        assert fingerprint_id is not None
        one, frame = found[fingerprint_id], (record.id, time_ms)
        known = joined.get(frame)
        if known is None:
            joined[frame] = Candidate(record, one.measured, (one.found_by,), one.region, time_ms=time_ms)
            continue
        merged = {name: value for name, value in vars(known.measured).items() if value is not None}
        said = {name: value for name, value in vars(one.measured).items() if value not in (None, 0, False)}
        names = tuple(sorted({*known.found_by, one.found_by}))
        joined[frame] = replace(known, measured=Measured(**merged | said), found_by=names)
    best: dict[str, Candidate] = {}  # of the frames of one video the most promising
    for candidate in joined.values():
        rival = best.get(candidate.record.id)
        if rival is None or _promise(candidate) > _promise(rival):
            best[candidate.record.id] = candidate
    return best


def _add_same_digest(session: Session, upload: Upload, joined: dict[str, Candidate]) -> None:
    if upload.digest_sha256 is None:
        return
    same = select(Record).where(Record.digest_sha256 == upload.digest_sha256, Record.status == ACTIVE)
    for record in session.exec(same):
        known = joined.get(record.id, Candidate(record, Measured(), ()))
        measured = replace(known.measured, same_digest=True)
        joined[record.id] = replace(known, measured=measured, found_by=("sha256", *known.found_by))


def _promise(candidate: Candidate) -> float:
    """What is compared first: orders candidates only, decides nothing."""
    measured = candidate.measured
    if measured.same_digest:
        return 3.0
    nearness = 0.0 if measured.pdq_distance is None else max(0.0, (90 - measured.pdq_distance) / 90)
    return max(nearness, measured.descriptor_similarity or 0.0)


def _complete(session: Session, candidates: list[Candidate], upload: Upload) -> list[Candidate]:
    """Measure by every kind, whichever found the candidates; their rows by one query."""
    if not candidates:
        return []
    frames = [(candidate.record.id, candidate.time_ms) for candidate in candidates]
    stored = session.exec(
        select(Fingerprint).where(
            tuple_(col(Fingerprint.record_id), col(Fingerprint.time_ms)).in_(frames),
            col(Fingerprint.orientation) == 0,
        )
    )
    of_frame: dict[tuple[str, int], list[Fingerprint]] = {}
    for row in stored:
        of_frame.setdefault((row.record_id, row.time_ms), []).append(row)
    return [
        _measured(candidate, of_frame.get(frame, []), upload)
        for candidate, frame in zip(candidates, frames, strict=True)
    ]


def _measured(candidate: Candidate, stored: list[Fingerprint], upload: Upload) -> Candidate:
    changes: dict[str, float | int] = {}
    for row in stored:
        if row.kind == PDQ.name:
            queries = [one for one in upload.fingerprints if one.kind == PDQ.name]
            if queries:
                best = min(queries, key=lambda one: hamming(one.value, row.value))
                changes["pdq_distance"] = hamming(best.value, row.value)
                changes["pdq_orientation"] = best.orientation
        elif mine := upright(upload.fingerprints, row.kind):
            if row.kind == PHASH.name:
                changes["phash_distance"] = hamming(mine.value, row.value)
            elif KINDS[row.kind].family is Family.VECTOR:
                pair = unpack_vectors([mine.value, row.value])
                similarity = float(np.dot(pair[0], pair[1]))
                changes["descriptor_similarity"] = similarity
                if known := calibration_of(row.kind):
                    changes["descriptor_rate"] = known.rate_of(similarity)
    return replace(candidate, measured=replace(candidate.measured, **changes))  # type: ignore[arg-type]

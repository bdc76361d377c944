"""From an upload to measured comparisons: the index nominates, the database checks, pictures compare."""

from dataclasses import dataclass, replace

import numpy as np
from sqlmodel import Session, col, select

from indexer.compare.geometry import Alignment, align
from indexer.fingerprints.compute import upright
from indexer.fingerprints.kinds import (
    DESCRIPTOR,
    PDQ,
    PHASH,
    Vectors,
    hamming,
    unpack_codes,
    unpack_vectors,
)
from registry.models import Fingerprint, Record
from registry.models.records import ACTIVE
from registry.previews import FeatureCache
from registry.rules import Measured, agreement
from registry.services import Services, Upload


@dataclass(frozen=True)
class Candidate:
    """A registered asset and everything measured between it and the upload."""

    record: Record
    measured: Measured
    found_by: tuple[str, ...]
    alignment: Alignment | None = None


def find_candidates(
    services: Services, cache: FeatureCache, session: Session, upload: Upload
) -> list[Candidate]:
    """Nominate, check against the database, compare the pictures; not yet judged.

    The full frame comes first. Only when it confirms nothing are tiles of it asked too: they find what
    is embedded in a screenshot or a collage, for about twice the time.
    """
    found = [
        _compare(services, cache, candidate, upload) for candidate in _nominate(services, session, upload)
    ]
    if upload.too_plain or any(_is_confirmed(services, candidate) for candidate in found):
        return found
    known = {candidate.record.id for candidate in found}
    more = _nominate_by_tiles(services, session, upload, known)
    return found + [_compare(services, cache, candidate, upload) for candidate in more]


def _is_confirmed(services: Services, candidate: Candidate) -> bool:
    measured = candidate.measured
    agreeing = agreement(measured, services.thresholds)
    return measured.same_digest or agreeing >= services.thresholds.inliers_strong


def _nominate(services: Services, session: Session, upload: Upload) -> list[Candidate]:
    measured: dict[int, Measured] = {}  # by fingerprint id
    found_by: dict[int, set[str]] = {}
    _search_pdq(services, upload, measured, found_by)
    descriptor = upright(upload.fingerprints, DESCRIPTOR.name)
    if descriptor is not None and not upload.too_plain:
        _search_descriptor(services, unpack_vectors([descriptor.value]), measured, found_by)
    return _choose(services, session, upload, measured, found_by)


def _nominate_by_tiles(
    services: Services, session: Session, upload: Upload, known: set[str]
) -> list[Candidate]:
    tiles = upload.tiles()
    if not tiles:
        return []
    measured: dict[int, Measured] = {}
    found_by: dict[int, set[str]] = {}
    _search_descriptor(services, services.embedder.embed(tiles), measured, found_by)
    found = _choose(services, session, upload, measured, found_by)
    return [replace(one, found_by=("tile",)) for one in found if one.record.id not in known]


def _choose(
    services: Services,
    session: Session,
    upload: Upload,
    measured: dict[int, Measured],
    found_by: dict[int, set[str]],
) -> list[Candidate]:
    """The most promising that the database still knows, measured by every kind."""
    by_record = _join_records(session, measured, found_by)
    _add_same_digest(session, upload, by_record)
    chosen = sorted(by_record.values(), key=_promise, reverse=True)
    limit = services.settings.candidates
    return [_complete(session, candidate, upload) for candidate in chosen[:limit]]


def _search_pdq(
    services: Services, upload: Upload, measured: dict[int, Measured], found_by: dict[int, set[str]]
) -> None:
    codes = [one for one in upload.fingerprints if one.kind == PDQ.name]
    if not codes or upload.too_plain:
        return
    queries = unpack_codes([one.value for one in codes])
    hits = services.indexing.by_kind[PDQ.name].within(queries, services.thresholds.pdq_candidate_bits)
    for hit in hits:  # nearest first
        if hit.id not in measured:
            orientation = codes[hit.query].orientation
            measured[hit.id] = Measured(pdq_distance=int(hit.distance), pdq_orientation=orientation)
            found_by[hit.id] = {PDQ.name}


def _search_descriptor(
    services: Services, vectors: Vectors, measured: dict[int, Measured], found_by: dict[int, set[str]]
) -> None:
    """(n, 256) descriptors of one upload; a row counts by its best similarity to any of them."""
    hits = services.indexing.by_kind[DESCRIPTOR.name].nearest(vectors, services.settings.candidates)
    for hit in hits:  # nearest first
        if hit.id not in measured:
            measured[hit.id] = Measured(descriptor_similarity=1 - hit.distance)
            found_by[hit.id] = {DESCRIPTOR.name}


def _join_records(
    session: Session, measured: dict[int, Measured], found_by: dict[int, set[str]]
) -> dict[str, Candidate]:
    """The database has the last word: what was withdrawn a moment ago is no hit any more."""
    rows = session.exec(
        select(Fingerprint.id, Record)
        .join(Record, col(Record.id) == col(Fingerprint.record_id))
        .where(col(Fingerprint.id).in_(list(measured)), Record.status == ACTIVE)
    ).all()
    joined: dict[str, Candidate] = {}
    for fingerprint_id, record in rows:
        assert fingerprint_id is not None
        one, names = measured[fingerprint_id], found_by[fingerprint_id]
        known = joined.get(record.id)
        if known is None:
            joined[record.id] = Candidate(record, one, tuple(sorted(names)))
            continue
        merged = {name: value for name, value in vars(known.measured).items() if value is not None}
        merged |= {name: value for name, value in vars(one).items() if value not in (None, 0, 0.0, False)}
        joined[record.id] = Candidate(record, Measured(**merged), tuple(sorted({*known.found_by, *names})))
    return joined


def _add_same_digest(session: Session, upload: Upload, joined: dict[str, Candidate]) -> None:
    if upload.digest_sha256 is None:
        return
    same = select(Record).where(Record.digest_sha256 == upload.digest_sha256, Record.status == ACTIVE)
    for record in session.exec(same):
        known = joined.get(record.id, Candidate(record, Measured(), ()))
        measured = replace(known.measured, same_digest=True)
        joined[record.id] = Candidate(record, measured, ("sha256", *known.found_by))


def _promise(candidate: Candidate) -> float:
    """What is compared first: orders candidates only, decides nothing."""
    measured = candidate.measured
    if measured.same_digest:
        return 3.0
    nearness = 0.0 if measured.pdq_distance is None else max(0.0, (90 - measured.pdq_distance) / 90)
    return max(nearness, measured.descriptor_similarity or 0.0)


def _complete(session: Session, candidate: Candidate, upload: Upload) -> Candidate:
    """Measure by every kind, whichever found the candidate; a few rows by primary key."""
    stored = session.exec(
        select(Fingerprint).where(
            Fingerprint.record_id == candidate.record.id, col(Fingerprint.orientation) == 0
        )
    ).all()
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
            elif row.kind == DESCRIPTOR.name:
                pair = unpack_vectors([mine.value, row.value])
                changes["descriptor_similarity"] = float(np.dot(pair[0], pair[1]))
    return replace(candidate, measured=replace(candidate.measured, **changes))  # type: ignore[arg-type]


def _compare(services: Services, cache: FeatureCache, candidate: Candidate, upload: Upload) -> Candidate:
    key = candidate.record.preview_key
    if upload.features is None or key is None:
        return candidate
    reference = cache.of(services, key)
    if reference is None:
        return candidate
    alignment = align(upload.features, reference)
    measured = replace(candidate.measured, compared=True)
    if alignment is not None:
        measured = replace(
            measured,
            inliers=alignment.inliers,
            pairs=alignment.pairs,
            query_coverage=alignment.query_coverage,
            reference_coverage=alignment.reference_coverage,
            spread=alignment.spread,
            is_mirrored=alignment.is_mirrored,
        )
    return replace(candidate, measured=measured, alignment=alignment)

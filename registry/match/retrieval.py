"""Candidate retrieval: the index finds rows near an upload's frames, the database has the last word.

A still image is a video of one frame, so this is written once: frames are asked about by PDQ and by
descriptor, parts of frames by descriptor, a video by its audio too; what is found is joined by record, and
the records are ranked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from sqlalchemy.orm.util import identity_key
from sqlmodel import Session, col, select

from indexer.fingerprints.compute import upright
from indexer.fingerprints.embedding import Embedder
from indexer.fingerprints.kinds import (
    AUDIO,
    PDQ,
    Fingerprint,
    Vectors,
    hamming,
    unpack_codes,
    unpack_vectors,
    vector_kinds,
)
from indexer.fingerprints.regions import Region
from indexer.index.port import Hit
from indexer.media.images import Pixels
from registry.match.candidates import BY_NAME, FrameHit, RetrievedRecord
from registry.match.crowding import is_as_near_as_a_copy, to_compare
from registry.match.match_evidence import MatchEvidence
from registry.media.uploads import Upload
from registry.services import RequestContext
from registry.storage.direct import execute
from registry.storage.models import Fingerprint as FingerprintRow
from registry.storage.models import Record
from registry.storage.models.records import ACTIVE

FRAMES_ASKED = 64  # spread over a video
HITS_PER_VIDEO_FRAME = 6
# Behind rows that are all as near as copies the search goes on: so many times farther, and no farther.
MORE_BEHIND_COPIES, MOST_NEIGHBOURS = 4, 800
# Of 256 bits; the same speech coded anew is within 50, unrelated speech beyond 85 (docs/quality.md).
AUDIO_RADIUS_BITS = 62
AUDIO_CODES_ASKED = 200
AUDIO_HITS_IN_ORDER = 3  # single codes agree by chance
AUDIO_ORDER_TOLERANCE_MS = 400


@dataclass(frozen=True)
class QueryFrame:
    """One frame of an upload, by its fingerprints."""

    time_ms: int
    fingerprints: tuple[Fingerprint, ...]


@dataclass(frozen=True)
class QueryPart:
    """A part of one frame that is asked about by itself: a picture inside the picture, or a tile."""

    time_ms: int
    pixels: Pixels  # (h, w, 3) of the part; of its whole frame, if it is a window
    name: str
    region: Region | None = None  # where it is in the frame
    is_window: bool = False  # described together with the other windows of its frame


# Where fingerprints belong whose record was not withdrawn a moment ago.
_ACTIVE_ROWS = """
    SELECT stored.id, stored.time_ms, stored.record_id
    FROM fingerprint stored JOIN record ON record.id = stored.record_id
    WHERE stored.id = ANY(%(rows)s) AND record.status = %(active)s
"""
RowHit = tuple[int, FrameHit]  # with the id of the fingerprint row
Hits = dict[int, list[FrameHit]]  # by the id of the fingerprint row, nearest first within one search


def query_frames(upload: Upload) -> list[QueryFrame]:
    """The frames of an upload to ask about: of a video those that say something new, spread evenly."""
    if upload.insufficient_detail:
        return []
    if upload.video is None:
        return [QueryFrame(0, upload.fingerprints)]
    frames = upload.video.new_frames
    if len(frames) > FRAMES_ASKED:
        frames = [frames[place] for place in np.linspace(0, len(frames) - 1, FRAMES_ASKED).astype(int)]
    return [QueryFrame(frame.time_ms, frame.fingerprints) for frame in frames]


def retrieve(
    context: RequestContext, upload: Upload, parts: Sequence[QueryPart] = ()
) -> list[RetrievedRecord]:
    """Records that the upload may come from, those worth comparing first at the front."""
    frames = query_frames(upload)
    hits: Hits = {}
    _collect(hits, search_by_pdq(context, upload, frames))
    for kind in _kinds_to_search(context):
        _collect(hits, search_by_descriptor(context, upload, frames, kind))
    _collect(hits, search_by_parts(context, upload, parts))
    retrieved = join_records(context, hits)
    _add_same_audio(context, upload, retrieved)
    _add_same_digest(context.session, upload, retrieved)
    return first_of(context, retrieved)


def retrieve_by_parts(
    context: RequestContext, upload: Upload, parts: Sequence[QueryPart]
) -> list[RetrievedRecord]:
    """The same by parts of the upload only: its frames were asked about before."""
    hits: Hits = {}
    _collect(hits, search_by_parts(context, upload, parts))
    if not hits:
        return []
    most = context.max_candidates * len({part.name for part in parts})  # each sort of parts has its own
    return to_compare(_nearest_of_parts(join_records(context, hits)), most, context.thresholds)


def _nearest_of_parts(retrieved: dict[str, RetrievedRecord]) -> list[RetrievedRecord]:
    """The nearest of every part first: only one part may show a record, and others resemble more."""
    of_part: dict[Region | None, list[float]] = {}
    for record in retrieved.values():
        for hit in record.hits:
            of_part.setdefault(hit.region, []).append(-hit.rank_key)
    places = {region: sorted(keys) for region, keys in of_part.items()}

    def place(record: RetrievedRecord) -> tuple[int, float]:
        best = min((places[hit.region].index(-hit.rank_key) for hit in record.hits), default=len(retrieved))
        return best, -record.rank_key[1]

    return sorted(retrieved.values(), key=place)


def retrieve_named(context: RequestContext, upload: Upload, record: Record) -> RetrievedRecord:
    """A record that was named, with those of its frames that are nearest to frames of the upload."""
    retrieved = RetrievedRecord(
        record,
        same_digest=record.is_media_seen
        and upload.digest_sha256 is not None
        and upload.digest_sha256 == record.digest_sha256,
    )
    kinds = {kind.name for kind in vector_kinds()}
    stored = context.session.exec(
        select(FingerprintRow).where(
            FingerprintRow.record_id == record.id,
            FingerprintRow.orientation == 0,
            col(FingerprintRow.kind).in_([*kinds, AUDIO.name]),
        )
    ).all()
    retrieved.audio_hits = _audio_hits(upload, [row for row in stored if row.kind == AUDIO.name])
    for kind in sorted({row.kind for row in stored} & kinds):
        rows = [row for row in stored if row.kind == kind]
        references = unpack_vectors([row.value for row in rows])
        for frame in query_frames(upload):
            descriptor = upright(frame.fingerprints, kind)
            if descriptor is None:
                continue
            similarities = references @ unpack_vectors([descriptor.value])[0]
            nearest = int(similarities.argmax())
            evidence = MatchEvidence(descriptor_similarity=float(similarities[nearest]))
            retrieved.hits.append(FrameHit(frame.time_ms, rows[nearest].time_ms, evidence, BY_NAME))
    return retrieved


def _kinds_to_search(context: RequestContext) -> Iterator[str]:
    """The wanted descriptor last: a record that moves to it meanwhile is seen in one place or the other."""
    wanted = context.uploads.embedders.wanted.kind
    yield from sorted(set(context.index.descriptors_held()) - {wanted})
    yield wanted


def _collect(hits: Hits, found: Iterable[RowHit]) -> None:
    for row, hit in found:
        hits.setdefault(row, []).append(hit)


def search_by_pdq(context: RequestContext, upload: Upload, frames: Sequence[QueryFrame]) -> list[RowHit]:
    """Rows near the PDQ codes of the frames, in every orientation that the upload has."""
    asked = [(frame, code) for frame in frames for code in frame.fingerprints if code.kind == PDQ.name]
    if not asked:
        return []
    limits = context.thresholds
    # Beyond Meta's radius only a comparison of pictures confirms, and a scan is needed: too much for
    # fingerprints that came alone, and for every frame of a video.
    radius = limits.pdq_candidate_bits if upload.image is not None else limits.pdq_same_bits
    queries = unpack_codes([code.value for _, code in asked])
    hits = []
    for hit in context.index.by_kind[PDQ.name].within(queries, radius):
        frame, code = asked[hit.query]
        evidence = MatchEvidence(pdq_distance=int(hit.distance), pdq_orientation=code.orientation)
        hits.append((hit.id, FrameHit(frame.time_ms, 0, evidence, PDQ.name)))
    return hits


def search_by_descriptor(
    context: RequestContext, upload: Upload, frames: Sequence[QueryFrame], kind: str
) -> list[RowHit]:
    """The nearest rows to the descriptors of the frames."""
    described = [(frame.time_ms, upright(frame.fingerprints, kind)) for frame in frames]
    asked = [(time_ms, descriptor) for time_ms, descriptor in described if descriptor is not None]
    if not asked:
        return []
    queries = unpack_vectors([descriptor.value for _, descriptor in asked])
    return [
        (hit.id, FrameHit(asked[hit.query][0], 0, _similarity(hit), kind))
        for hit in _nearest(context, upload, kind, queries)
    ]


def search_by_parts(context: RequestContext, upload: Upload, parts: Sequence[QueryPart]) -> list[RowHit]:
    """The nearest rows to the descriptors of parts of frames, which are computed here."""
    hits: list[RowHit] = []
    for embedder in context.uploads.answering_embedders() if parts else ():
        queries = _vectors_of(embedder, parts)
        for hit in _nearest(context, upload, embedder.kind, queries):
            part = parts[hit.query]
            hits.append((hit.id, FrameHit(part.time_ms, 0, _similarity(hit), part.name, part.region)))
    return hits


def _vectors_of(embedder: Embedder, parts: Sequence[QueryPart]) -> Vectors:
    """The descriptors of parts; the windows of a frame come from one look at it."""
    windows: dict[int, list[int]] = {}
    alone: list[int] = []
    for number, part in enumerate(parts):
        (windows.setdefault(part.time_ms, []) if part.is_window else alone).append(number)
    described = [embedder.embed_to_search([parts[number].pixels for number in alone])] if alone else []
    for numbers in windows.values():
        regions = [region for number in numbers if (region := parts[number].region) is not None]
        described.append(embedder.embed_windows(parts[numbers[0]].pixels, regions))
    order = np.argsort([*alone, *chain.from_iterable(windows.values())])
    return np.concatenate(described)[order]


def _similarity(hit: Hit) -> MatchEvidence:
    return MatchEvidence(descriptor_similarity=1 - hit.distance)


def _nearest(context: RequestContext, upload: Upload, kind: str, queries: Vectors) -> list[Hit]:
    """The nearest rows of each query, and what lies behind many copies: the original may be farther."""
    index, limits = context.index.by_kind[kind], context.thresholds
    count = HITS_PER_VIDEO_FRAME if upload.video is not None else context.max_candidates
    asked = np.arange(len(queries))
    found: list[Hit] = []
    while len(asked):
        hits = index.nearest(queries[asked], count)
        if len(asked) < len(queries):
            hits = [replace(hit, query=int(asked[hit.query])) for hit in hits]
        by_query: dict[int, list[Hit]] = {}
        for hit in hits:
            by_query.setdefault(hit.query, []).append(hit)
        crowded = {
            query
            for query, of_query in by_query.items()
            if len(of_query) >= count and is_as_near_as_a_copy(kind, 1 - of_query[-1].distance, limits)
        }
        count *= MORE_BEHIND_COPIES
        if count > MOST_NEIGHBOURS:
            crowded = set()
        found += [hit for hit in hits if hit.query not in crowded]
        asked = np.array(sorted(crowded), int)
    return found


def join_records(context: RequestContext, hits: Hits) -> dict[str, RetrievedRecord]:
    """The hits by record."""
    retrieved: dict[str, RetrievedRecord] = {}
    for row, time_ms, record in active_rows(context.session, hits):
        known = retrieved.setdefault(record.id, RetrievedRecord(record))
        known.hits += [
            FrameHit(hit.query_ms, time_ms, hit.evidence, hit.found_by, hit.region) for hit in hits[row]
        ]
    return retrieved


def active_rows(session: Session, rows: Iterable[int]) -> Iterator[tuple[int, int, Record]]:
    """(id, time_ms, record) of rows whose record was not withdrawn a moment ago."""
    wanted = list(rows)
    if not wanted:
        return
    found = execute(session, _ACTIVE_ROWS, {"rows": wanted, "active": ACTIVE}).fetchall()
    records = _records(session, {record_id for _, _, record_id in found})
    for row, time_ms, record_id in found:
        if record_id in records:
            yield row, time_ms, records[record_id]


def _records(session: Session, wanted: set[str]) -> dict[str, Record]:
    """Records by id; those that this session has read are not read again."""
    read = (session.identity_map.get(identity_key(Record, one)) for one in wanted)
    known = {record.id: record for record in read if isinstance(record, Record)}
    if missing := wanted - set(known):
        of_these = select(Record).where(col(Record.id).in_(missing), Record.status == ACTIVE)
        known |= {one.id: one for one in session.exec(of_these)}
    return known


def _add_same_audio(context: RequestContext, upload: Upload, retrieved: dict[str, RetrievedRecord]) -> None:
    """Records whose audio agrees at several places in one order."""
    asked = _audio_codes_to_ask(upload)
    if not asked:
        return
    queries = unpack_codes([code.value for code in asked])
    by_row: dict[int, list[int]] = {}
    for hit in context.index.by_kind[AUDIO.name].within(queries, AUDIO_RADIUS_BITS):
        by_row.setdefault(hit.id, []).append(asked[hit.query].time_ms)
    heard: dict[str, tuple[Record, list[tuple[int, int]]]] = {}
    for row, time_ms, record in active_rows(context.session, by_row):
        _, times = heard.setdefault(record.id, (record, []))
        times += [(query_ms, time_ms) for query_ms in by_row[row]]
    for name, (record, times) in heard.items():
        if _most_in_order(times) >= AUDIO_HITS_IN_ORDER:
            retrieved.setdefault(name, RetrievedRecord(record)).audio_hits = times


def _audio_codes_to_ask(upload: Upload) -> list[Fingerprint]:
    codes = [code for code in upload.fingerprints if code.kind == AUDIO.name]
    if upload.video is None or not codes:
        return []
    count = min(AUDIO_CODES_ASKED, len(codes))
    return [codes[place] for place in np.unique(np.linspace(0, len(codes) - 1, count).astype(int))]


def _audio_hits(upload: Upload, stored: Sequence[FingerprintRow]) -> list[tuple[int, int]]:
    """(query_ms, reference_ms) of codes of one record that are near; empty where they are in no order."""
    times = [
        (code.time_ms, row.time_ms)
        for code in (_audio_codes_to_ask(upload) if stored else ())
        for row in stored
        if hamming(code.value, row.value) <= AUDIO_RADIUS_BITS
    ]
    return times if times and _most_in_order(times) >= AUDIO_HITS_IN_ORDER else []


def _most_in_order(times: list[tuple[int, int]]) -> int:
    """How many hits (query_ms, reference_ms) agree on one shift in time."""
    shifts = np.sort([reference_ms - query_ms for query_ms, reference_ms in times])
    ends = np.searchsorted(shifts, shifts + AUDIO_ORDER_TOLERANCE_MS, side="right")
    return int((ends - np.arange(len(shifts))).max())


def _add_same_digest(session: Session, upload: Upload, retrieved: dict[str, RetrievedRecord]) -> None:
    """Only of files that were shown here: who sent fingerprints may name the digest of any file."""
    if upload.digest_sha256 is None:
        return
    same = select(Record).where(Record.digest_sha256 == upload.digest_sha256, Record.status == ACTIVE)
    for record in session.exec(same):
        if record.is_media_seen:
            retrieved.setdefault(record.id, RetrievedRecord(record)).same_digest = True


def first_of(context: RequestContext, retrieved: dict[str, RetrievedRecord]) -> list[RetrievedRecord]:
    """Those worth comparing, the best first."""
    ranked = sorted(retrieved.values(), key=lambda record: record.rank_key, reverse=True)
    return to_compare(ranked, context.max_candidates, context.thresholds)

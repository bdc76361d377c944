"""From a video to records that it may come from: its frames are asked one by one, records are ranked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from sqlmodel import Session, col, select

from indexer.fingerprints.compute import upright
from indexer.fingerprints.kinds import AUDIO, PDQ, unpack_codes, unpack_vectors, vector_kinds
from indexer.fingerprints.video import SampledFrame
from indexer.media.images import Pixels
from registry.match.evidence_rules import Measured
from registry.media.uploads import Upload, answering_embedders
from registry.services import Services
from registry.storage.models import Fingerprint, Record
from registry.storage.models.records import ACTIVE

FRAMES_ASKED = 64  # spread over the upload
HITS_PER_FRAME = 6
# Of 256 bits; the same speech coded anew is within 50, unrelated speech beyond 85 (docs/quality.md).
AUDIO_RADIUS_BITS = 62
CODES_ASKED = 200
AUDIO_CODES_IN_ORDER = 3


@dataclass(frozen=True)
class FrameHit:
    """One frame of the upload near one registered frame."""

    query_ms: int
    reference_ms: int
    measured: Measured

    @property
    def promise(self) -> float:
        """Orders hits only, decides nothing."""
        distance = self.measured.pdq_distance
        nearness = 0.0 if distance is None else max(0.0, (90 - distance) / 90)
        return max(nearness, self.measured.descriptor_similarity or 0.0)


@dataclass
class Nominated:
    """A record, and which of its frames the upload's frames are near to."""

    record: Record
    hits: list[FrameHit] = field(default_factory=list)
    found_by: set[str] = field(default_factory=set)
    audio_hits: list[tuple[int, int]] = field(default_factory=list)  # (query_ms, reference_ms)

    @property
    def promise(self) -> float:
        """The best hit counts most; that many frames agree counts too."""
        by_frame: dict[int, float] = {}
        for hit in self.hits:
            by_frame[hit.query_ms] = max(by_frame.get(hit.query_ms, 0.0), hit.promise)
        best = sorted(by_frame.values(), reverse=True)[:8]
        by_audio = min(1.0, 0.05 * len(self.audio_hits))
        return by_audio + (float(np.mean(best)) + 0.02 * len(best) + 0.5 * best[0] if best else 0.0)


def asked_frames(frames: list[SampledFrame]) -> list[SampledFrame]:
    """Evenly spread over the frames that say something new."""
    if len(frames) <= FRAMES_ASKED:
        return frames
    places = np.linspace(0, len(frames) - 1, FRAMES_ASKED).astype(int)
    return [frames[place] for place in places]


def nominate_by_frames(
    services: Services, session: Session, upload: Upload, parts: Iterable["Part"] = ()
) -> list[Nominated]:
    """The most promising records first. A still image is a video of one frame: it is found as well."""
    assert upload.video is not None
    frames = asked_frames(upload.video.new_frames)
    found: dict[int, list[FrameHit]] = {}  # by fingerprint
    named: dict[int, str] = {}
    hits = (
        *_by_pdq(services, frames),
        *_by_descriptor(services, frames),
        *_by_parts(services, list(parts)),
    )
    for fingerprint, hit, name in hits:
        found.setdefault(fingerprint, []).append(hit)
        named[fingerprint] = name
    nominated = _join_records(session, found, named)
    _add_same_audio(services, session, upload, nominated)
    _add_same_digest(session, upload, nominated)
    ranked = sorted(nominated.values(), key=lambda one: one.promise, reverse=True)
    return ranked[: services.settings.candidates]


def nominate_one(session: Session, upload: Upload, record: Record) -> Nominated:
    """A record that was named, with its frames that are nearest to frames of the upload."""
    assert upload.video is not None
    frames = asked_frames(upload.video.new_frames)
    stored = session.exec(
        select(Fingerprint).where(Fingerprint.record_id == record.id, Fingerprint.orientation == 0)
    ).all()
    nominated = Nominated(record, [], {"asked"})
    if record.digest_sha256 == upload.digest_sha256:
        nominated.hits.append(FrameHit(0, 0, Measured(same_digest=True, pdq_distance=0)))
    for kind in {row.kind for row in stored} & {one.name for one in vector_kinds()}:
        rows = [row for row in stored if row.kind == kind]
        theirs = unpack_vectors([row.value for row in rows])
        for frame in frames:
            mine = upright(frame.fingerprints, kind)
            if mine is None:
                continue
            similar = theirs @ unpack_vectors([mine.value])[0]
            place = int(similar.argmax())
            measured = Measured(descriptor_similarity=float(similar[place]))
            nominated.hits.append(FrameHit(frame.time_ms, rows[place].time_ms, measured))
    return nominated


Found = tuple[int, FrameHit, str]


def _by_pdq(services: Services, frames: list[SampledFrame]) -> list[Found]:
    asked = [(frame, one) for frame in frames for one in frame.fingerprints if one.kind == PDQ.name]
    if not asked:
        return []
    queries = unpack_codes([one.value for _, one in asked])
    hits = services.index.by_kind[PDQ.name].within(queries, services.thresholds.pdq_same_bits)
    return [
        (
            hit.id,
            FrameHit(
                asked[hit.query][0].time_ms,
                0,
                Measured(pdq_distance=int(hit.distance), pdq_orientation=asked[hit.query][1].orientation),
            ),
            PDQ.name,
        )
        for hit in hits
    ]


def _by_descriptor(services: Services, frames: list[SampledFrame]) -> Iterable[Found]:
    for kind in services.index.descriptors_held():
        described = [(frame, upright(frame.fingerprints, kind)) for frame in frames]
        asked = [(frame, one) for frame, one in described if one is not None]
        if not asked:
            continue
        vectors = unpack_vectors([one.value for _, one in asked])
        for hit in services.index.by_kind[kind].nearest(vectors, HITS_PER_FRAME):
            measured = Measured(descriptor_similarity=1 - hit.distance)
            yield hit.id, FrameHit(asked[hit.query][0].time_ms, 0, measured), kind


@dataclass(frozen=True)
class Part:
    """A part of one frame that is asked about by itself: a picture inside the picture."""

    query_ms: int
    pixels: Pixels  # (h, w, 3)


def _by_parts(services: Services, parts: list[Part]) -> Iterable[Found]:
    if not parts:
        return
    for embedder in answering_embedders(services):
        vectors = embedder.embed([one.pixels for one in parts])
        for hit in services.index.by_kind[embedder.kind].nearest(vectors, HITS_PER_FRAME):
            measured = Measured(descriptor_similarity=1 - hit.distance)
            yield hit.id, FrameHit(parts[hit.query].query_ms, 0, measured), "inner rectangle"


def _active_rows(session: Session, fingerprints: Iterable[int]) -> Iterator[tuple[int, int, Record]]:
    """(id, time_ms, record); the database has the last word: what was withdrawn a moment ago is no hit."""
    rows = session.exec(
        select(Fingerprint.id, Fingerprint.time_ms, Record)
        .join(Record, col(Record.id) == col(Fingerprint.record_id))
        .where(col(Fingerprint.id).in_(list(fingerprints)), Record.status == ACTIVE)
    )
    for fingerprint, time_ms, record in rows:
        assert fingerprint is not None
        yield fingerprint, time_ms, record


def _join_records(
    session: Session, found: dict[int, list[FrameHit]], named: dict[int, str]
) -> dict[str, Nominated]:
    """What was found, by record."""
    nominated: dict[str, Nominated] = {}
    for fingerprint, time_ms, record in _active_rows(session, found):
        one = nominated.setdefault(record.id, Nominated(record))
        one.hits += [FrameHit(hit.query_ms, time_ms, hit.measured) for hit in found[fingerprint]]
        one.found_by.add(named[fingerprint])
    return nominated


def _add_same_audio(
    services: Services, session: Session, upload: Upload, nominated: dict[str, Nominated]
) -> None:
    """Records whose sound agrees at several places in one order: single codes agree by chance."""
    codes = [one for one in upload.fingerprints if one.kind == AUDIO.name]
    if not codes:
        return
    places = np.unique(np.linspace(0, len(codes) - 1, min(CODES_ASKED, len(codes))).astype(int))
    asked = [codes[place] for place in places]
    hits = services.index.by_kind[AUDIO.name].within(
        unpack_codes([one.value for one in asked]), AUDIO_RADIUS_BITS
    )
    by_row: dict[int, list[int]] = {}
    for hit in hits:
        by_row.setdefault(hit.id, []).append(asked[hit.query].time_ms)
    found: dict[str, Nominated] = {}
    for row, time_ms, record in _active_rows(session, by_row):
        one = found.setdefault(record.id, Nominated(record))
        one.audio_hits += [(query_ms, time_ms) for query_ms in by_row[row]]
    for name, one in found.items():
        offsets = np.sort([theirs - ours for ours, theirs in one.audio_hits])
        together = np.searchsorted(offsets, offsets + 400, side="right") - np.arange(len(offsets))
        if int(together.max()) >= AUDIO_CODES_IN_ORDER:
            known = nominated.setdefault(name, one)
            known.audio_hits = one.audio_hits
            known.found_by.add(AUDIO.name)


def _add_same_digest(session: Session, upload: Upload, nominated: dict[str, Nominated]) -> None:
    same = select(Record).where(Record.digest_sha256 == upload.digest_sha256, Record.status == ACTIVE)
    for record in session.exec(same):
        one = nominated.setdefault(record.id, Nominated(record))
        one.found_by.add("sha256")
        one.hits.insert(0, FrameHit(0, 0, Measured(same_digest=True, pdq_distance=0)))

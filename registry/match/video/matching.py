"""Which registered assets a video shows: which seconds, at what speed, and what was done to them."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
from sqlmodel import Session

from indexer.compare.derivation import Derivation, derive
from indexer.compare.faces.pairs import Mouth
from indexer.compare.operations import re_encoded
from indexer.compare.vocabulary import Frame, Operation
from indexer.fingerprints.audio import Spectrogram
from indexer.fingerprints.kinds import AUDIO
from indexer.fingerprints.regions import inner_rectangles
from indexer.media.images import Pixels
from indexer.operations import OPERATIONS, Degree, Extent, OperationType
from indexer.timeline.audio import audio_operations, find_audio_segments
from indexer.timeline.mouths import mouths_follow
from indexer.timeline.operations import (
    Spans,
    in_order,
    operations_in_time,
    operations_of_segment,
    over_frames,
)
from indexer.timeline.overlays import named_by_motion
from indexer.timeline.temporal_segments import TemporalSegment
from registry.match.evidence_rules import Judgement, Measured, judge_footage
from registry.match.explanation import FACES_NOT_COMPARED, changes_content, described
from registry.match.matched import Found, Stretch
from registry.match.retrieval import Candidate
from registry.match.video.alignment import Footage, find_footage
from registry.match.video.frame_pairs import FramePair, agrees
from registry.match.video.retrieval import Nominated, Part, nominate_by_frames, nominate_one
from registry.match.video.segments import where_in_time
from registry.media.previews import PreviewCache
from registry.media.query_frames import QueryFrames
from registry.media.uploads import Progress, Upload, VideoContent
from registry.services import Services
from registry.storage.models import Record
from sdk.models import MatchRelation, Strength

PAIRS_DESCRIBED = 10  # per line; each costs a fifth of a second
LEAST_BY_AUDIO_S, SURE_BY_AUDIO_S = 3.0, 6.0
WHOLE_SHARE, WHOLE_S = 0.03, 0.5  # a copy may miss so much of the original and still be the same footage
SAME_MOMENT_MS = 40
FRAMES_LOOKED_INTO = 6  # for pictures inside the picture


def find_in_video(
    services: Services,
    cache: PreviewCache,
    session: Session,
    upload: Upload,
    progress: Progress | None = None,
    *,
    only: Record | None = None,
) -> list[Found]:
    """Every record that some seconds are proved to show; `only`: whether they show that one."""
    assert upload.video is not None
    if upload.insufficient_detail:
        return []
    frames = QueryFrames(services, upload.video)
    if only is None:
        nominated = nominate_by_frames(services, session, upload, inner_pictures(frames))
    else:
        nominated = [nominate_one(session, upload, only)]
    found = []
    for number, one in enumerate(nominated):
        if progress:
            progress(number / len(nominated))
        match = _same_file(one) or _compared(services, cache, session, frames, one)
        if match is not None:
            found.append(match)
    return found


def inner_pictures(frames: QueryFrames) -> list[Part]:
    """Pictures inside some frames spread over the video: in a player, beside somebody who reacts."""
    new = frames.video.new_frames
    places = np.unique(np.linspace(0, len(new) - 1, min(FRAMES_LOOKED_INTO, len(new))).astype(int))
    times = [new[place].time_ms for place in places]
    frames.prepare(times)
    found = []
    for time_ms in times:
        upload = frames.at(time_ms)
        if upload is not None and upload.image is not None:
            pixels = upload.image.pixels
            found += [Part(time_ms, one.cut(pixels)) for one in inner_rectangles(pixels)]
    return found


def _same_file(nominated: Nominated) -> Found | None:
    if not any(hit.measured.same_digest for hit in nominated.hits):
        return None
    candidate = Candidate(nominated.record, Measured(same_digest=True), ("sha256",))
    end = (nominated.record.duration_ms or 0) / 1000
    whole = Stretch(TemporalSegment(0.0, end, 1.0, 0.0, 1.0), ())
    return Found(candidate, Judgement.exact(), stretches=(whole,))


def _compared(
    services: Services, cache: PreviewCache, session: Session, frames: QueryFrames, nominated: Nominated
) -> Found | None:
    footage = find_footage(services, cache, session, frames, nominated)
    if footage is None or not footage.lines:
        by_audio = _by_audio(services, cache, frames.video, nominated)
        if by_audio is not None:
            return by_audio
    if footage is None:
        return None
    judgement = judge_footage(footage.candidate.measured, services.thresholds, in_time=bool(footage.lines))
    if judgement is None:
        return None
    if not footage.lines:
        return Found(footage.candidate, judgement)
    return _described(services, cache, frames.video, footage, judgement)


def _by_audio(
    services: Services, cache: PreviewCache, video: VideoContent, nominated: Nominated
) -> Found | None:
    """The original's sound under other pictures."""
    theirs = _registered_audio(services, cache, nominated.record)
    if not nominated.audio_hits or video.audio is None or theirs is None:
        return None
    lines = find_audio_segments(video.audio, theirs)
    seconds = sum(line.end - line.start for line in lines)
    if seconds < LEAST_BY_AUDIO_S:
        return None
    operation = Operation(
        OperationType.PICTURES_REPLACED,
        Degree.STRONG,
        "The original's sound is heard under other pictures.",
    )
    similarity = max(line.similarity for line in lines)
    strength = Strength.STRONG if seconds >= SURE_BY_AUDIO_S else Strength.MODERATE
    spans = Spans(video.track.end_ms / 1000, (nominated.record.duration_ms or 0) / 1000)
    operations = in_order([operation, *operations_in_time(lines, spans)])
    return Found(
        Candidate(nominated.record, Measured(), (AUDIO.name,)),
        Judgement(strength, MatchRelation.DERIVATIVE, 0.9 * similarity),
        tuple(operations),
        changes_content=True,
        stretches=tuple(Stretch(line, (operation,)) for line in lines),
        where=where_in_time(tuple(lines), spans),
    )


def _registered_audio(services: Services, cache: PreviewCache, record: Record) -> Spectrogram | None:
    board = cache.storyboard(services, record.preview_key) if record.preview_key else None
    return board.audio if board else None


def _described(
    services: Services,
    cache: PreviewCache,
    video: VideoContent,
    footage: Footage,
    judgement: Judgement,
) -> Found:
    record = footage.candidate.record
    is_still = record.duration_ms is None
    compared = footage.candidate.measured.compared
    stretches, uncertain = [], Counter[str]()
    for line, pairs in zip(footage.lines, footage.pairs, strict=True):
        derivations = [
            _derivation(services, one) for one in pairs[:PAIRS_DESCRIBED] if agrees(services, one)
        ]
        seen = over_frames([one.operations for one in derivations])
        seen = in_order(named_by_motion(seen, _pictures(pairs)))
        if line.factor == 0.0 and not is_still and not _shows_the_moment(line, pairs):
            seen = [one for one in seen if not OPERATIONS[one.type].needs_same_moment]
        if not is_still and mouths_follow(_mouths(derivations)):
            seen = [one for one in seen if one.type is not OperationType.FACE_REENACTED]
        in_time = [] if is_still else operations_of_segment(line)
        stretches.append(Stretch(line, tuple(in_order([*in_time, *seen])), is_still))
        uncertain.update(word for one in derivations for word in one.uncertain)
    spans = Spans(video.track.end_ms / 1000, None if is_still else (record.duration_ms or 0) / 1000)
    in_time = operations_in_time(list(footage.lines), spans)
    if not is_still and record.preview_key is not None:
        theirs = _registered_audio(services, cache, record)
        in_time += audio_operations(list(footage.lines), video.audio, theirs)
    operations = in_order([*in_time, *_of_all(stretches)])
    if compared and _is_whole(footage, spans) and not changes_content(operations):
        judgement = replace(judgement, relation=MatchRelation.SAME_PICTURE)
        operations = operations or [re_encoded(None)]
    return Found(
        footage.candidate,
        described(judgement, operations),
        tuple(operations),
        _uncertain(services, uncertain, stretches),
        changes_content(operations),
        stretches=tuple(stretches),
        where=None if is_still else where_in_time(footage.lines, spans),
    )


def _shows_the_moment(line: TemporalSegment, pairs: tuple[FramePair, ...]) -> bool:
    """Whether a frozen frame is one that was kept: what moved since the nearest kept one was not edited."""
    return any(abs(one.reference_ms - 1000 * line.offset) <= SAME_MOMENT_MS for one in pairs)


def _derivation(services: Services, pair: FramePair) -> Derivation:
    image, candidate = pair.upload.image, pair.candidate
    assert image is not None
    assert candidate.pair is not None
    height, width = candidate.pair.reference.shape[:2]
    record = candidate.record
    return derive(
        candidate.pair,
        Frame(image.width, image.height),
        Frame(record.width or width, record.height or height),
        with_faces=services.faces_missing is None,
    )


def _pictures(pairs: tuple[FramePair, ...]) -> list[tuple[Pixels, Pixels]]:
    return [
        (one.upload.image.pixels, one.candidate.reference)
        for one in pairs
        if one.upload.image is not None and one.candidate.reference is not None
    ]


def _mouths(derivations: list[Derivation]) -> list[tuple[Mouth, Mouth]]:
    """Of the largest face of every frame."""
    found = []
    for one in derivations:
        faces = [face.pair for face in one.faces if face.pair.mouths and face.pair.reference_box]
        largest = max(
            faces, key=lambda face: face.reference_box.width if face.reference_box else 0, default=None
        )
        if largest is not None and largest.mouths is not None:
            found.append(largest.mouths)
    return found


def _of_all(stretches: list[Stretch]) -> list[Operation]:
    """What was done to the pictures anywhere: of each kind as the longest stretch shows it."""
    longest = sorted(stretches, key=lambda one: one.line.start - one.line.end)
    found: dict[OperationType, Operation] = {}
    for stretch in longest:
        for operation in stretch.operations:
            if OPERATIONS[operation.type].extent is not Extent.TIME:
                found.setdefault(operation.type, operation)
    return list(found.values())


def _uncertain(services: Services, said: Counter[str], stretches: list[Stretch]) -> tuple[str, ...]:
    if services.faces_missing is not None:
        return (f"{FACES_NOT_COMPARED}.",)
    compared = sum(len(one.operations) > 0 for one in stretches)
    # A face is 30 pixels wide here and 31 there: said once.
    alike: dict[str, Counter[str]] = {}
    for word, count in said.items():
        alike.setdefault(re.sub(r"\d+", "", word), Counter())[word] += count
    often = sorted(alike.values(), key=lambda one: -one.total())[:2]
    return tuple(one.most_common(1)[0][0] for one in often if one.total() > max(2, compared))


def _is_whole(footage: Footage, spans: Spans) -> bool:
    """One line, at the original's speed, over both videos from start to end."""
    if spans.reference is None or len(footage.lines) != 1:
        return False
    line = footage.lines[0]
    start, end = line.reference
    missing = max(WHOLE_S, WHOLE_SHARE * spans.reference)
    shown = spans.query - (line.end - line.start) < missing and spans.reference - (end - start) < missing
    return line.factor == 1.0 and shown

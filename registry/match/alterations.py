"""Whether an upload shows what makes a registered fake false. Without that it is not called that fake.

Where the original is registered too, the two differ somewhere, and the upload agrees with one of them there
(`indexer.compare.versions`). Where it is not, only an upload that shows the fake and nothing else is the
fake: an upload that differs from it may be the original. Where time moved everything, as between two frames
of a video, whose face an upload shows may still tell (`indexer.compare.version_by_faces`).
"""

from collections.abc import Sequence

from indexer.compare.version_by_faces import leaves_content_open, version_by_faces
from indexer.compare.versions import VersionShown, version_shown
from indexer.compare.vocabulary import Quad
from indexer.operations import OPERATIONS, Degree, Direction, OperationType
from registry.match.facts import AUTHENTICITY_DENIED, confirmed_sources
from registry.match.matched import MatchedRecord, are_pictures_compared
from registry.media.previews import picture_of
from registry.services import RequestContext
from registry.storage.db import release
from registry.storage.models import Record
from sdk.models import AlterationShown, MatchRelation, RecordSummary
from sdk.records import AssetClass

# Of a fake whose original is not known, an upload must show so much: a definition, not a measurement. What
# is altered in it may be anywhere.
LEAST_SHOWN = 0.8
WHOLE = 0.9  # share of a picture or of seconds
NOTHING_BESIDE = 0.97  # share of the upload that the fake shows, or the upload has something beside it
MOST_COVERED = 0.25  # share of the picture that may be covered by what was laid over it since
VERSION = {
    VersionShown.FIRST: AlterationShown.SHOWN,
    VersionShown.SECOND: AlterationShown.NOT_SHOWN,
    VersionShown.NEITHER: AlterationShown.UNKNOWN,  # a third version, or something that covers half of it
    VersionShown.NOT_SHOWN: AlterationShown.NOT_IN_FRAME,
    VersionShown.UNDECIDABLE: AlterationShown.UNKNOWN,
}
SAME_TIME_MS = 1000  # between the frames of a fake and of its original that an upload was compared with
LAID_OVER = (OperationType.OVERLAY, OperationType.FRAME_OVERLAY)


def alterations_shown(
    context: RequestContext, matches: Sequence[MatchedRecord], summaries: dict[str, RecordSummary]
) -> dict[str, AlterationShown]:
    """By record, for every match that is registered as fake or AI-generated."""
    return {
        match.record.id: _alteration_shown(context, match, matches, summaries[match.record.id])
        for match in matches
        if AssetClass(match.record.asset_class) in AUTHENTICITY_DENIED
    }


def copies_of_fakes(context: RequestContext, matches: Sequence[MatchedRecord]) -> frozenset[str]:
    """Ids of records that are said to be authentic of what another publisher registered as fake before.

    What anybody registers later of a fake makes no original of it, also where the fake is only reported:
    else the true picture would be called an altered copy of what a stranger claims.
    """
    fakes = [match for match in matches if match.record.asset_class == AssetClass.KNOWN_FAKE]
    return frozenset(
        match.record.id
        for match in matches
        if any(_was_fake_before(fake, match) and _show_the_same(context, fake, match) for fake in fakes)
    )


def earlier_claims(
    context: RequestContext, matches: Sequence[MatchedRecord], summaries: dict[str, RecordSummary]
) -> frozenset[str]:
    """Ids of records that are said to be authentic of what another publisher registered as fake later.

    One of the two claims is wrong, and nothing here tells which. So it is with an original that a fake was
    declared to be made from, where no difference between the two can be measured.
    """
    fakes = [match for match in matches if match.record.asset_class in AUTHENTICITY_DENIED]
    return frozenset(
        match.record.id
        for match in matches
        if any(
            (_was_authentic_before(match, fake) or _is_authentic_source(match, summaries[fake.record.id]))
            and not match.changes_content
            and not fake.changes_content
            and (bool(match.segments and fake.segments) or _show_the_same(context, fake, match))
            for fake in fakes
        )
    )


def _is_authentic_source(match: MatchedRecord, fake: RecordSummary) -> bool:
    """Whether it is what the fake was declared to be made from; of the same publisher, too."""
    sources = {source.target for source in confirmed_sources(fake)}
    return match.record.asset_class == AssetClass.AUTHENTIC and match.record.id in sources


def _was_fake_before(fake: MatchedRecord, match: MatchedRecord) -> bool:
    return (
        match.record.asset_class == AssetClass.AUTHENTIC
        and match.record.publisher_id != fake.record.publisher_id
        and fake.record.log_index < match.record.log_index
    )


def _show_the_same(context: RequestContext, one: MatchedRecord, other: MatchedRecord) -> bool:
    if one.segments or other.segments:
        return (
            one.is_described
            and other.is_described
            and bool(_changes(one))
            and _changes(one) == _changes(other)
        )
    first = picture_of(one.record, one.candidate.time_ms)
    second = picture_of(other.record, other.candidate.time_ms)
    if first is None or second is None or not (was_compared(context, one) and was_compared(context, other)):
        return False
    difference = context.previews.difference(first, second)
    return difference is not None and difference.share == 0.0


def _alteration_shown(
    context: RequestContext, fake: MatchedRecord, matches: Sequence[MatchedRecord], summary: RecordSummary
) -> AlterationShown:
    if _is_same_file(fake):
        return AlterationShown.SHOWN
    if fake.assessment.relation is MatchRelation.POSSIBLY_RELATED or not was_compared(context, fake):
        return AlterationShown.UNKNOWN
    matched = {match.record.id: match for match in matches}
    sources = sorted(source.target for source in confirmed_sources(summary))
    if fake.may_be_other_moment:
        return _at_other_moment(fake, [matched[name] for name in sources if name in matched])
    for name in sources:
        original = context.session.get(Record, name)
        release(context.session)
        if original is not None and original.preview_key is not None:
            shown = _beside(context, fake, original, matched.get(name), is_source=True)
            if shown is AlterationShown.SHOWN and _has_another_face_elsewhere(context, fake, original):
                return AlterationShown.UNKNOWN
            if shown is not None:
                return shown
    alone = _alone(fake)
    for earlier in (match for match in matches if _was_authentic_before(match, fake)):
        shown = _beside(context, fake, earlier.record, earlier, is_source=False)
        if shown is AlterationShown.SHOWN and not _changes(fake):
            return shown
        # Anybody may have registered it, an altered copy of the fake as well: else it can only acquit.
        if shown not in (None, AlterationShown.SHOWN):
            return AlterationShown.UNKNOWN
    return alone


def _at_other_moment(fake: MatchedRecord, originals: Sequence[MatchedRecord]) -> AlterationShown:
    """What the upload shows of a fake, where time may have moved every pixel: persons alone can tell."""
    # Those that tell agree: whether the face is the fake's is read from the fake.
    told = (_by_faces(fake, original) for original in originals)
    return next((one for one in told if one is not AlterationShown.UNKNOWN), AlterationShown.UNKNOWN)


def _by_faces(fake: MatchedRecord, original: MatchedRecord) -> AlterationShown:
    if fake.derivation is None or original.derivation is None or not _at_one_time(fake, original):
        return AlterationShown.UNKNOWN
    shown = VERSION[version_by_faces(fake.derivation, original.derivation)]
    # A face alone acquits nothing: what else was altered in the fake may be shown.
    is_open = shown is AlterationShown.NOT_SHOWN and leaves_content_open(original.derivation)
    return AlterationShown.UNKNOWN if is_open else shown


def _at_one_time(one: MatchedRecord, other: MatchedRecord) -> bool:
    """Whether the frames that were compared are of one moment, or of pictures; a clip has other times."""
    return abs(one.candidate.time_ms - other.candidate.time_ms) <= SAME_TIME_MS


def _has_another_face_elsewhere(context: RequestContext, fake: MatchedRecord, original: Record) -> bool:
    """Whether upload and fake show different faces where fake and original do not differ.

    Then the original is none: an altered copy of the fake, say, that agrees with it wherever an untouched
    picture does not.
    """
    faces = [
        one.reference_region
        for one in fake.operations
        if OPERATIONS[one.type].shows_another_face and one.reference_region
    ]
    first, second = picture_of(fake.record, fake.candidate.time_ms), picture_of(original, 0)
    difference = context.previews.difference(first, second) if first and second else None
    quads = difference.quads if difference else ()
    return any(not any(_overlap(face, quad) for quad in quads) for face in faces)


def _overlap(one: Quad, other: Quad) -> bool:
    return all(
        max(min(corner[axis] for corner in quad) for quad in (one, other))
        < min(max(corner[axis] for corner in quad) for quad in (one, other))
        for axis in (0, 1)
    )


def _was_authentic_before(match: MatchedRecord, fake: MatchedRecord) -> bool:
    """Whether another publisher had registered it as authentic.

    What is registered after a fake does not speak against it: anybody can register a near copy.
    """
    return (
        match.record.asset_class == AssetClass.AUTHENTIC
        and match.record.log_index < fake.record.log_index
        and match.record.publisher_id != fake.record.publisher_id
    )


def _is_same_file(match: MatchedRecord) -> bool:
    return match.assessment.relation is MatchRelation.SAME_FILE


def was_compared(context: RequestContext, match: MatchedRecord) -> bool:
    """Whether pictures were compared, and what differs between them is known."""
    return match.is_described and are_pictures_compared(match, context.thresholds)


def _beside(
    context: RequestContext,
    fake: MatchedRecord,
    original: Record,
    match: MatchedRecord | None,
    *,
    is_source: bool,
) -> AlterationShown | None:
    """What the upload shows where the two differ; None: the two hardly differ, so that nothing can be told.

    `match`: the upload's own match with the original, where there is one; `is_source`: whether the fake is
    known to be made from it.
    """
    pair, time_ms = fake.candidate.pair, match.candidate.time_ms if match else 0
    first = picture_of(fake.record, fake.candidate.time_ms)
    second = picture_of(original, time_ms)
    if fake.segments or pair is None or first is None or second is None:
        return None if match is None else _by_operations(fake, match, is_source=is_source)
    difference, pixels = context.previews.difference(first, second), context.previews.pixels(second)
    if difference is None or pixels is None:
        return None if match is None else _by_operations(fake, match, is_source=is_source)
    if difference.share == 0.0:
        return None
    if match is not None and _is_same_file(match):
        return AlterationShown.NOT_SHOWN
    return VERSION[version_shown(pair, difference, pixels).shown]


def _by_operations(
    fake: MatchedRecord, original: MatchedRecord, *, is_source: bool
) -> AlterationShown | None:
    """By what was found to differ between the upload and the one, and between the upload and the other.

    None also where nobody looked what differs from the original: fingerprints of it that somebody
    registered before say nothing of the fake.
    """
    if not original.is_described and not _is_same_file(original):
        return None
    if fake.leaves_a_change_open or original.leaves_a_change_open:
        return AlterationShown.UNKNOWN
    of_fake, of_original = _changes(fake), _changes(original)
    if of_fake == of_original:
        # Only of its source it is known that the fake differs from it somewhere, if not here.
        is_elsewhere = is_source and not of_fake and share_shown(fake) < WHOLE
        return AlterationShown.NOT_IN_FRAME if is_elsewhere else None
    if of_fake < of_original:
        return AlterationShown.SHOWN
    return AlterationShown.NOT_SHOWN if of_original < of_fake else AlterationShown.UNKNOWN


def _alone(fake: MatchedRecord) -> AlterationShown:
    """Of a fake whose original is not known: what makes it one may be anywhere, its frame included."""
    if _may_be_its_original(fake) or share_shown(fake) < LEAST_SHOWN or fake.leaves_a_change_open:
        return AlterationShown.UNKNOWN
    # A slight change counts too: nobody knows how little makes this a fake.
    changed = [operation for operation in fake.operations if OPERATIONS[operation.type].changes_content]
    covered = sum(operation.measured.get("share", 0.0) for operation in changed)
    laid_over = all(operation.type in LAID_OVER for operation in changed) and covered <= MOST_COVERED
    only_over_upload = laid_over and fake.is_only_laid_over is True
    return AlterationShown.SHOWN if not changed or only_over_upload else AlterationShown.UNKNOWN


def _may_be_its_original(fake: MatchedRecord) -> bool:
    """Whether the record was made from what the upload shows, or lacks something that the upload shows.

    Cutting, framing and captions may be all that makes it false. An upload of better quality is no evidence
    of that: fakes are registered from copies.
    """
    if fake.direction is Direction.TO_REFERENCE and not fake.is_direction_by_detail:
        return True
    alignment = fake.candidate.alignment
    if fake.segments or alignment is None or fake.direction is Direction.FROM_REFERENCE:
        return False
    return alignment.query_coverage < NOTHING_BESIDE


def share_shown(match: MatchedRecord) -> float:
    """Share of the record that the upload shows, 0..1: of its picture, or of its seconds."""
    seconds = (match.record.duration_ms or 0) / 1000
    if match.segments and seconds:
        shown = sum(abs(end - start) for start, end in (one.segment.reference for one in match.segments))
        return min(1.0, shown / seconds)
    alignment = match.candidate.alignment
    return 1.0 if alignment is None else alignment.reference_coverage


def _changes(match: MatchedRecord) -> frozenset[OperationType]:
    return frozenset(
        operation.type for operation in match.operations if _is_change(operation.type, operation.degree)
    )


def _is_change(operation: OperationType, degree: Degree) -> bool:
    row = OPERATIONS[operation]
    return row.shows_another_face or (row.changes_content and degree is not Degree.SLIGHT)

"""The one way through matching: an upload in, the registered assets that it comes from out.

Matching, comparison, declared sources and disputes all enter here; nothing beside it looks for matches.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from registry.match.candidates import RetrievedRecord
from registry.match.facts import AUTHENTICITY_DENIED
from registry.match.hash_list_retrieval import retrieve_by_hash_lists
from registry.match.matched import MatchedRecord
from registry.match.retrieval import QueryPart, retrieve, retrieve_named
from registry.match.stills import describe_still, match_still
from registry.match.video.inner_pictures import inner_pictures
from registry.match.video.matching import match_video
from registry.media.query_frames import QueryFrames
from registry.media.uploads import Progress, Upload
from registry.services import RequestContext
from registry.storage.db import release
from registry.storage.models import Record
from sdk.models import Effort, MatchRelation

# Pictures are compared in detail only for the matches that somebody will look at, and for those whose
# publishers deny that they are authentic.
DESCRIBED_MATCHES = 4
MAXIMUM_MATCHES = 20  # in an answer


def find_matches(
    context: RequestContext,
    upload: Upload,
    *,
    only: Record | None = None,
    including: Sequence[Record] = (),
    describe: Callable[[MatchedRecord], bool] | None = None,
    progress: Progress | None = None,
) -> list[MatchedRecord]:
    """Every registered asset that the upload comes from, the best first.

    `only`: compare with that record instead of searching. `including`: records that are compared whether
    the search retrieves them or not. `describe`: of which matches to say what was changed; by default of
    the first few, with `only` of that one. Matches of a video are always described, because the
    comparisons that find their seconds say what was changed as well.
    """
    context.index.catch_up(context.session)
    if only is not None:
        context = replace(context, effort=Effort.THOROUGH)
    if upload.video is not None:
        if upload.insufficient_detail:
            return []  # its audio alone says too little: nothing is seen that could be compared
        frames = QueryFrames(context.uploads.decoders, upload.video)
        retrieved = _retrieved(context, upload, only, including, lambda: inner_pictures(frames))
        release(context.session)
        return _ranked(match_video(context, frames, retrieved, progress))
    retrieved = _retrieved(context, upload, only, including)
    release(context.session)
    matches = _ranked(match_still(context, upload, retrieved, only=only))
    is_described = describe or (_first_few(matches) if only is None else _every)
    return _ranked(
        [describe_still(context, upload, match) if is_described(match) else match for match in matches]
    )


def _retrieved(
    context: RequestContext,
    upload: Upload,
    only: Record | None,
    including: Sequence[Record],
    parts: Callable[[], Sequence[QueryPart]] = tuple,
) -> list[RetrievedRecord]:
    if only is not None:
        return [retrieve_named(context, upload, only)]
    retrieved = {found.record.id: found for found in retrieve(context, upload, parts())}
    for by_hash in retrieve_by_hash_lists(context, upload):
        retrieved.setdefault(by_hash.record.id, by_hash)
    for record in including:
        named = retrieve_named(context, upload, record)
        # A search keeps the few nearest records of each frame: named, each frame of the upload has a hit.
        retrieved.setdefault(record.id, named).add(named)
    return list(retrieved.values())


def _ranked(matches: list[MatchedRecord]) -> list[MatchedRecord]:
    return sorted((match.as_far_as_seen() for match in matches), key=lambda match: match.rank_key)


def _every(_: MatchedRecord) -> bool:
    return True


def _first_few(matches: list[MatchedRecord]) -> Callable[[MatchedRecord], bool]:
    """The first that are not the very file, the earliest, and the first that are fake or AI-generated.

    Whoever posts an original posts a near copy of every fake that was made from it: only the comparison
    tells them apart. Of one publisher the first alone goes before those of others, or near copies would
    keep the original from being looked at.
    """
    changed = [match for match in matches if match.assessment.relation is not MatchRelation.SAME_FILE]
    fakes = [match for match in changed if _is_denied(match)]
    sure = [match for match in changed if match.assessment.relation is not MatchRelation.POSSIBLY_RELATED]
    earliest = sorted(sure, key=lambda match: match.record.log_index)[:1]
    first = (*_publishers_in_turn(changed)[:DESCRIBED_MATCHES], *fakes[:DESCRIBED_MATCHES], *earliest)
    wanted = {match.record.id for match in first}
    return lambda match: match.record.id in wanted


def _publishers_in_turn(matches: list[MatchedRecord]) -> list[MatchedRecord]:
    """The first of every publisher, then the second of every one, and so on."""
    seen: Counter[str] = Counter()
    turns: list[tuple[int, int]] = []
    for number, match in enumerate(matches):
        seen[match.record.publisher_id] += 1
        turns.append((seen[match.record.publisher_id], number))
    return [matches[number] for _, number in sorted(turns)]


def worth_an_answer(matches: Sequence[MatchedRecord]) -> list[MatchedRecord]:
    """The first matches, and in place of the last ones fakes that would not be among them.

    Whoever registers twenty near copies of a fake must not push it out of the answer.
    """
    denied = [match for match in matches[MAXIMUM_MATCHES:] if _is_denied(match)][:DESCRIBED_MATCHES]
    return [*matches[: MAXIMUM_MATCHES - len(denied)], *denied]


def _is_denied(match: MatchedRecord) -> bool:
    return match.record.asset_class in AUTHENTICITY_DENIED

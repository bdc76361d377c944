"""Two tracks, laid on one another in the picture, to lines in time."""

from indexer.timeline.alignment import find_lines
from indexer.timeline.lines import Line, Sequence
from indexer.timeline.track import Matrix, Track, Vectors, laid_on, vectors_of

Size = tuple[int, int]  # width and height, in pixels


def lines_between(
    query: Track, reference: Track, homography: Matrix, query_size: Size, reference_size: Size
) -> list[Line]:
    """Which seconds of `query` are which of `reference`, a reduced track.

    `homography` maps query pixels to reference pixels of frames of the given sizes.
    """
    luma, mask = laid_on(query, homography, query_size, reference_size)
    ours, theirs = vectors_of(luma, mask), vectors_of(reference.luma, mask)
    return find_lines(_sequence(query, ours), _sequence(reference, theirs))


def _sequence(track: Track, vectors: Vectors) -> Sequence:
    return Sequence(track.times_ms / 1000, vectors, track.end_ms / 1000)

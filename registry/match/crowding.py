"""Which of the records that were found are compared, where somebody has registered much of one thing. Pure.

Comparing is dear, so that only so many records are compared. Whoever registers near copies of a picture by
the dozen must not take the places of the original: of what one publisher has of one part of an upload, one
record has a place, and few have one beside the others.
"""

from collections.abc import Sequence
from itertools import islice

from indexer.fingerprints.calibration import calibration_of
from indexer.fingerprints.regions import Region
from registry.match.candidates import FrameHit, RetrievedRecord
from registry.match.facts import AUTHENTICITY_DENIED, SAME_PLACE
from registry.thresholds import Thresholds

# Beside the nearest records: fakes, whose near copies are many; near copies of one publisher, since the
# frames of a burst are that too; the earliest, which nobody's later copies push out, however many register.
FAKES_BESIDE, COPIES_BESIDE, EARLIEST_BESIDE = 4, 3, 1

Place = tuple[int, Region | None]  # a frame of the upload, and the part of it


def to_compare(found: Sequence[RetrievedRecord], most: int, limits: Thresholds) -> list[RetrievedRecord]:
    """The records worth comparing, of `found` in the order of their rank; about `most` of them."""
    places = [_near_places(record, limits) for record in found]
    firsts, copies = _first_of_families(found, places)
    firsts = firsts[:most]
    wanted = {*firsts, *copies[: max(most - len(firsts), COPIES_BESIDE)]}
    near = (number for number, of_record in enumerate(places) if of_record)
    wanted.update(sorted(near, key=lambda number: found[number].record.log_index)[:EARLIEST_BESIDE])
    denied = (
        number
        for number, one in enumerate(found)
        if number not in wanted and one.record.asset_class in AUTHENTICITY_DENIED
    )
    wanted.update(islice(denied, FAKES_BESIDE))
    return [found[number] for number in sorted(wanted)]


def is_as_near_as_a_copy(kind: str, similarity: float, limits: Thresholds) -> bool:
    """Whether so similar a descriptor is that of the same picture, as far as descriptors tell."""
    calibration = calibration_of(kind)
    return calibration is not None and calibration.rate_of(similarity) <= limits.descriptor_match_rate


def _first_of_families(
    found: Sequence[RetrievedRecord], places: Sequence[frozenset[Place]]
) -> tuple[list[int], list[int]]:
    """Numbers of the best record of each publisher's families, and of the others in these families."""
    firsts: list[int] = []
    copies: list[int] = []
    by_publisher: dict[str, list[frozenset[Place]]] = {}
    for number, record in enumerate(found):
        families = by_publisher.setdefault(record.record.publisher_id, [])
        is_copy = any(_overlap(places[number], family) for family in families)
        (copies if is_copy else firsts).append(number)
        if places[number]:  # else it overlaps with none
            families.append(places[number])
    return firsts, copies


def _overlap(one: frozenset[Place], other: frozenset[Place]) -> bool:
    smaller = min(len(one), len(other))
    return smaller > 0 and len(one & other) >= SAME_PLACE * smaller


def _near_places(record: RetrievedRecord, limits: Thresholds) -> frozenset[Place]:
    return frozenset((hit.query_ms, hit.region) for hit in record.hits if _is_near(hit, limits))


def _is_near(hit: FrameHit, limits: Thresholds) -> bool:
    """By PDQ everything that a search finds is near; by descriptor it finds the nearest, near or not."""
    if hit.evidence.pdq_distance is not None:
        return True
    similarity = hit.evidence.descriptor_similarity
    return similarity is not None and is_as_near_as_a_copy(hit.found_by, similarity, limits)

"""Tells which of two versions of one picture a third one shows, in the places where the two differ.

A fake and its original share nearly everything, so whatever comes from one of them matches both. Only where
the two differ can an upload be told to be the one or the other. There it is compared with both, after they
were given the colours and the softness that the rest of the picture shows. This module knows pixels; which
of the versions is the fake, and what follows from that, is said elsewhere.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from indexer.compare.aligned_pair import WORKING_SIDE, AlignedPair
from indexer.compare.alignment_refinement import PairStatistics, disagreeing_places, refine_alignment
from indexer.compare.changes import MOST_REGIONS, ChangeMap, find_changes
from indexer.compare.features import extract_features
from indexer.compare.geometry import Matrix, align
from indexer.compare.processing import estimate_processing
from indexer.compare.vocabulary import Quad, as_shares
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred, grey, warp, windows
from indexer.media.images import Pixels

SOFTNESS_PX = 1.0  # both versions and the upload are blurred by so much: what coding leaves hardly counts
WINDOW = 11  # px of the working size
MARGIN = 9  # px around the difference that say nothing of the rest of the picture
MOST_SHIFT_PX = 1.5  # of the upload within the difference, where the rest cannot align it exactly
# A window shows one version where what is left against it is a small share of what is left against the
# other, and of the difference between the two.
LEFT_OF_OTHER, LEFT_OF_DIFFERENCE, LEFT_OF_BOTH = 0.35, 0.3, 0.5
# Calibrated on swaps and re-enactments, each target left out once: docs/quality.md.
AGREES = 0.95  # of what one of the two explains, the share that one version alone must explain
OPPOSED, UNEXPLAINED = 0.05, 0.40  # shares of the difference; an overlay may hide a part of it
SHOWS_NEITHER = 0.20  # share of the difference
# Less than this of a picture is looked at again at the size of a preview: a figure on a document, a mouth.
SMALL_SHARE, FINE_SIDE = 0.01, 1024  # px of the long side
SMALL_SEED, SMALL_GROWS_TO, SMALL_LEVELS, SMALL_AREA = 12.0, 2.5, 10.0, 40  # excess; grey levels; px
LEAST_LEVELS, LEAST_ABOVE_NOISE = 4.0, 1.5  # grey levels; multiples of what differs elsewhere
OTHER_ABOVE_NOISE = 2.5  # the same, where the upload is said to show neither
LEAST_VISIBLE, LEAST_PIXELS = 0.25, 30  # share of the difference; px of the working size
FLATTENED, LEAST_DETAIL = 0.1, 20.0  # share of a window's variance that is left; grey levels squared

Colours = npt.NDArray[np.float32]  # (h, w, 3)


class VersionShown(StrEnum):
    """Which of two versions an upload shows where they differ."""

    FIRST = "first"
    SECOND = "second"
    NEITHER = "neither"  # something else than both: a third version, or an edit of its own
    NOT_SHOWN = "not_shown"  # the place lies outside of the upload, or is covered in it
    UNDECIDABLE = "undecidable"  # the versions hardly differ, or the upload is too coarse to tell


@dataclass(frozen=True)
class VersionDifference:
    """Where two versions differ, in the frame of the first; 40 to 130 kB, so that it can be kept."""

    size: tuple[int, int]  # width and height of the first at the working size
    packed_mask: bytes  # the mask, eight pixels to a byte
    quads: tuple[Quad, ...]  # a box around each place, as shares of the first; largest first
    share: float  # of the first; 0: they do not differ by more than processing leaves
    levels: float  # largest mean difference of a place, in grey levels
    homography: Matrix  # (3, 3) pixels of the second as handed in -> pixels of the working size
    magnification: float  # pixels of the working size per pixel of the second

    @property
    def mask(self) -> Mask:
        """Returns (h, w): where they differ."""
        width, height = self.size
        bits = np.unpackbits(np.frombuffer(self.packed_mask, np.uint8), count=width * height)
        return bits.reshape(height, width).astype(np.bool_)


@dataclass(frozen=True)
class VersionReading:
    """Which version an upload shows, and what was measured; shares are of the visible difference, 0..1."""

    shown: VersionShown
    visible: float = 0.0  # share of the difference that lies inside the upload
    first: float = 0.0  # share whose windows agree with the first and not with the second
    second: float = 0.0
    neither: float = 0.0
    covered: float = 0.0  # share that is flat in the upload and in neither version
    levels: float = 0.0  # the difference in grey levels, at the softness of the upload
    noise_levels: float = 0.0  # what differs between the upload and the first elsewhere


def difference_of_versions(first: Pixels, second: Pixels) -> VersionDifference | None:
    """Compares two (h, w, 3) uint8 pictures; returns None where they do not align."""
    alignment = align(extract_features(second), extract_features(first))
    if alignment is None:
        return None
    pair = AlignedPair(second, first, alignment)
    warped, changes = _compared(pair, WORKING_SIDE)
    masks = [region.mask for region in changes.regions]
    if sum(region.share for region in changes.regions) < SMALL_SHARE and max(first.shape) > WORKING_SIDE:
        warped, changes = _compared(pair, FINE_SIDE)
        masks = _small_changes(changes)
    mask = np.asarray(np.any(masks, axis=0) if masks else np.zeros(warped.shown.shape), np.bool_)
    return VersionDifference(
        size=warped.size,
        packed_mask=np.packbits(mask).tobytes(),
        quads=tuple(_quad(place, warped) for place in masks),
        share=float(mask.mean()),
        levels=max((_levels(changes, place) for place in masks), default=0.0),
        homography=warped.homography,
        magnification=warped.magnification,
    )


def _compared(pair: AlignedPair, long_side: int) -> tuple[WarpedPair, ChangeMap]:
    statistics = refine_alignment(PairStatistics(pair.warped_at(long_side)), pair.copies)
    warped, unusual = statistics.warped, disagreeing_places(statistics)
    return warped, find_changes(warped, estimate_processing(warped, unusual), unusual)


def _small_changes(changes: ChangeMap) -> list[Mask]:
    """Returns places too small for an upload, but beyond doubt between two pictures that are both kept."""
    levels = cv2.blur(np.abs(changes.residue).max(axis=2), (5, 5))
    grown = (changes.excess > SMALL_GROWS_TO) & (levels > SMALL_LEVELS)
    count, labels = cv2.connectedComponents(grown.astype(np.uint8))
    seeds = np.bincount(labels[grown & (changes.excess > SMALL_SEED)], minlength=count)
    order = sorted(range(1, count), key=lambda number: -seeds[number])
    return [np.asarray(labels == number) for number in order if seeds[number] >= SMALL_AREA][:MOST_REGIONS]


def _levels(changes: ChangeMap, mask: Mask) -> float:
    return float(np.abs(changes.residue[mask]).max(axis=1).mean())


def version_shown(pair: AlignedPair, difference: VersionDifference, second: Pixels) -> VersionReading:
    """Says which version the query of `pair`, aligned with the first, shows where the two differ.

    `second`: (h, w, 3) uint8 as it was handed in before. Raises ValueError where `pair` has another first.
    """
    aligned = pair.warped if max(difference.size) <= WORKING_SIDE else pair.warped_at(FINE_SIDE)
    if aligned.size != difference.size:
        raise ValueError(f"a first version of {aligned.size}, not {difference.size}")
    if difference.share == 0.0:
        return VersionReading(VersionShown.UNDECIDABLE)
    mask = difference.mask
    warped = refine_alignment(PairStatistics(aligned), pair.copies, _grown(mask)).warped
    versions = _evened_versions(warped, difference, second, mask)
    compared = np.asarray(versions.shown & mask)
    visible = float(compared.sum() / mask.sum())
    if visible < LEAST_VISIBLE or compared.sum() < LEAST_PIXELS:
        return VersionReading(VersionShown.NOT_SHOWN, visible=visible)
    measured = _measure(versions, compared, visible)
    return replace(measured, shown=_decide(measured))


@dataclass(frozen=True)
class _EvenedVersions:
    """The upload and both versions as the upload's processing would have left them, each (h, w, 3)."""

    upload: Colours
    first: Colours
    second: Colours
    shown: Mask  # (h, w) where all three show something
    elsewhere: Mask  # (h, w) where all three should be the same


def _evened_versions(
    warped: WarpedPair, difference: VersionDifference, second: Pixels, mask: Mask
) -> _EvenedVersions:
    near = _grown(mask)
    moved, second_shown = warp(second, difference.homography, warped.size, difference.magnification)
    of_first, of_second = _evened(replace(warped, query=warped.reference, reference=moved), near)
    # The two versions now have one look, and one map brings both to that of the upload.
    pair = replace(warped, reference=_bytes(of_first))
    unusual = near | disagreeing_places(PairStatistics(pair))
    processing = estimate_processing(pair, unusual)
    upload = np.asarray(warped.query, np.float32)
    first, second_evened = processing.apply(pair.reference), processing.apply(_bytes(of_second))
    if processing.query_is_sharper:
        upload = blurred(upload, processing.blur)
    else:
        first, second_evened = blurred(first, processing.blur), blurred(second_evened, processing.blur)
    whole = cv2.erode((warped.shown & second_shown).astype(np.uint8), _square(MARGIN), borderValue=0) > 0
    return _EvenedVersions(
        upload=blurred(upload, SOFTNESS_PX),
        first=blurred(first, SOFTNESS_PX),
        second=blurred(second_evened, SOFTNESS_PX),
        shown=np.asarray(whole),
        elsewhere=np.asarray(whole & ~unusual),
    )


def _evened(pair: WarpedPair, excluded: Mask) -> tuple[Colours, Colours]:
    """Returns query and reference of a pair: the colours of the query, the softness of the softer one."""
    processing = estimate_processing(pair, excluded)
    query, reference = np.asarray(pair.query, np.float32), processing.apply(pair.reference)
    if processing.query_is_sharper:
        return blurred(query, processing.blur), reference
    return query, blurred(reference, processing.blur)


def _measure(versions: _EvenedVersions, compared: Mask, visible: float) -> VersionReading:
    """Returns the reading without its decision."""
    left_first = _left_over(versions.upload, versions.first, compared)
    left_second = _left_over(versions.upload, versions.second, compared)
    between = versions.second - versions.first
    first, second, both = (_energy(values)[compared] for values in (left_first, left_second, between))
    # A place counts as much as the versions differ there.
    weight = both / max(float(both.sum()), 1e-6)
    of_first = (first < LEFT_OF_OTHER * second) & (first < LEFT_OF_DIFFERENCE * both)
    of_second = (second < LEFT_OF_OTHER * first) & (second < LEFT_OF_DIFFERENCE * both)
    of_neither = np.minimum(first, second) > LEFT_OF_BOTH * both
    elsewhere = (versions.upload - versions.first)[versions.elsewhere]
    return VersionReading(
        shown=VersionShown.UNDECIDABLE,
        visible=visible,
        first=float(weight[of_first].sum()),
        second=float(weight[of_second].sum()),
        neither=float(weight[of_neither].sum()),
        covered=float(weight[_flattened(versions)[compared]].sum()),
        levels=float(np.sqrt((between[compared] ** 2).mean())),
        noise_levels=float(np.sqrt((elsewhere**2).mean())) if elsewhere.size else 0.0,
    )


def _decide(measured: VersionReading) -> VersionShown:
    """Names a version only where hardly anything speaks for the other one or for a third."""
    if measured.levels < max(LEAST_LEVELS, LEAST_ABOVE_NOISE * measured.noise_levels):
        return VersionShown.UNDECIDABLE
    explained = 1.0 - measured.neither
    for shown, own, other in (
        (VersionShown.FIRST, measured.first, measured.second),
        (VersionShown.SECOND, measured.second, measured.first),
    ):
        if own >= AGREES * explained and other <= OPPOSED and measured.neither <= UNEXPLAINED:
            return shown
    if measured.covered > 0.5:
        return VersionShown.NOT_SHOWN
    is_other = min(measured.first, measured.second) > OPPOSED or measured.neither > SHOWS_NEITHER
    is_clear = measured.levels > OTHER_ABOVE_NOISE * measured.noise_levels
    return VersionShown.NEITHER if is_other and is_clear else VersionShown.UNDECIDABLE


def _left_over(upload: Colours, version: Colours, compared: Mask) -> Colours:
    """Returns (h, w, 3): the upload minus a version, after the small shift that leaves least."""
    left = upload - version
    slopes = [cv2.Sobel(upload, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    terms = np.stack([slope[compared].ravel() for slope in slopes], axis=1).astype(np.float64)
    normal = terms.T @ terms + 1e-3 * len(terms) * np.eye(2)
    shift = np.linalg.solve(normal, -terms.T @ left[compared].ravel()).clip(-MOST_SHIFT_PX, MOST_SHIFT_PX)
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    size = upload.shape[1], upload.shape[0]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(upload, move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE) - version
    better = float((moved[compared] ** 2).sum()) < float((left[compared] ** 2).sum())
    return np.asarray(moved if better else left, np.float32)


def _energy(values: Colours) -> Grey:
    """Returns (h, w): the mean square of the window around every pixel."""
    return np.asarray(cv2.boxFilter((values * values).mean(axis=2), -1, (WINDOW, WINDOW)), np.float32)


def _flattened(versions: _EvenedVersions) -> Mask:
    """Returns (h, w): where both versions have detail and the upload has hardly any left."""
    upload, first, second = (
        windows(grey(values), WINDOW).variance
        for values in (versions.upload, versions.first, versions.second)
    )
    least = np.minimum(first, second)
    return np.asarray((least > LEAST_DETAIL) & (upload < FLATTENED * least), np.bool_)


def _quad(mask: Mask, warped: WarpedPair) -> Quad:
    y, x = np.nonzero(mask)
    left, top, right, bottom = x.min(), y.min(), x.max() + 1, y.max() + 1
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    return as_shares(corners, *warped.size)


def _grown(mask: Mask) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _square(MARGIN)) > 0, np.bool_)


def _square(side: int) -> npt.NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)


def _bytes(values: Colours) -> Pixels:
    return np.asarray(values.clip(0, 255), np.uint8)

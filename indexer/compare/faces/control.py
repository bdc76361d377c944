"""Makes controls: the reference's face after what was done to the whole picture, and to nothing else.

A face that went through strong compression, sharpening or noise reads as another person's, or seems to have
moved. What such processing alone does is measured on the reference itself: the process is identified by
what it did around the face (analysis by synthesis over a bank of ordinary processes), and applied to the
reference. Whatever is measured of the control is the work of the processing.

A video spends its bits where nothing moves, so that the face is coded more coarsely than what is around it.
A second control is coded as videos are, until its face has as little detail as the query's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.compare.faces.crops import oval_mask
from indexer.compare.warping import Grey, Mask, WarpedPair, blurred, grey
from indexer.media.images import Pixels
from indexer.media.video_coding import through_h264

AROUND = 1.6  # of the face's box to each side: what is looked at and made anew
OVAL_GROWN = 1.35  # of the face's oval that says nothing about the processing
LEAST_AROUND = 400  # px around a face, below which nothing is known of the processing
WORTH_A_SECOND = 0.93  # of the error of the first process: what the second must leave at most
FINE = 1.0  # px: residue below this is noise
JPEG_QUALITIES = (3, 5, 8, 12, 18, 27, 40, 60)
BLURS = (0.6, 0.9, 1.3, 1.9, 2.7, 3.8, 5.5)  # standard deviations, px
SHARPENED = tuple(product((0.8, 1.5, 2.5, 4.0, 6.0), (0.6, 1.2, 2.0, 3.2)))  # radius in px, amount
MEDIANS = (3, 5, 7, 9)
FEW_COLOURS = (6, 12, 24)
SEED = 7
QUANTISERS = (26, 30, 34, 37, 40, 43, 46, 49)  # of H.264
AS_DETAILED = 0.97  # of the reference's detail: with more left, coding explains nothing
COARSE = 2.0  # px
BLOCK = 16  # px: what chroma at half size is coded by

Floats = npt.NDArray[np.float32]  # (h, w, 3), 0..255
Process = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Surroundings:
    """A cut-out around one face, in pixels of the query's own size."""

    reference: Floats  # in the query's colours
    query: Floats
    votes: Mask  # both show the same there, and no face
    face: Mask
    in_block: tuple[int, int]  # px of the query's coding block that are left of and above the cut-out


def control_pictures(warped: WarpedPair, expected: Floats, oval: npt.NDArray[np.float32]) -> list[Pixels]:
    """Returns the query with one face and what is around it replaced, as (h, w, 3) uint8, by each control.

    `expected`: the reference in the query's colours; `oval`: (n, 2) outline of the face. Empty where too
    little is shown around the face to know what was done to the picture.
    """
    height, width = warped.shown.shape
    (left, top), (right, bottom) = oval.min(axis=0), oval.max(axis=0)
    margin_x, margin_y = AROUND * (right - left), AROUND * (bottom - top)
    x0, x1 = max(0, int(left - margin_x)), min(width, int(right + margin_x) + 1)
    y0, y1 = max(0, int(top - margin_y)), min(height, int(bottom + margin_y) + 1)
    place = np.s_[y0:y1, x0:x1]
    face = oval_mask(oval, (height, width))[place]
    votes = warped.shown[place] & ~oval_mask(oval, (height, width), OVAL_GROWN)[place]
    factor = 1 / max(1.0, warped.magnification)
    size = max(8, round((x1 - x0) * factor)), max(8, round((y1 - y0) * factor))
    around = Surroundings(
        _resized(np.asarray(expected[place], np.float32), size),
        _resized(warped.query[place].astype(np.float32), size),
        _resized_mask(votes, size),
        _resized_mask(face & warped.shown[place], size),
        _place_in_block(warped, x0, y0),
    )
    if around.votes.sum() < LEAST_AROUND:
        return []
    processed = _processed(around)
    found = [_with_residue(processed, around)]
    coded = _coded_as_videos_are(around, processed)
    found += [] if coded is None else [coded]
    controls = []
    for one in found:
        made = _resized(one, (x1 - x0, y1 - y0)).clip(0, 255)
        control = warped.query.copy()
        control[place] = np.where(warped.shown[place][..., None], made, 0).astype(np.uint8)
        controls.append(control)
    return controls


def _coded_as_videos_are(around: Surroundings, processed: Floats) -> Floats | None:
    """The processed reference, coded until it lost as much as the query; None if its face lost no detail.

    What was lost is read from the face's detail, and from what differs around it beyond the process found:
    coarse coding keeps blocks of earlier frames, too, which no coding of one picture does.
    """
    wanted, unexplained = (
        _detail(around.query, around.face),
        _typical(processed - around.query, around.votes),
    )
    if wanted >= AS_DETAILED * _detail(around.reference, around.face):
        return None
    pixels = processed.clip(0, 255).astype(np.uint8)
    coded, is_enough = processed, False
    for quantiser in QUANTISERS:
        coded = through_h264(pixels, quantiser).astype(np.float32)
        if is_enough:
            break  # one step more: frames that are predicted lose more than a picture by itself
        is_as_poor = _detail(coded, around.face) <= wanted
        is_enough = is_as_poor and _typical(coded - processed, around.votes) >= unexplained
    return coded


def _typical(difference: Floats, where: Mask) -> float:
    """Mean of the differences in grey levels but for the largest tenth, which somebody may have made."""
    sizes = np.abs(difference).mean(axis=2)[where]
    return float(sizes[sizes <= np.percentile(sizes, 90)].mean()) if sizes.size else 0.0


def _detail(pixels: Floats, where: Mask) -> float:
    """Mean of what is finer than two pixels, in grey levels."""
    luma = grey(pixels)
    return float(np.abs(luma - blurred(luma, COARSE))[where].mean()) if where.any() else 0.0


def _place_in_block(warped: WarpedPair, x: int, y: int) -> tuple[int, int]:
    """Where a place of the frame lies in the blocks that JPEG codes the query by, mirrored or not."""
    to_query = np.linalg.inv(warped.homography)
    at = to_query @ (x, y, 1.0)
    across, down = (round(float(place / at[2])) % BLOCK for place in at[:2])
    return (
        across if to_query[0, 0] > 0 else BLOCK - 1 - across,
        down if to_query[1, 1] > 0 else BLOCK - 1 - down,
    )


def _processed(around: Surroundings) -> Floats:
    """The reference after the one or two processes that come nearest to the query."""
    best, least = around.reference, _error(around.reference, around)
    bank = list(_bank(around))
    for worth_it in (1.0, WORTH_A_SECOND):
        made = min((process(best) for process in bank), key=lambda one: _error(one, around))
        error = _error(made, around)
        if error >= worth_it * least:
            break
        best, least = made, error
    return best


def _bank(around: Surroundings) -> Iterator[Process]:
    coded = partial(_through_jpeg, in_block=around.in_block)
    yield from (partial(coded, quality=quality) for quality in JPEG_QUALITIES)
    yield from (partial(_softened, sigma=sigma) for sigma in BLURS)
    yield from (partial(_sharpened, radius=radius, amount=amount) for radius, amount in SHARPENED)
    yield from (partial(_median, side=side) for side in MEDIANS)
    yield from (partial(_in_few_colours, palette=_palette(around.query, count)) for count in FEW_COLOURS)


def _softened(pixels: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32)


def _palette(pixels: Floats, count: int) -> Image.Image:
    # A ninth of the pixels is enough, by a step that no pattern of dither has.
    return Image.fromarray(pixels[::3, ::3].clip(0, 255).astype(np.uint8)).quantize(count)


def _in_few_colours(pixels: Floats, palette: Image.Image) -> Floats:
    whole = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    reduced = whole.quantize(palette=palette, dither=Image.Dither.NONE)
    return np.asarray(reduced.convert("RGB"), np.float32)


def _through_jpeg(pixels: Floats, *, quality: int, in_block: tuple[int, int]) -> Floats:
    """Codes a cut-out by the same blocks as the whole: edges of blocks are what coarse coding leaves."""
    across, down = in_block
    whole = pixels.clip(0, 255).astype(np.uint8)[..., ::-1]  # as OpenCV expects
    padded = cv2.copyMakeBorder(whole, down, 0, across, 0, cv2.BORDER_REPLICATE)
    _, coded = cv2.imencode(".jpg", padded, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None, "it was coded a line before"
    return np.asarray(decoded[down:, across:, ::-1], np.float32)


def _sharpened(pixels: Floats, radius: float, amount: float) -> Floats:
    soft = cv2.GaussianBlur(pixels, (0, 0), radius)
    return np.asarray((pixels + amount * (pixels - soft)).clip(0, 255), np.float32)


def _median(pixels: Floats, side: int) -> Floats:
    return np.asarray(cv2.medianBlur(pixels.clip(0, 255).astype(np.uint8), side), np.float32)


def _error(made: Floats, around: Surroundings) -> float:
    """Mean absolute difference where the surroundings vote, with what is finest counted again."""
    difference = cv2.subtract(made, around.query)
    fine = cv2.subtract(difference, cv2.GaussianBlur(difference, (0, 0), FINE))
    return _mean_size(difference, around.votes) + _mean_size(fine, around.votes)


def _mean_size(difference: npt.NDArray[np.generic], where: Mask) -> float:
    # Asked of each process of the bank: OpenCV's mean takes a third of the time that indexing takes.
    return float(np.mean(cv2.mean(np.abs(difference), mask=where.view(np.uint8))[:3]))


def _with_residue(made: Floats, around: Surroundings) -> Floats:
    """Adds noise where the processes found leave the surroundings finer or coarser than the query."""
    sigma = np.sqrt(max(0.0, _fine_energy(around.query, around.votes) - _fine_energy(made, around.votes)))
    if sigma < 1.0:
        return made
    noise = np.random.default_rng(SEED).normal(0.0, 1.0, made.shape).astype(np.float32)
    noise /= np.sqrt(max(1e-6, _fine_energy(noise, around.votes)))
    return made + np.float32(sigma) * noise


def _fine_energy(pixels: Floats, votes: Mask) -> float:
    fine: Grey = grey(pixels) - blurred(grey(pixels), FINE)
    return float(np.median(np.square(fine[votes]))) / 0.455  # the median of a squared normal is 0.455


def _resized_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


def _resized(pixels: Floats, size: tuple[int, int]) -> Floats:
    if pixels.shape[:2] == size[::-1]:
        return pixels
    shrinks = size[0] < pixels.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.float32)

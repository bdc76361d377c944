"""Frames of an uploaded video, decoded again where they are compared."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from indexer.compare.geometry import Matrix
from indexer.media.images import DecodedImage, Pixels
from indexer.timeline.tracks import Size
from registry.media.decoding import Decoders
from registry.media.uploads import Upload, VideoContent

MOST_KEPT = 48
NEAR_MS = 100  # around a computed moment, every frame is tried
USUAL_FRAME_RATE, MOST_FRAME_RATE = 30.0, 60.0
# Large enough for a running headline to be told from itself a frame later.
SIMILARITY_SIDE = 320
LEAST_SHOWN_PX = 50  # of a frame that is shown at all


@dataclass(frozen=True)
class Moment:
    """A time of the upload that a segment puts on a registered frame."""

    query_ms: int
    reference_ms: int
    reference: Pixels | None = None  # (h, w, 3) of the registered frame


class QueryFrames:
    """Frames of one upload, each decoded when it is first wanted, as still uploads.

    Those that were wanted last are kept: a frame of 960 x 540 takes 1.6 MB, its features 0.5.
    """

    def __init__(self, decoders: Decoders, video: VideoContent) -> None:
        self._decoders, self._video = decoders, video
        self._frames: OrderedDict[int, Upload] = OrderedDict()

    @property
    def video(self) -> VideoContent:
        """The video whose frames these are."""
        return self._video

    def prepare(self, times_ms: Iterable[int]) -> None:
        """Decodes all of them in one pass; of more than are kept, the first."""
        asked = sorted({self._inside(time_ms) for time_ms in times_ms})[:MOST_KEPT]
        for time_ms in self._frames.keys() & set(asked):
            self._frames.move_to_end(time_ms)
        wanted = [time_ms for time_ms in asked if time_ms not in self._frames]
        for pixels, time_ms in zip(self._decode(wanted), wanted, strict=False):
            self._keep(time_ms, pixels)

    def _keep(self, time_ms: int, pixels: Pixels) -> None:
        self._frames[time_ms] = _as_upload(pixels, self._video)
        self._frames.move_to_end(time_ms)
        while len(self._frames) > MOST_KEPT:
            self._frames.popitem(last=False)

    def at(self, time_ms: int) -> Upload | None:
        """The frame that is shown then; None where the file breaks off."""
        self.prepare([time_ms])
        return self._frames.get(self._inside(time_ms))

    def prepare_exactly(self, moments: Sequence[Moment], homography: Matrix, size: Size) -> list[int]:
        """For every moment the time near it whose frame is most similar to the registered one.

        A segment is good to a few hundredths of a second, in which a mouth opens. The frames are then at
        hand.
        """
        step = 1000 / min(MOST_FRAME_RATE, self._video.info.frame_rate or USUAL_FRAME_RATE)
        reach = int(np.ceil(NEAR_MS / step))
        shifts = (np.arange(-reach, reach + 1) * step).round().astype(int).tolist()
        asked_at: dict[int, list[_MostSimilar]] = {}
        found = [_MostSimilar(moment.query_ms, moment.reference) for moment in moments]
        for most_similar in found:
            if most_similar.reference is not None:
                for time_ms in {self._inside(most_similar.time_ms + shift) for shift in shifts}:
                    asked_at.setdefault(time_ms, []).append(most_similar)
        every = sorted(asked_at)
        # One pass over the file for all of them, in which a frame is dropped unless it is the best so far.
        for pixels, time_ms in zip(self._decode(every), every, strict=False):
            for most_similar in asked_at[time_ms]:
                most_similar.try_frame(time_ms, pixels, homography, size)
        for most_similar in found:
            if most_similar.pixels is not None and most_similar.time_ms not in self._frames:
                self._keep(most_similar.time_ms, most_similar.pixels)
        return [most_similar.time_ms for most_similar in found]

    def _decode(self, times_ms: list[int]) -> Iterator[Pixels]:
        return self._decoders.frames_at(self._video.payload, times_ms)

    def _inside(self, time_ms: int) -> int:
        return int(min(max(0, time_ms), self._video.track.times_ms[-1]))


@dataclass
class _MostSimilar:
    """Of the frames around a moment, the one most like the registered one so far."""

    time_ms: int  # of the moment itself, until a frame was tried
    reference: Pixels | None
    pixels: Pixels | None = None
    similarity: float = -np.inf

    def try_frame(self, time_ms: int, pixels: Pixels, homography: Matrix, size: Size) -> None:
        assert self.reference is not None
        similarity = frame_similarity(pixels, self.reference, homography, size)
        if similarity > self.similarity:
            self.time_ms, self.pixels, self.similarity = time_ms, pixels, similarity


def frame_similarity(query: Pixels, reference: Pixels, homography: Matrix, size: Size) -> float:
    """Correlation of a frame with a registered one of the given size, warped onto it and small; -1..1."""
    scale = SIMILARITY_SIDE / max(size)
    small = max(8, round(size[0] * scale)), max(8, round(size[1] * scale))
    matrix = np.diag([small[0] / size[0], small[1] / size[1], 1.0]) @ homography
    grey = cv2.cvtColor(query, cv2.COLOR_RGB2GRAY)
    # As coarse as it will be shown, or the finest detail would be taken at random.
    reduction = scale * float(np.sqrt(abs(np.linalg.det(homography[:2, :2]))))
    grey = cv2.GaussianBlur(grey, (0, 0), max(0.5, 0.4 / max(reduction, 1e-3)))
    warped = cv2.warpPerspective(grey, matrix, small)
    shown = cv2.warpPerspective(np.full(grey.shape, 255, np.uint8), matrix, small) > 250
    target = cv2.resize(cv2.cvtColor(reference, cv2.COLOR_RGB2GRAY), small, interpolation=cv2.INTER_AREA)
    if shown.sum() < LEAST_SHOWN_PX:
        return -1.0
    left, right = warped[shown].astype(np.float64), target[shown].astype(np.float64)
    left, right = left - left.mean(), right - right.mean()
    return float((left * right).sum() / max(1e-6, np.linalg.norm(left) * np.linalg.norm(right)))


def _as_upload(pixels: Pixels, video: VideoContent) -> Upload:
    image = DecodedImage(pixels, video.info.media_type, video.info.width, video.info.height)
    return Upload(None, (), None, None, image)

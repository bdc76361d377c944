"""Fingerprints of a video's sampled frames, and which of the frames show something new."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from indexer.fingerprints.compute import fingerprint_frames, upright
from indexer.fingerprints.embedding import Embedder
from indexer.fingerprints.kinds import PDQ, Fingerprint, hamming
from indexer.media.frames import Frame
from indexer.media.images import Pixels

# A frame so near to the last new one shows the same picture again; vPDQ drops identical frames only.
SAME_FRAME_BITS = 4
BATCH = 16


@dataclass(frozen=True)
class SampledFrame:
    """One sampled frame with its fingerprints, which carry its time."""

    time_ms: int
    fingerprints: tuple[Fingerprint, ...]
    quality: int  # PDQ's, 0..100
    insufficient_detail: str | None
    is_new: bool  # it has enough detail, and does not show the same picture as the last new frame
    starts_shot: bool


def fingerprint_samples(
    frames: Iterable[Frame], *embedders: Embedder
) -> Iterator[tuple[SampledFrame, Pixels]]:
    """Yields every sampled frame with its (h, w, 3) pixels, in the order of time."""
    last: Fingerprint | None = None
    for batch in _batches(frame for frame in frames if frame.pixels is not None):
        pixels = [frame.pixels for frame in batch if frame.pixels is not None]
        for frame, picture, computed in zip(
            batch, pixels, fingerprint_frames(pixels, *embedders), strict=True
        ):
            timed = tuple(replace(value, time_ms=frame.time_ms) for value in computed.fingerprints)
            pdq = upright(timed, PDQ.name)
            same = pdq and last and hamming(pdq.value, last.value) <= SAME_FRAME_BITS
            is_new = computed.insufficient_detail is None and not same
            last = pdq if is_new else last
            yield (
                SampledFrame(
                    frame.time_ms,
                    timed,
                    computed.quality,
                    computed.insufficient_detail,
                    is_new,
                    frame.starts_shot,
                ),
                picture,
            )


def _batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    batch: list[Frame] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch

"""A line between two videos in time, the frames that it is measured on, and its refinement."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from indexer.timeline.track import Vectors

Times = npt.NDArray[np.float64]  # seconds
Similarities = npt.NDArray[np.float32]  # (query frames, reference frames), correlations
Flags = npt.NDArray[np.bool_]

MOST_FRAMES = 240  # of a line are enough to place it
OUTSIDE_S = 0.12  # so far before its first frame a video has none
NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
PLAIN_STEPS = np.linspace(-0.2, 0.2, 41)  # seconds around the place at which the plain speed is tried
# Share of the motion that a factor must explain beyond what the plain speed explains.
UNCERTAIN_SHARE = 0.02
LEAST_HELD_S = 0.7
# Of the motion, what a line of another speed than the original's must explain: right ones explain 0.87 and
# more (docs/quality.md); in a picture that stands still, noise of coding fits any speed a little.
LEAST_EXPLAINED = 0.7
PLACES_S = 0.1  # steps in which a stretch without motion is tried on the whole reference
NO_WORSE = 0.01  # correlation by which the plain speed may fall behind; where anything moves, it falls far
# From one frame of the track to the next: nothing, or so small a share of what is usual.
STILL_STEP, STILL_SHARE = 0.002, 0.2
STILL = 0.01  # frames that lie no farther from their mean do not move


@dataclass(frozen=True)
class TemporalSegment:
    """A stretch of the query on a line of the reference; seconds."""

    start: float  # in the query
    end: float
    factor: float  # playback speed of the query; negative: backwards; 0: held
    offset: float  # reference second at query second 0
    similarity: float  # mean correlation of its frames, -1..1
    similarity_profile: tuple[float, ...] = ()  # the same over its time, in equal steps

    def at(self, second: float) -> float:
        """The reference's second at a second of the query."""
        return self.factor * second + self.offset

    @property
    def reference(self) -> tuple[float, float]:
        """First and last second in the reference, rising."""
        ends = float(self.at(self.start)), float(self.at(self.end))
        return min(ends), max(ends)


@dataclass(frozen=True)
class Sequence:
    """Frames of one video over the pixels that both videos show."""

    times: Times  # (n,) seconds, rising
    vectors: Vectors  # (n, pixels), of length one, or zero where a frame says nothing
    end: float  # when the last frame ceases to be shown

    def every(self, step_s: float) -> "Sequence":
        """Thinned out to one frame per step."""
        ticks = np.floor(self.times / step_s + 1e-6)
        kept = np.flatnonzero(np.diff(ticks, prepend=-1.0) > 0)
        return Sequence(self.times[kept], self.vectors[kept], self.end)

    def at(self, seconds: Times) -> Vectors:
        """Frames at any seconds, blended from their neighbours; zero outside."""
        if len(self.times) == 1:
            return np.repeat(self.vectors, len(seconds), axis=0)
        after = np.clip(np.searchsorted(self.times, seconds), 1, len(self.times) - 1)
        before = after - 1
        share = (seconds - self.times[before]) / (self.times[after] - self.times[before])
        share = np.clip(share, 0.0, 1.0)[:, None].astype(np.float32)
        rows = (1 - share) * self.vectors[before] + share * self.vectors[after]
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        rows[(seconds < self.times[0] - OUTSIDE_S) | (seconds > self.end + OUTSIDE_S)] = 0.0
        return np.asarray(rows, np.float32)


def refine_segment(line: TemporalSegment, query: Sequence, reference: Sequence) -> TemporalSegment:
    """Factor and offset at which both move most alike, to milliseconds.

    Frames less their mean over the line are compared: what stands still, a logo or a border that is a pixel
    off, is the same at every factor and drops out. The search halves its steps.
    """
    inside = np.flatnonzero((query.times >= line.start - 1e-6) & (query.times <= line.end + 1e-6))
    if len(inside) < 3:
        return line
    inside = inside[np.linspace(0, len(inside) - 1, min(len(inside), MOST_FRAMES)).astype(int)]
    times, rows = query.times[inside], query.vectors[inside]
    moving = rows - rows.mean(axis=0)
    spread = float(np.sqrt((moving**2).sum(axis=1).mean()))
    middle = float(times.mean())
    half = max(0.2, float(times[-1] - times[0]) / 2)

    def alike(factor: float, centre: float) -> float:
        theirs = reference.at(factor * (times - middle) + centre)
        return float(np.einsum("ij,ij->", rows, theirs)) / len(rows)

    def moves_alike(factor: float, centre: float) -> float:
        theirs = reference.at(factor * (times - middle) + centre)
        theirs = theirs - theirs.mean(axis=0)
        size = float(np.sqrt((theirs**2).sum(axis=1).mean()))
        return float(np.einsum("ij,ij->", moving, theirs)) / len(rows) / max(spread * size, STILL**2)

    worth = alike if line.factor == 0.0 or spread < STILL else moves_alike
    factor, centre = line.factor, line.at(middle)
    best = worth(factor, centre)
    drift, shift = 0.3, 0.2  # seconds at the ends of the line, and of the whole line
    while shift > 0.004:
        steps = [
            (turn * drift / half, move * shift) for turn, move in NEIGHBOURS if turn == 0 or line.factor
        ]
        moved = True
        while moved:
            moved = False
            for change, step in steps:
                found = worth(factor + change, centre + step)
                if found > best + 1e-6:
                    best, factor, centre, moved = found, factor + change, centre + step, True
        drift, shift = drift / 2, shift / 2
    if line.factor:
        plain = float(np.sign(factor))
        at_speed, place = max((worth(plain, centre + step), centre + step) for step in PLAIN_STEPS)
        if at_speed > best - UNCERTAIN_SHARE * max(0.0, best):
            factor, centre = plain, place
    return replace(
        line, factor=float(factor), offset=float(centre - factor * middle), similarity=alike(factor, centre)
    )


def original_speed_if_still(line: TemporalSegment, query: Sequence, reference: Sequence) -> TemporalSegment:
    """The same stretch at the original's speed, where its motion does not tell another speed."""
    if line.factor in (0.0, 1.0):
        return line
    inside = (query.times >= line.start - 1e-6) & (query.times <= line.end + 1e-6)
    times, rows = query.times[inside], query.vectors[inside]
    if len(times) < 3:
        return line
    theirs = reference.at(line.factor * times + line.offset)
    moving, their_moving = rows - rows.mean(axis=0), theirs - theirs.mean(axis=0)
    sizes = float(np.sqrt((moving**2).sum() * (their_moving**2).sum()))
    explained = float((moving * their_moving).sum()) / max(sizes, STILL**2 * len(rows))
    if explained >= LEAST_EXPLAINED:
        return line
    latest = max(reference.times[0], reference.end - (times[-1] - times[0]))
    offsets = np.arange(reference.times[0], latest + 1e-6, PLACES_S) - times[0]
    alike = [float(np.einsum("ij,ij->", rows, reference.at(times + one))) / len(rows) for one in offsets]
    place = int(np.argmax(alike))
    if alike[place] < line.similarity - NO_WORSE:
        return line
    return replace(line, factor=1.0, offset=float(offsets[place]), similarity=alike[place])


def frozen_segments(query: Sequence, reference: Sequence) -> list[TemporalSegment]:
    """Stretches in which the query stands still: one frame of the reference, held."""
    if len(query.times) < 2 or len(reference.times) < 2:
        return []
    steps = np.linalg.norm(np.diff(query.vectors, axis=0, prepend=query.vectors[:1]), axis=1)
    still = steps < max(STILL_STEP, STILL_SHARE * float(np.median(steps)))
    found = []
    for first, last in runs(still & (np.linalg.norm(query.vectors, axis=1) > 0.5)):
        first = max(0, first - 1)
        start, end = float(query.times[first]), float(query.times[last - 1])
        if end - start < LEAST_HELD_S:
            continue
        alike = reference.vectors @ query.vectors[first:last].mean(axis=0)
        place = int(alike.argmax())
        found.append(TemporalSegment(start, end, 0.0, float(reference.times[place]), float(alike[place])))
    return found


def runs(flags: Flags) -> list[tuple[int, int]]:
    """(first, last + 1) of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]

"""Whether a video goes on showing the same take beyond a moment, or cuts, or ends there.

It knows one track of small luma frames. Frames are compared over shifts, so that a camera which pans or
shakes is not taken for a cut.
"""

from enum import StrEnum

import cv2
import numpy as np

from indexer.media.images import Pixels
from indexer.timeline.track import LEAST_CONTRAST, SIDE, Track

STEP_S = 0.08  # of a track
LASTS_S = 0.5  # a take goes on where so much more of it is shown
# Where little moves, as in a slow zoom over a title, a segment's place is known less exactly.
LASTS_SLOW_S, SLOW = 1.5, 0.97
LAGS = (4, 6)  # frames on either side of a moment, which are compared over it: 0.7 and 1.0 seconds apart
NEAR_STEPS = 4  # the end of a segment is known to a third of a second
STEP_SHIFT, LAG_SHIFT, SLOW_SHIFT = 3, 6, 1  # px by which the picture may move
STILL_LEVELS = 1.5  # mean absolute difference of two frames in grey levels, below which nothing moves
BAR_LEVELS = 2.0  # standard deviation of a row or column over all its pixels and frames: a bar, no picture
# Correlation of neighbouring frames: 0.55 or more at 95 of 100 moments in takes, 0.44 or less over 95 of
# 100 hard cuts. Of frames 0.7 s apart: 0.90 in the median of takes, 0.56 or less over 95 of 100 cuts and
# dissolves (decision 021).
SURE_CUT, SURE_STEP = 0.5, 0.6
SURE_TAKE, SURE_DISSOLVE = 0.68, 0.25


class Beyond(StrEnum):
    """What a video shows beyond a moment."""

    CONTINUES = "continues"  # the same take for LASTS_S at least
    CUTS = "cuts"
    DISSOLVES = "dissolves"  # nothing alike soon after, though no cut is seen; a fast pan looks like it
    ENDS = "ends"
    UNCLEAR = "unclear"


def beyond(track: Track, second: float, side: int) -> Beyond:
    """Tells what is shown after (`side` 1) or before (-1) a second of a track.

    Where the picture stands still at that second, it is asked about the moment at which something moves
    again: how long a title stands says nothing.
    """
    frames, place = _outward(track, second, side)
    if _least_step(frames, place - NEAR_STEPS, place + NEAR_STEPS) < SURE_CUT:
        return Beyond.CUTS
    place = _past_stillness(frames, place)
    is_slow_here = _is_slow(frames, place)
    lasts = round((LASTS_SLOW_S if is_slow_here else LASTS_S) / STEP_S)
    if len(frames) - place < lasts:
        return Beyond.ENDS
    if _least_step(frames, place - NEAR_STEPS, place + max(NEAR_STEPS, lasts)) < SURE_CUT:
        return Beyond.CUTS
    return _over(frames, max(1, place), SLOW_SHIFT if is_slow_here else LAG_SHIFT)


def is_slow(track: Track, second: float, side: int) -> bool:
    """Tells whether so little moves around a second that a moment cannot be told from its neighbours."""
    return _is_slow(*_outward(track, second, side))


def _is_slow(frames: Pixels, place: int) -> bool:
    earlier, later = np.clip((place - LAGS[1], place), 0, len(frames) - 1)
    return similarity(frames[earlier], frames[later], 0) > SLOW


def cuts_within(track: Track, second: float, side: int, within_s: float) -> bool:
    """Tells whether the first cut after (`side` 1) or before (-1) a second lies within so many seconds."""
    frames, place = _outward(track, second, side)
    return _least_step(frames, place, place + int(within_s / STEP_S)) < SURE_CUT


def _outward(track: Track, second: float, side: int) -> tuple[Pixels, int]:
    """The frames in the order in which they are looked at, and the place of a second among them."""
    frames = _pictures_only(_on_grid(track))
    place = int(np.clip(round(second / STEP_S), 0, len(frames)))
    return (frames, place) if side > 0 else (frames[::-1], len(frames) - place)


def _on_grid(track: Track) -> Pixels:
    """The (n, SIDE, SIDE) frames of a track at equal steps of time."""
    times = np.arange(0, max(track.end_ms / 1000, STEP_S), STEP_S)
    places = np.clip(np.searchsorted(track.times_ms / 1000, times + 1e-3, side="right") - 1, 0, None)
    return np.asarray(track.luma[places], np.uint8)


def _pictures_only(frames: Pixels) -> Pixels:
    """Cuts away bars, which stay the same over every cut."""
    rows = frames.std(axis=(0, 2)) > BAR_LEVELS
    columns = frames.std(axis=(0, 1)) > BAR_LEVELS
    if not rows.any() or not columns.any():
        return frames
    top, bottom = np.flatnonzero(rows)[[0, -1]]
    left, right = np.flatnonzero(columns)[[0, -1]]
    if (bottom - top + 1, right - left + 1) == (SIDE, SIDE):
        return frames
    inner = frames[:, top : bottom + 1, left : right + 1]
    return np.array([cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame in inner])


def _past_stillness(frames: Pixels, place: int) -> int:
    """The place at which something differs from what stands still at this one."""
    shown = frames[max(0, place - 1)].astype(np.int16)
    while place < len(frames) and np.abs(frames[place] - shown).mean() <= STILL_LEVELS:
        place += 1
    return place


def _least_step(frames: Pixels, first: int, last: int) -> float:
    """The smallest similarity of neighbouring frames between two places."""
    places = range(max(0, first), min(len(frames) - 1, last))
    return min((similarity(frames[at], frames[at + 1], STEP_SHIFT) for at in places), default=1.0)


def _over(frames: Pixels, place: int, shift: int) -> Beyond:
    """What lies between the frames before a place and those from it on, where no cut is seen."""

    def apart(start: int, lag: int) -> float:
        """Of two frames `lag` steps apart, the earlier one at `start`."""
        ends = np.clip((start, start + lag), 0, len(frames) - 1)
        return similarity(frames[ends[0]], frames[ends[1]], shift)

    across = min(apart(place - 1 - lag, 2 * lag + 1) for lag in LAGS)
    if across >= SURE_TAKE:
        step = _least_step(frames, place - NEAR_STEPS, place + NEAR_STEPS)
        return Beyond.CONTINUES if step >= SURE_STEP else Beyond.UNCLEAR
    near = LAGS[0]
    reach = 2 * near + 1
    within = min(apart(place - 1 - near - reach, reach), apart(place + near, reach))
    return Beyond.DISSOLVES if within - across > SURE_DISSOLVE else Beyond.UNCLEAR


def similarity(first: Pixels, second: Pixels, shift: int) -> float:
    """Correlation of the middle of one frame with the best place of another within `shift` px, -1..1."""
    core = first[shift : SIDE - shift, shift : SIDE - shift].astype(np.float32)
    plain = [float(one.std()) < LEAST_CONTRAST for one in (core, second)]
    if any(plain):
        return 1.0 if all(plain) else 0.0
    found = cv2.matchTemplate(second.astype(np.float32), core, cv2.TM_CCOEFF_NORMED)
    return float(np.nan_to_num(found, posinf=0.0, neginf=0.0).max())

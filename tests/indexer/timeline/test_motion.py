"""Videos whose frames look little alike are laid on one another by what moves in them."""

import cv2
import numpy as np

from indexer.timeline.track import SIDE, Track
from indexer.timeline.tracks import segments_between
from samples.video_edits import Clip
from tests.persons import SIZE, Path, Person, along, another, elsewhere, one

WHOLE = np.eye(3)


def track(clip: Clip) -> Track:
    luma = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip.frames]
    small = [cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame in luma]
    times = np.array([round(1000 * second) for second in clip.times])
    return Track(times, np.array(small, np.uint8), round(1000 * clip.seconds))


def walk(person: Person, path: Path) -> Track:
    return track(person.walking(path))


def test_another_person_on_the_same_way_is_shown_at_the_same_seconds() -> None:
    (segment,) = segments_between(walk(another(), along), walk(one(), along), WHOLE, SIZE, SIZE)
    assert segment.factor == 1.0
    assert abs(segment.offset) < 0.07
    assert segment.end - segment.start > 3.8
    assert segment.similarity < 0.85  # frames alone do not look alike


def test_another_way_through_the_room_is_not_the_same_one() -> None:
    segments = segments_between(walk(another(), elsewhere), walk(one(), along), WHOLE, SIZE, SIZE)
    assert segments
    assert not any(one.factor == 1.0 and one.end - one.start > 3.6 for one in segments)


def test_a_video_without_frames_has_no_segments() -> None:
    empty = Track(np.zeros(0, np.int64), np.zeros((0, SIDE, SIDE), np.uint8), 0)
    assert segments_between(empty, walk(one(), along), WHOLE, SIZE, SIZE) == []


def test_the_same_frames_need_no_motion() -> None:
    (segment,) = segments_between(walk(one(), along), walk(one(), along), WHOLE, SIZE, SIZE)
    assert (segment.factor, abs(segment.offset) < 0.01) == (1.0, True)

"""Pictures inside the frames of a video: in a player, beside somebody who reacts."""

import numpy as np

from indexer.fingerprints.regions import inner_rectangles
from registry.match.retrieval import QueryPart
from registry.media.query_frames import QueryFrames

FRAMES_LOOKED_INTO = 6  # spread over the video
PART_NAME = "inner_rectangle"


def inner_pictures(frames: QueryFrames) -> list[QueryPart]:
    """Parts of some frames to ask about by themselves."""
    new_frames = frames.video.new_frames
    count = min(FRAMES_LOOKED_INTO, len(new_frames))
    places = np.unique(np.linspace(0, len(new_frames) - 1, count).astype(int))
    times = [new_frames[place].time_ms for place in places]
    frames.prepare(times)
    parts = []
    for time_ms in times:
        upload = frames.at(time_ms)
        if upload is not None and upload.image is not None:
            pixels = upload.image.pixels
            parts += [
                QueryPart(time_ms, box.cut(pixels), PART_NAME, box) for box in inner_rectangles(pixels)
            ]
    return parts

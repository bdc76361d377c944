"""Videos drawn from real photographs: a window that wanders over each, shot after shot."""

import io
from functools import cache

import numpy as np
from PIL import Image

from bench.video_edits import Clip, Look, Piece, write_pieces
from indexer.media.images import Pixels
from tests.pictures import picture

RATE = 30
SIZE = 320, 240


def wandering(name: str, seconds: float, seed: int) -> list[Pixels]:
    """A shaky camera over one photograph."""
    image = picture(name)
    scale = max(1.5 * SIZE[0] / image.width, 1.5 * SIZE[1] / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    room = np.array([image.width - SIZE[0], image.height - SIZE[1]])
    rng = np.random.default_rng(seed)
    speeds, phases = rng.uniform(0.5, 1.4, (2, 2)), rng.uniform(0, 6, (2, 2))
    frames = []
    for number in range(round(seconds * RATE)):
        second = number / RATE
        path = np.sin(speeds * second + phases).sum(axis=1) / 4 + 0.5
        left, top = (room * path.clip(0, 1)).round().astype(int)
        frames.append(np.asarray(image.crop((left, top, left + SIZE[0], top + SIZE[1]))))
    return frames


@cache
def clip(*names: str, shot_s: float = 4.0) -> Clip:
    """One shot of each photograph."""
    frames = [frame for seed, name in enumerate(names) for frame in wandering(name, shot_s, seed)]
    return Clip("-".join(names), frames, [number / RATE for number in range(len(frames))])


def whole(source: Clip) -> Piece:
    return Piece(source, 0.0, source.seconds)


@cache
def original(*names: str) -> bytes:
    """What a publisher registers."""
    return write_pieces([whole(clip(*names))], crf=18)


def edited(*pieces: Piece, look: Look | None = None, crf: int = 26) -> bytes:
    return write_pieces(list(pieces), look, crf=crf)


def animation(source: Clip, kind: str, *, every: int = 3, **options: object) -> bytes:
    """The first two seconds as an animated image."""
    frames = [Image.fromarray(one).resize((240, 180)) for one in source.frames[: 2 * RATE : every]]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, kind, save_all=True, append_images=frames[1:], duration=1000 * every // RATE, **options
    )
    return buffer.getvalue()

"""What all edits share: their type, and random colours, words and noise from a seed."""

import random
import string
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

Edit = Callable[[Image.Image, random.Random], Image.Image]


def colour(rng: random.Random) -> tuple[int, int, int]:
    """Any."""
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def words(rng: random.Random, count: int) -> str:
    """Letters in groups of two to nine."""
    return " ".join("".join(rng.choices(string.ascii_letters, k=rng.randint(2, 9))) for _ in range(count))


def noise_source(rng: random.Random) -> np.random.Generator:
    """NumPy's generator, seeded from ours."""
    return np.random.default_rng(rng.getrandbits(32))


def from_floats(values: npt.NDArray[np.floating]) -> Image.Image:
    """(h, w, 3) grey levels 0..255 of any range, clipped."""
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def within(image: Image.Image, long_side: int) -> Image.Image:
    """Reduced to a long side; chains of edits grow pictures."""
    if max(image.size) > long_side:
        image = image.copy()
        image.thumbnail((long_side, long_side), Image.Resampling.BILINEAR)
    return image

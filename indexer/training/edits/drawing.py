"""What all edits share: their type, and random colours, words and noise from a seed."""

import random
import string
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

Edit = Callable[[Image.Image, random.Random], Image.Image]


def colour(rng: random.Random) -> tuple[int, int, int]:
    """Draws any colour."""
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def words(rng: random.Random, count: int) -> str:
    """Draws letters in groups of two to nine."""
    return " ".join("".join(rng.choices(string.ascii_letters, k=rng.randint(2, 9))) for _ in range(count))


def noise_source(rng: random.Random) -> np.random.Generator:
    """Returns a generator of NumPy, seeded from `rng`."""
    return np.random.default_rng(rng.getrandbits(32))


def from_floats(values: npt.NDArray[np.floating]) -> Image.Image:
    """Returns an image of (h, w, 3) levels, clipped to 0..255."""
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def within(image: Image.Image, long_side: int) -> Image.Image:
    """Reduces an image to a long side, because chains of edits make pictures grow."""
    if max(image.size) > long_side:
        image = image.copy()
        image.thumbnail((long_side, long_side), Image.Resampling.BILINEAR)
    return image

"""Real photographs that packages bring, and files made from them."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import skimage
from PIL import Image

from indexer.media.images import Pixels

DATA = Path(skimage.__file__).parent / "data"
NAMES = {
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "hubble": "hubble_deep_field.jpg",
    "motorcycle": "motorcycle_left.png",
    "camera": "camera.png",
    "coins": "coins.png",
    "grace hopper": str(Path(matplotlib.__file__).parent / "mpl-data/sample_data/grace_hopper.jpg"),
}


@cache
def picture(name: str) -> Image.Image:
    with Image.open(DATA / NAMES[name]) as image:
        return image.convert("RGB")


def pixels(name: str) -> Pixels:
    return np.asarray(picture(name))


def encoded(image: Image.Image | str, kind: str = "JPEG", **options: Any) -> bytes:
    if isinstance(image, str):
        image = picture(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flat(colour: str = "red", size: tuple[int, int] = (400, 300)) -> bytes:
    return encoded(Image.new("RGB", size, colour), "PNG")

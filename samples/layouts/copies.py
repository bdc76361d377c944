"""What is done to a picture before it is posted again: it remains a copy."""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image

from indexer.training.edits import overlays, screens, shape, tone
from indexer.training.edits.drawing import Edit
from samples.layouts.photographing import curled, photograph_of_screen, through_jpeg


def _re_encoded(image: Image.Image, rng: random.Random) -> Image.Image:
    return through_jpeg(image, rng.randint(30, 80))


def _resized(image: Image.Image, rng: random.Random) -> Image.Image:
    share = rng.uniform(0.35, 0.8)
    return through_jpeg(image.resize((int(image.width * share), int(image.height * share))), 80)


def _cropped(image: Image.Image, rng: random.Random) -> Image.Image:
    width, height = (int(side * rng.uniform(0.7, 0.95)) for side in image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return through_jpeg(image.crop((left, top, left + width, top + height)), 85)


def _slightly_turned(image: Image.Image, rng: random.Random) -> Image.Image:
    return image.rotate(rng.uniform(-6, 6), Image.Resampling.BICUBIC, expand=True, fillcolor=(30, 30, 30))


def _small(edit: Edit) -> Edit:
    """Returns the edit, made at a size that people post."""

    def made(image: Image.Image, rng: random.Random) -> Image.Image:
        return through_jpeg(edit(image, rng).convert("RGB"), rng.randint(60, 90))

    return made


COPIES: Mapping[str, Callable[[Image.Image, random.Random], Image.Image]] = MappingProxyType(
    {
        "re-encoded": _re_encoded,
        "resized": _resized,
        "cropped": _cropped,
        "screenshot": _small(screens.screenshot),
        "captioned": _small(overlays.caption),
        "written over": _small(overlays.write_text),
        "stickers": _small(overlays.place_stickers),
        "recoloured": _small(tone.recolour),
        "grey": _small(tone.grey),
        "blurred": _small(tone.blur),
        "padded": _small(shape.pad),
        "turned": _small(_slightly_turned),
        "photographed screen": _small(photograph_of_screen),
        "bent screen": _small(screens.photograph_of_screen),
        "curled": _small(curled),
    }
)


def real_copy(image: Image.Image, edit: str, rng: random.Random) -> Image.Image:
    """Makes a copy by one of `COPIES`."""
    return COPIES[edit](image, rng)

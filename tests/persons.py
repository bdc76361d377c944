"""A room through which one person walks, and the same room with another one in her place."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from samples.video_edits import Clip
from tests.pictures import picture
from tests.portraits import astronaut, hopper

RATE, SECONDS, SIZE = 20, 4.0, (480, 360)
Place = tuple[float, float]  # of the nose, px
Path = Callable[[float], Place]
# Outlines of head and shoulders, px of the portraits.
# fmt: off
ASTRONAUT = (
    (150, 90), (165, 35), (220, 10), (290, 40), (300, 90), (275, 140), (300, 190), (305, 235), (350, 280),
    (362, 350), (280, 420), (290, 512), (20, 512), (25, 400), (40, 290), (110, 220), (125, 165), (185, 150),
)
HOPPER = (
    (150, 140), (180, 40), (260, 20), (350, 50), (372, 140), (375, 200), (345, 300), (340, 325), (480, 385),
    (512, 470), (512, 600), (15, 600), (40, 390), (60, 375), (195, 320), (180, 280), (155, 200),
)
# fmt: on


class Person:
    """A cut-out with the place of its nose."""

    def __init__(
        self, portrait: Image.Image, outline: tuple[Place, ...], nose: Place, scale: float
    ) -> None:
        mask = Image.new("L", portrait.size, 0)
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        cut_out = portrait.convert("RGBA")
        cut_out.putalpha(mask.filter(ImageFilter.GaussianBlur(1.5)))
        self._picture = cut_out.resize((round(scale * portrait.width), round(scale * portrait.height)))
        self._nose = scale * nose[0], scale * nose[1]

    def at(self, place: Place, room: str = "coffee") -> Image.Image:
        """Returns the room with the person there."""
        scene = picture(room).convert("RGB").resize(SIZE)
        corner = round(place[0] - self._nose[0]), round(place[1] - self._nose[1])
        scene.paste(self._picture, corner, self._picture)
        return scene

    def walking(self, path: Path, room: str = "coffee") -> Clip:
        """Returns a few seconds of the person on a path."""
        times = [number / RATE for number in range(round(SECONDS * RATE))]
        return Clip("walk", [np.asarray(self.at(path(second), room)) for second in times], times)


@cache
def one() -> Person:
    return Person(astronaut(), ASTRONAUT, (228, 110), 0.68)


@cache
def another() -> Person:
    return Person(hopper(), HOPPER, (268, 210), 0.39)


def along(second: float) -> Place:
    """One way through the room."""
    return 245 + 100 * math.sin(1.4 * second), 142 + 8 * math.sin(2.7 * second)


def elsewhere(second: float) -> Place:
    """The way of another take."""
    return 225 + 90 * math.sin(1.0 * second + 2.4), 146 + 9 * math.sin(2.1 * second + 1)

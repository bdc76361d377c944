"""What layouts are drawn with: a board with text, boxes and pictures, and the content that differs."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageDraw, ImageFont, ImageOps

T = TypeVar("T")
Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom
FAMILIES = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    ("STIXGeneral.ttf", "STIXGeneralBol.ttf"),
    ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
)


def _words(line: str) -> list[str]:
    return line.split()


FIRST = _words("Alex Maria Jonas Aisha Pedro Linh Olga Sam Noor Clara Ivan Mei Tom Zoe Karim Ruth Nils Ana")
MONTHS = _words("January February March April May June July August September October November December")
LAST = _words(
    "Example Sample Tester Baker Gardner Lindqvist Okafor Moreno Petrov Nguyen Haddad Fischer "
    "Rossi Silva Novak Larsen Kowalski Dubois"
)
WORDS = _words(
    "harbour market evening council library bridge budget garden school train window doctor "
    "village letter season minister summer record island traffic signal machine history morning "
    "border animal author golden winter number promise river engine paper travel policy coffee "
    "museum ticket weather forest kitchen orchestra planet battery cinema district election "
    "factory hospital insurance journey kingdom lawyer mountain newspaper opinion passenger "
    "question railway stadium teacher university vaccine workshop opens closes raises lowers wins "
    "loses plans builds sells buys finds leaves moves paints repairs cancels quick quiet heavy "
    "early late bright cold free new old public rare safe tall wide"
)


@dataclass
class Content:
    """What differs from one instance of a layout to the next: every draw is one field.

    `forged` fields are drawn from another seed: a copy in which somebody changed just these.
    """

    seed: int
    photos: Sequence[Image.Image]
    forged: frozenset[int] = frozenset()
    _drawn: int = field(default=0, init=False)

    def draw(self, pick: Callable[[random.Random], T]) -> T:
        """Draws the next field."""
        number = self._drawn
        self._drawn += 1
        return pick(random.Random(f"{self.seed}/{number}/{number in self.forged}"))

    def text(self, least: int, most: int) -> str:
        """Draws words."""
        return self.draw(lambda rng: sentence(rng, rng.randint(least, most)))

    def name(self) -> str:
        """Draws a person's name."""
        return self.draw(lambda rng: f"{rng.choice(FIRST)} {rng.choice(LAST)}")

    def number(self, pattern: str) -> str:
        """Draws a digit for every # of a pattern."""
        return self.draw(lambda rng: digits(rng, pattern))

    def date(self) -> str:
        """Draws a day."""
        return self.draw(lambda rng: f"{rng.randint(1, 28)} {rng.choice(MONTHS)} {rng.randint(1990, 2026)}")

    def photo(self, size: tuple[int, int]) -> Image.Image:
        """Draws a photograph of that size; instances whose seeds are neighbours have different ones."""
        number = self._drawn
        shift = 1 if number in self.forged else 0
        chosen = self.photos[(self.seed + number + shift) % len(self.photos)]
        return self.draw(lambda rng: _part(chosen, size, rng))


def sentence(rng: random.Random, count: int) -> str:
    """Returns so many words, the first of them capitalised."""
    return " ".join(rng.choice(WORDS) for _ in range(count)).capitalize()


def digits(rng: random.Random, pattern: str) -> str:
    """Returns the pattern with a digit for every #."""
    return "".join(str(rng.randrange(10)) if sign == "#" else sign for sign in pattern)


def _part(photo: Image.Image, size: tuple[int, int], rng: random.Random) -> Image.Image:
    share = rng.uniform(0.75, 1.0)
    width, height = int(photo.width * share), int(photo.height * share)
    left, top = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
    part = photo.crop((left, top, left + width, top + height))
    return ImageOps.fit(part, size, Image.Resampling.LANCZOS)


class Board:
    """A picture that is drawn on, in one family of fonts."""

    def __init__(self, size: tuple[int, int], ground: Colour, family: int = 0) -> None:
        self.image = Image.new("RGB", size, ground)
        self.pen = ImageDraw.Draw(self.image)
        self._family = FAMILIES[family % len(FAMILIES)]

    def font(self, size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
        """Returns a font of the family."""
        return ImageFont.truetype(str(_font_folder() / self._family[bold]), size)

    def write(
        self, place: tuple[float, float], text: str, size: int, ink: Colour, *, bold: bool = False,
        anchor: str = "la",
    ) -> None:  # fmt: skip
        """Writes one line."""
        self.pen.text(place, text, ink, self.font(size, bold=bold), anchor=anchor)

    def write_lines(self, box: Box, text: str, size: int, ink: Colour, *, bold: bool = False) -> int:
        """Writes text in lines as wide as the box; returns where the last one ends."""
        font, line, y = self.font(size, bold=bold), "", box[1]
        for word in [*text.split(), ""]:
            longer = f"{line} {word}".strip()
            if word and font.getlength(longer) <= box[2] - box[0]:
                line = longer
                continue
            if y + size > box[3]:
                break
            self.pen.text((box[0], y), line, ink, font)
            line, y = word, y + round(1.4 * size)
        return y

    def fill(self, box: Box, colour: Colour, radius: int = 0) -> None:
        """Fills a box, with rounded corners if `radius` is given."""
        self.pen.rounded_rectangle(box, radius, colour)

    def outline(self, box: Box, colour: Colour, width: int = 2) -> None:
        """Draws the sides of a box."""
        self.pen.rectangle(box, outline=colour, width=width)

    def rule(self, left: int, right: int, y: int, colour: Colour, width: int = 2) -> None:
        """Draws a level line."""
        self.pen.line((left, y, right, y), colour, width)

    def show(self, picture: Image.Image, place: tuple[int, int], *, round_: bool = False) -> None:
        """Puts a picture on the board, cut to a circle if `round_`."""
        mask = None
        if round_:
            mask = Image.new("L", picture.size, 0)
            ImageDraw.Draw(mask).ellipse((0, 0, picture.width - 1, picture.height - 1), fill=255)
        self.image.paste(picture, place, mask)

    def mark(self, place: tuple[int, int], side: int, text: str, ink: Colour, ground: Colour) -> None:
        """Draws a brand mark: letters on a disc."""
        x, y = place
        self.pen.ellipse((x, y, x + side, y + side), ground)
        self.write((x + side / 2, y + side / 2), text, int(side * 0.42), ink, bold=True, anchor="mm")


def tint(rng: random.Random, *, dark: bool) -> Colour:
    """Draws a dark or a light colour."""
    low, high = (10, 110) if dark else (205, 255)
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def brand(rng: random.Random) -> str:
    """Draws the initials of a brand."""
    return "".join(rng.choices("ABCDEFGHKLMNPRSTVXZ", k=2))


def _font_folder() -> Path:
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("matplotlib brings the fonts: install trueprint[cpu,demo]")
    return Path(spec.origin).parent / "mpl-data/fonts/ttf"

"""The edits that people make to pictures before they post them, drawn at random from a seed.

Each edit maps a PIL RGB image to another. `edited_copy` chains several, as real posts do. Written from
the descriptions of the Image Similarity Challenge (Douze et al., 2021) with Pillow and NumPy alone.
"""

import random
from collections.abc import Callable

from PIL import Image

from indexer.training.edits.drawing import Edit, within
from indexer.training.edits.overlays import (
    STAGE_PX,
    beside,
    blend_with,
    blend_with_colour,
    caption,
    draw_stripes,
    overlay_on,
    paste_over,
    place_stickers,
    write_text,
)
from indexer.training.edits.screens import photograph_of_screen, screenshot, web_page
from indexer.training.edits.shape import crop, mask, mirror, pad, rotate, stretch, tilt
from indexer.training.edits.tone import (
    blur,
    filter_colours,
    grey,
    halftone,
    noise,
    pixelate,
    recolour,
    recompress,
    sharpen,
)

# Named twice: what people do most.
PLAIN_EDITS: tuple[Edit, ...] = (
    crop,
    crop,
    mirror,
    mirror,
    rotate,
    rotate,
    tilt,
    stretch,
    pad,
    mask,
    recolour,
    filter_colours,
    grey,
    grey,
    recompress,
    blur,
    sharpen,
    noise,
    pixelate,
    halftone,
    write_text,
    write_text,
    place_stickers,
    place_stickers,
    draw_stripes,
    blend_with_colour,
    caption,
    caption,
    screenshot,
    web_page,
    web_page,
    photograph_of_screen,
)
EDITS_WITH_ANOTHER: tuple[Callable[[Image.Image], Edit], ...] = (
    overlay_on,
    overlay_on,
    overlay_on,
    blend_with,
    paste_over,
    beside,
)


def edited_copy(image: Image.Image, other: Image.Image, rng: random.Random) -> Image.Image:
    """Applies one to four edits, at most one of which brings in the other picture."""
    wanted = rng.choice((1, 2, 2, 3, 3, 4))
    chosen = rng.sample(PLAIN_EDITS, wanted)
    if rng.random() < 0.4:
        chosen[rng.randrange(wanted)] = rng.choice(EDITS_WITH_ANOTHER)(other)
    for edit in chosen:
        image = within(edit(image, rng), STAGE_PX)
    return image


__all__ = ["EDITS_WITH_ANOTHER", "PLAIN_EDITS", "Edit", "edited_copy"]

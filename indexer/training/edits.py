"""The edits that people make to pictures before they post them, drawn at random from a seed.

Each edit maps a PIL RGB image to another. `edited_copy` chains several, as real posts do. Written from
the descriptions of the Image Similarity Challenge (Douze et al., 2021) with Pillow alone.
"""

import io
import random
import string
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Edit = Callable[[Image.Image, random.Random], Image.Image]


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _words(rng: random.Random, count: int) -> str:
    return " ".join("".join(rng.choices(string.ascii_letters, k=rng.randint(2, 9))) for _ in range(count))


def crop(image: Image.Image, rng: random.Random) -> Image.Image:
    """Keep 30 to 90 percent of the area."""
    side = rng.uniform(0.55, 0.95)
    width, height = int(image.width * side), int(image.height * rng.uniform(0.85, 1.15) * side)
    width, height = max(16, min(width, image.width)), max(16, min(height, image.height))
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def mirror(image: Image.Image, rng: random.Random) -> Image.Image:
    """Left for right, seldom upside down."""
    return ImageOps.mirror(image) if rng.random() < 0.85 else ImageOps.flip(image)


def rotate(image: Image.Image, rng: random.Random) -> Image.Image:
    """By quarters, or a little with filled corners."""
    if rng.random() < 0.4:
        return image.rotate(rng.choice((90, 180, 270)), expand=True)
    return image.rotate(
        rng.uniform(-40, 40), Image.Resampling.BILINEAR, expand=True, fillcolor=_colour(rng)
    )


def recolour(image: Image.Image, rng: random.Random) -> Image.Image:
    """Brightness, contrast, saturation; sometimes grey."""
    if rng.random() < 0.15:
        return ImageOps.grayscale(image).convert("RGB")
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(0.5, 1.6))
    return image


def recompress(image: Image.Image, rng: random.Random) -> Image.Image:
    """JPEG at quality 5 to 60."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=rng.randint(5, 60))
    return Image.open(buffer).convert("RGB")


def blur(image: Image.Image, rng: random.Random) -> Image.Image:
    """Gaussian, up to one percent of the side."""
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.012 * max(image.size))))


def sharpen(image: Image.Image, rng: random.Random) -> Image.Image:
    """Unsharp mask, strong."""
    return image.filter(ImageFilter.UnsharpMask(rng.uniform(1, 4), rng.randint(100, 350)))


def noise(image: Image.Image, rng: random.Random) -> Image.Image:
    """Gaussian noise of 5 to 40 grey levels."""
    generator = np.random.default_rng(rng.getrandbits(32))
    grain = generator.normal(0, rng.uniform(5, 40), (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def pixelate(image: Image.Image, rng: random.Random) -> Image.Image:
    """Down to 25 to 60 percent and back in blocks."""
    share = rng.uniform(0.25, 0.6)
    small = image.resize((max(8, int(image.width * share)), max(8, int(image.height * share))))
    return small.resize(image.size, Image.Resampling.NEAREST)


def stretch(image: Image.Image, rng: random.Random) -> Image.Image:
    """Another aspect ratio."""
    return image.resize((max(16, int(image.width * rng.uniform(0.5, 1.6))), image.height))


def pad(image: Image.Image, rng: random.Random) -> Image.Image:
    """A border of one colour."""
    across, along = (int(side * rng.uniform(0.02, 0.3)) for side in image.size)
    return ImageOps.expand(image, (across, along), _colour(rng))


def write_text(image: Image.Image, rng: random.Random) -> Image.Image:
    """A few lines anywhere."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        font = ImageFont.load_default(size=max(8, image.height * rng.uniform(0.05, 0.16)))
        where = rng.uniform(0, 0.6) * image.width, rng.uniform(0, 0.85) * image.height
        draw.text(where, _words(rng, rng.randint(1, 4)), _colour(rng), font=font)
    return image


def place_stickers(image: Image.Image, rng: random.Random) -> Image.Image:
    """Round faces and bars, opaque."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        side = rng.uniform(0.12, 0.4) * min(image.size)
        x, y = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
        draw.ellipse((x, y, x + side, y + side), fill=_colour(rng))
        for eye in (0.3, 0.6):
            left = x + eye * side
            draw.ellipse((left, y + 0.3 * side, left + 0.1 * side, y + 0.42 * side), fill=(20, 20, 20))
        draw.arc(
            (x + 0.25 * side, y + 0.4 * side, x + 0.75 * side, y + 0.8 * side), 0, 180, (20, 20, 20), 3
        )
    return image


def draw_stripes(image: Image.Image, rng: random.Random) -> Image.Image:
    """Parallel bars of one colour over the picture."""
    layer = image.copy()
    draw = ImageDraw.Draw(layer)
    colour, width = _colour(rng), rng.uniform(0.02, 0.06) * image.width
    for number in range(rng.randint(3, 9)):
        left = number * image.width / 8
        draw.rectangle((left, 0, left + width, image.height), fill=colour)
    return Image.blend(image, layer, rng.uniform(0.4, 0.9))


def caption(image: Image.Image, rng: random.Random) -> Image.Image:
    """A meme: white bar above, black letters."""
    bar = max(16, int(image.height * rng.uniform(0.12, 0.35)))
    framed = ImageOps.expand(image, (0, bar, 0, 0), "white")
    font = ImageFont.load_default(size=bar * 0.4)
    ImageDraw.Draw(framed).text((6, bar * 0.2), _words(rng, 4), (0, 0, 0), font=font)
    return framed


def screenshot(image: Image.Image, rng: random.Random) -> Image.Image:
    """Inside an application: bars above and below, text beside."""
    width = image.width + 2 * rng.randint(4, 40)
    above, below = (int(image.height * rng.uniform(0.1, 0.6)) for _ in range(2))
    ground = rng.choice(((255, 255, 255), (18, 18, 18), (242, 242, 247)))
    ink = (30, 30, 30) if sum(ground) > 300 else (230, 230, 230)
    page = Image.new("RGB", (width, image.height + above + below), ground)
    page.paste(image, ((width - image.width) // 2, above))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=max(8, width * 0.04))
    draw.ellipse((8, 8, 8 + 0.07 * width, 8 + 0.07 * width), fill=_colour(rng))
    draw.text((16 + 0.07 * width, 8), _words(rng, 2), ink, font=font)
    for line in range(rng.randint(1, 4)):
        draw.text((8, above + image.height + 6 + line * 0.06 * width), _words(rng, 5), ink, font=font)
    return page


def overlay_on(background: Image.Image) -> Edit:
    """The picture as a part of another one."""

    def edit(image: Image.Image, rng: random.Random) -> Image.Image:
        ground = background.resize((512, 512))
        scale = rng.uniform(0.4, 0.85) * 512 / max(image.size)
        small = image.resize((max(16, int(image.width * scale)), max(16, int(image.height * scale))))
        ground.paste(small, (rng.randint(0, 512 - small.width), rng.randint(0, 512 - small.height)))
        return ground

    return edit


def blend_with(other: Image.Image) -> Edit:
    """Another picture shines through."""

    def edit(image: Image.Image, rng: random.Random) -> Image.Image:
        return Image.blend(image, other.resize(image.size), rng.uniform(0.15, 0.45))

    return edit


PLAIN_EDITS: tuple[Edit, ...] = (
    crop,
    crop,
    mirror,
    rotate,
    recolour,
    recompress,
    blur,
    sharpen,
    noise,
    pixelate,
    stretch,
    pad,
    write_text,
    place_stickers,
    draw_stripes,
    caption,
    screenshot,
)


def edited_copy(image: Image.Image, other: Image.Image, rng: random.Random) -> Image.Image:
    """One to three edits, at most one of which brings in the other picture."""
    choices = (*PLAIN_EDITS, overlay_on(other), overlay_on(other), blend_with(other))
    for edit in rng.sample(choices, rng.randint(1, 3)):
        image = edit(image, rng)
    return image

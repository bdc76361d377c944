"""What uploads go through when nobody means to change what they show, each way with what it does."""

import io
import random
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from indexer.operations import OperationType

Change = Callable[[Image.Image, random.Random], Image.Image]
Coding = Callable[[Image.Image, random.Random], bytes]
Pixels = npt.NDArray[np.float32]  # (h, w, 3), 0..255

LEAST_SIDE = 64  # px
# An upload may always be said to be re-encoded, smaller, or of other colours.
ALWAYS = frozenset({OperationType.RE_ENCODED, OperationType.RESIZED, OperationType.COLOUR})
FILTERED = frozenset({OperationType.FILTERED})
CROPPED = frozenset({OperationType.CROPPED})
FRAMED = frozenset({OperationType.EMBEDDED, OperationType.BORDERED})


@dataclass(frozen=True)
class Way:
    """One way that uploads go, and which operations may be said of it besides `ALWAYS`."""

    family: str
    apply: Coding
    done: frozenset[OperationType] = frozenset()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Returns the file."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def read(content: bytes) -> Image.Image:
    """Returns the picture of a file."""
    return Image.open(io.BytesIO(content)).convert("RGB")


def _coded(kind: str, least: int, most: int, **options: object) -> Coding:
    return lambda image, rng: saved(image, kind, quality=rng.randint(least, most), **options)


def _then(change: Change, coding: Coding) -> Coding:
    return lambda image, rng: coding(change(image, rng), rng)


def _platform(side: int, quality: int, subsampling: int = 2) -> Coding:
    """Reduced to a side, sharpened, saved."""

    def upload(image: Image.Image, _: random.Random) -> bytes:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        sharpened = image.filter(ImageFilter.UnsharpMask(0.8, 50, 1))
        return saved(sharpened, "JPEG", quality=quality, subsampling=subsampling)

    return upload


def _reposted(first: Coding, second: Coding) -> Coding:
    return lambda image, rng: second(read(first(image, rng)), rng)


def _scaled(least: float, most: float, *ways: Image.Resampling) -> Change:
    def scale(image: Image.Image, rng: random.Random) -> Image.Image:
        factor = max(rng.uniform(least, most), LEAST_SIDE / min(image.size))
        size = round(factor * image.width), round(factor * image.height)
        return image.resize(size, rng.choice(ways or tuple(Image.Resampling)))

    return scale


def _crop(most: float) -> Change:
    def crop(image: Image.Image, rng: random.Random) -> Image.Image:
        left, top, right, bottom = (rng.uniform(0, most) for _ in range(4))
        width, height = image.size
        return image.crop(
            (
                round(left * width),
                round(top * height),
                round((1 - right) * width),
                round((1 - bottom) * height),
            )
        )

    return crop


def _pixels(change: Callable[[Pixels, random.Random], Pixels]) -> Change:
    def apply(image: Image.Image, rng: random.Random) -> Image.Image:
        changed = change(np.asarray(image, np.float32), rng)
        return Image.fromarray(changed.clip(0, 255).astype(np.uint8))

    return apply


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance], least: float, most: float) -> Change:
    return lambda image, rng: kind(image).enhance(rng.uniform(least, most))


def _warmth(pixels: Pixels, rng: random.Random) -> Pixels:
    warmth = rng.uniform(0.88, 1.14)
    return np.asarray(pixels * np.array([warmth, 1.0, 1 / warmth]), np.float32)


def _faded(pixels: Pixels, rng: random.Random) -> Pixels:
    lift = rng.uniform(15, 40)
    return lift + pixels * np.float32((240 - lift) / 255)


def _sepia(pixels: Pixels, rng: random.Random) -> Pixels:
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    toned = grey[..., None] * np.array([1.07, 0.95, 0.78], np.float32)
    amount = np.float32(rng.uniform(0.6, 1))
    return np.asarray(amount * toned + (1 - amount) * pixels, np.float32)


def _vignette(pixels: Pixels, rng: random.Random) -> Pixels:
    y, x = np.mgrid[-1 : 1 : pixels.shape[0] * 1j, -1 : 1 : pixels.shape[1] * 1j]
    fall = 1 - rng.uniform(0.2, 0.45) * (x * x + y * y).astype(np.float32)
    return np.asarray(pixels * fall.clip(0, 1)[..., None], np.float32)


def _tone_mapped(pixels: Pixels, rng: random.Random) -> Pixels:
    """As phones join exposures: light is evened out over large places, detail kept."""
    luma = np.maximum(pixels.max(axis=2), 1.0)
    base = cv2.GaussianBlur(np.log(luma), (0, 0), max(pixels.shape[:2]) / 24)
    target = np.float32(rng.uniform(0.35, 0.6))
    gain = np.exp(target * (float(np.median(base)) - base))
    return np.asarray(pixels * gain[..., None], np.float32)


def _night(pixels: Pixels, rng: random.Random) -> Pixels:
    """Dark, warm, smoothed against noise."""
    dark = pixels * np.array([0.5, 0.44, 0.34], np.float32) * np.float32(rng.uniform(0.7, 1.2))
    return np.asarray(cv2.bilateralFilter(dark, 5, 12, 3), np.float32)


def _local_contrast(image: Image.Image, rng: random.Random) -> Image.Image:
    lab = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(rng.uniform(1.2, 2.5), (8, 8)).apply(lab[..., 0])
    return Image.fromarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def _noise(pixels: Pixels, rng: random.Random) -> Pixels:
    noise = np.random.default_rng(rng.randrange(1 << 30)).normal(0, rng.uniform(3, 10), pixels.shape)
    return pixels + noise.astype(np.float32)


def _on_phone(image: Image.Image, rng: random.Random) -> Image.Image:
    """The picture as wide as the screen, a bar of the system above it, an application's below."""
    width = rng.choice((720, 1080, 1170))
    shown = image.resize((width, max(1, round(image.height * width / image.width))))
    ground = rng.choice(((255, 255, 255), (18, 18, 20)))
    page = Image.new("RGB", (width, max(round(width * 2.1), shown.height + 500)), ground)
    draw = ImageDraw.Draw(page)
    ink = tuple(255 - level for level in ground)
    draw.text((40, 22), f"{rng.randrange(24)}:{rng.randrange(60):02d}", ink, font_size=34)
    top = rng.randint(180, 240)
    draw.ellipse((30, top - 90, 100, top - 20), fill=(70, 120, 200))
    draw.text((120, top - 74), "somebody", ink, font_size=36)
    page.paste(shown, (0, top))
    for place in range(4):
        left = 40 + 110 * place
        draw.ellipse(
            (left, top + shown.height + 20, left + 60, top + shown.height + 80), outline=ink, width=5
        )
    draw.text((40, top + shown.height + 110), "look at this", ink, font_size=34)
    return page


def _on_page(image: Image.Image, rng: random.Random) -> Image.Image:
    """A part of a page of words, the picture at some size in it."""
    shown = image.copy()
    shown.thumbnail((rng.randint(500, 900),) * 2)
    page = Image.new("RGB", (1280, max(900, shown.height + 260)), (250, 250, 250))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 1280, 70), fill=(30, 60, 110))
    for line in range(page.height // 34):
        draw.text((980, 100 + 34 * line), "words beside it", (60, 60, 60), font_size=18)
    page.paste(shown, (rng.randint(30, 60), rng.randint(110, 200)))
    return page


_JPEG = _coded("JPEG", 70, 92)
WAYS: dict[str, Way] = {
    "same pixels, PNG": Way("coding", lambda image, _: saved(image, "PNG")),
    "JPEG 80 to 97": Way("coding", _coded("JPEG", 80, 97)),
    "JPEG 50 to 80": Way("coding", _coded("JPEG", 50, 80)),
    "JPEG 20 to 50": Way("coding", _coded("JPEG", 20, 50)),
    "JPEG 8 to 20": Way("coding", _coded("JPEG", 8, 20)),
    "JPEG 40 to 90, 4:4:4": Way("coding", _coded("JPEG", 40, 90, subsampling=0)),
    "JPEG, progressive": Way("coding", _coded("JPEG", 60, 90, progressive=True)),
    "WebP 30 to 90": Way("coding", _coded("WEBP", 30, 90)),
    "WebP 5 to 30": Way("coding", _coded("WEBP", 5, 30)),
    "AVIF 30 to 80": Way("coding", _coded("AVIF", 30, 80)),
    "GIF": Way("coding", lambda image, _: saved(image.quantize(256), "PNG")),
    "0.9 to 1.1 times": Way("size", _then(_scaled(0.9, 1.1), _JPEG)),
    "0.5 to 0.9 times": Way("size", _then(_scaled(0.5, 0.9), _JPEG)),
    "0.25 to 0.5 times": Way("size", _then(_scaled(0.25, 0.5), _JPEG)),
    "1.1 to 2 times": Way("size", _then(_scaled(1.1, 2.0), _JPEG)),
    "large platform": Way("platform", _platform(2048, 82)),
    "platform, 1080 px": Way("platform", _platform(1080, 75)),
    "messenger, 1280 px": Way("platform", _platform(1280, 62)),
    "thumbnail, 480 px": Way("platform", _platform(480, 80)),
    "platform, then messenger": Way("platform", _reposted(_platform(1080, 78), _platform(1280, 65))),
    "messenger, then platform": Way("platform", _reposted(_platform(1600, 68), _platform(1080, 75))),
    "messenger twice": Way("platform", _reposted(_platform(1280, 60), _platform(960, 60))),
    "platform, then WebP": Way("platform", _reposted(_platform(1080, 75), _coded("WEBP", 50, 75))),
    "cropped by up to 3 %": Way("crop", _then(_crop(0.03), _JPEG), CROPPED),
    "cropped by up to 12 %": Way("crop", _then(_crop(0.12), _JPEG), CROPPED),
    "brighter or darker": Way("filter", _then(_enhanced(ImageEnhance.Brightness, 0.7, 1.4), _JPEG)),
    "contrast": Way("filter", _then(_enhanced(ImageEnhance.Contrast, 0.7, 1.5), _JPEG)),
    "saturation": Way("filter", _then(_enhanced(ImageEnhance.Color, 0.3, 1.9), _JPEG)),
    "sharpened": Way(
        "filter",
        _then(lambda image, rng: image.filter(ImageFilter.UnsharpMask(2, rng.randint(40, 160), 2)), _JPEG),
        FILTERED,
    ),
    "softened": Way(
        "filter",
        _then(lambda image, rng: image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.6))), _JPEG),
        FILTERED,
    ),
    "black and white": Way("filter", _then(lambda image, _: ImageOps.grayscale(image), _JPEG)),
    "sepia": Way("filter", _then(_pixels(_sepia), _JPEG)),
    "warm or cool": Way("filter", _then(_pixels(_warmth), _JPEG)),
    "faded": Way("filter", _then(_pixels(_faded), _JPEG)),
    "vignette": Way("filter", _then(_pixels(_vignette), _JPEG), FILTERED),
    "levels stretched": Way("filter", _then(lambda image, _: ImageOps.autocontrast(image, 1), _JPEG)),
    "noise": Way("filter", _then(_pixels(_noise), _JPEG)),
    "night mode": Way("filter", _then(_pixels(_night), _JPEG), FILTERED),
    "tone-mapped": Way("filter", _then(_pixels(_tone_mapped), _JPEG), FILTERED),
    "local contrast": Way("filter", _then(_local_contrast, _JPEG), FILTERED),
    "on a phone's screen": Way(
        "screenshot",
        _then(_on_phone, lambda image, rng: saved(image, "PNG")),
        FRAMED | CROPPED,
    ),
    "on a phone's screen, JPEG": Way("screenshot", _then(_on_phone, _JPEG), FRAMED | CROPPED),
    "on a page": Way(
        "screenshot", _then(_on_page, lambda image, rng: saved(image, "PNG")), FRAMED | CROPPED
    ),
}

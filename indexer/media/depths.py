"""Samples of any depth as eight bits, scaled by the range that they really have.

A camera of twelve bits writes them into sixteen, a scanner into floats: by the range of their type such
pictures would be black or white. Browsers show no TIFF; of a PNG of sixteen bits they take the upper eight.
"""

import io

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from indexer.media.errors import UnsupportedFormat

Samples = npt.NDArray[np.generic]  # (h, w) or (h, w, channels) of any type
Bytes = npt.NDArray[np.uint8]

# Highest values of floats, and of sensors of so many bits.
HIGHEST = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
# Samples that fill less of such a range have one of their own: temperatures, integers of 32 bits.
LEAST_FILLED = 0.125
# A PNG of more than twelve bits is shown, so that it is taken as it is shown.
HIGHEST_HIDDEN_IN_PNG = 4095
ROWS_AT_ONCE = 512
# Tags of TIFF, and values of two of them.
WIDTH, HEIGHT, BITS, WHITE_IS_ZERO, HIGHEST_STATED, PLANES, SAMPLE_FORMAT = (
    256,
    257,
    258,
    262,
    281,
    284,
    339,
)
SEPARATE, UNSIGNED = 2, 1
PNG_DEPTH_AT = 24  # bytes into the file


def to_eight_bit(image: Image.Image, payload: bytes) -> Image.Image:
    """Scales an image that was decoded from `payload`; one of eight bits is returned as it is.

    Raises UnsupportedFormat for planes of sixteen bits, which every decoder at hand takes for one another.
    """
    is_png = image.format == "PNG"
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        samples: Samples = np.asarray(image)
        if _tag(image, BITS) == 32 and _tag(image, SAMPLE_FORMAT) in (None, UNSIGNED):
            samples = samples.view(np.uint32)  # which Pillow knows no mode for
        scaled = scaled_to_bytes(samples, _tag(image, HIGHEST_STATED), is_png=is_png)
        # Pillow turns these about for eight bits only.
        return Image.fromarray(255 - scaled if _tag(image, WHITE_IS_ZERO) == 0 else scaled)
    is_deep = payload[PNG_DEPTH_AT] == 16 if is_png else _tag(image, BITS) == 16
    if is_deep and _tag(image, PLANES) == SEPARATE:
        raise UnsupportedFormat("a TIFF of 16 bits a sample whose colours lie in planes, which is not read")
    return _read_again(image, payload) if is_deep and _says_little(image) else image


def _says_little(image: Image.Image) -> bool:
    """Whether the upper eight bits, which Pillow keeps, are dark throughout."""
    hidden = (HIGHEST_HIDDEN_IN_PNG if image.format == "PNG" else HIGHEST[-2]) // 256
    return image.mode in ("RGB", "RGBA") and np.asarray(image)[..., :3].max() <= hidden


def _read_again(image: Image.Image, payload: bytes) -> Image.Image:
    samples = decoded_samples(payload, image.tell())
    if samples is None or samples.shape != (image.height, image.width, 3):
        return image
    scaled = Image.fromarray(scaled_to_bytes(samples, _tag(image, HIGHEST_STATED)))
    return scaled if image.mode == "RGB" else Image.merge("RGBA", (*scaled.split(), image.getchannel("A")))


def decode_rare_tiff(payload: bytes, max_pixels: int) -> Image.Image | None:
    """A TIFF of samples that Pillow has no mode for; None: this is none, or too large a one."""
    file = io.BytesIO(payload)
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        pixels = tags[WIDTH] * tags[HEIGHT]
    except Exception:  # Pillow's parser raises nearly anything
        return None
    samples = decoded_samples(payload) if 0 < pixels <= max_pixels else None
    return None if samples is None else Image.fromarray(scaled_to_bytes(samples))


def decoded_samples(payload: bytes, page: int = 0) -> Samples | None:
    """Decodes a page by OpenCV, which keeps the depth; (h, w) or (h, w, 3) RGB; None: it cannot."""
    content = np.frombuffer(payload, np.uint8)
    try:
        if page:
            _, pages = cv2.imdecodemulti(content, cv2.IMREAD_UNCHANGED, range=(page, page + 1))
            samples = pages[0] if len(pages) == 1 else None
        else:
            samples = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if samples is None or samples.ndim == 2:
        return samples
    return np.ascontiguousarray(samples[..., 2::-1]) if samples.shape[2] >= 3 else None


def scaled_to_bytes(samples: Samples, stated: float | None = None, *, is_png: bool = False) -> Bytes:
    """Scales to 0..255; `stated`: the highest value by the file's own words."""
    low, high = _range_of(samples, stated, is_png=is_png)
    scaled = np.empty(samples.shape, np.uint8)
    factor = 255.0 / max(high - low, 1e-12)
    for first in range(
        0, len(samples), ROWS_AT_ONCE
    ):  # a float for every sample would take too much memory
        rows = samples[first : first + ROWS_AT_ONCE].astype(np.float64)
        rows = np.nan_to_num((rows - low) * factor, nan=0.0, posinf=255.0, neginf=0.0)
        scaled[first : first + ROWS_AT_ONCE] = rows.clip(0, 255).round()
    return scaled


def _range_of(samples: Samples, stated: float | None, *, is_png: bool) -> tuple[float, float]:
    least, most = _extremes(samples)
    if stated is not None and least >= 0 and most <= stated < HIGHEST[-1]:
        return 0.0, stated
    if is_png and most > HIGHEST_HIDDEN_IN_PNG:
        return 0.0, HIGHEST[-1]
    highest = next((value for value in HIGHEST if value >= most), None)
    if highest is not None and least >= 0 and most - least >= LEAST_FILLED * highest:
        return 0.0, highest
    return (0.0 if 0 <= least <= most / 2 else least), most


def _extremes(samples: Samples) -> tuple[float, float]:
    if not np.issubdtype(samples.dtype, np.floating):
        return float(samples.min()), float(samples.max())
    finite = samples[np.isfinite(samples)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _tag(image: Image.Image, number: int) -> float | None:
    """A number that a TIFF states, of several samples the first; None: it states none, or is no TIFF."""
    value = getattr(image, "tag_v2", {}).get(number)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, (int, float)) else None

"""Decodes one still image to upright sRGB pixels of a working size, as browsers show it.

It is meant to run inside the limited process of `sandbox` and only sees bytes. Fingerprints depend on its
treatment of EXIF orientation, ICC profiles, CMYK, palettes, 1-bit and 16-bit depth, and transparency.
"""

import io
import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError
from pillow_heif import register_heif_opener

from indexer.media.brands import picture_brand, with_plain_brand
from indexer.media.colours import has_transparency, to_srgb
from indexer.media.damage import END_MISSING, Part, part_of
from indexer.media.depths import decode_rare_tiff, to_eight_bit
from indexer.media.errors import MediaError, TooLarge, Undecodable, UnsupportedFormat
from indexer.media.jpeg import decode_jpeg
from indexer.media.limits import ImageLimits, VideoLimits
from indexer.media.png import MOST_PROFILE_BYTES, SIGNATURE, DamagedHeader, Png
from indexer.media.unread_formats import why_unread

Pixels = npt.NDArray[np.uint8]

# Pillow always gets this list: it has 43 openers, EPS (Ghostscript) among them. MPO (stereo) opens as JPEG.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF", "BMP")
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
    "BMP": "image/bmp",
}
# Formats in which a second frame means motion; in TIFF, MPO and HEIF it is another page or a thumbnail.
ANIMATED = ("GIF", "WEBP", "AVIF", "PNG")
# Of a TIFF (NewSubfileType): bits for a smaller copy of another page, and for a mask.
KIND_OF_PAGE, NO_PAGES = 254, 0b101
MOST_PAGES = 20
# What the first bytes say of a file that no decoder opens.
SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    SIGNATURE: "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
# Where browsers turn a picture by its EXIF: never by XMP, nor in WebP (Chromium 155). AVIF has a property
# for it, which Pillow puts there; HEIC and TIFF come turned from their decoders.
TURNED_BY_EXIF = ("JPEG", "MPO", "PNG", "AVIF")
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
STANDARD_LUMINANCE_SUM = 3692  # of the 64 steps in annex K's table, which stands for quality 50
# A reduction to more than this costs more than it saves in all later steps.
LEAST_REDUCTION = 0.75

register_heif_opener(thumbnails=False)
warnings.simplefilter("error", Image.DecompressionBombWarning)
PngImagePlugin.MAX_TEXT_CHUNK = MOST_PROFILE_BYTES  # only profiles are left of what it bounds


@dataclass(frozen=True)
class DecodedImage:
    """Upright pixels, reduced to the working size, and what the file states about itself."""

    pixels: Pixels  # (height, width, 3) uint8 sRGB
    media_type: str
    width: int  # of the upright original, in pixels; of a damaged one, of what is there
    height: int
    jpeg_quality: int | None = None  # 1 to 100, from its tables; None: not a JPEG
    notes: tuple[str, ...] = ()  # what is damaged or was left out
    further_pages: tuple["DecodedImage", ...] = ()  # of a TIFF


def decode_image(payload: bytes, limits: ImageLimits) -> DecodedImage:
    """Decodes `payload`, and checks every limit before it makes pixels.

    Raises UnsupportedFormat, TooLarge or Undecodable, and MemoryError.
    """
    if len(payload) > limits.max_bytes:
        raise TooLarge(f"{len(payload)} bytes; at most {limits.max_bytes} are read")
    readable, notes = as_browsers_read(payload)
    try:
        image, frames = open_frames(readable, limits.max_pixels)
        with image:
            return _decode_opened(readable, image, frames, limits, notes)
    except (MediaError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        rare = decode_rare_tiff(payload, limits.max_pixels)
        if rare is None:
            raise refusal(payload, error, limits) from error
        return _from_rare(rare, limits)
    except Exception as error:
        raise refusal(payload, error, limits) from error


def open_image(payload: bytes, max_pixels: int) -> Image.Image:
    """Reads what comes before the pixels; of what is larger, Pillow makes none."""
    # Not yet: a refusal by Pillow would not state the size.
    Image.MAX_IMAGE_PIXELS = None
    try:
        return Image.open(io.BytesIO(payload), formats=FORMATS)
    finally:
        Image.MAX_IMAGE_PIXELS = max_pixels


def open_frames(payload: bytes, max_pixels: int) -> tuple[Image.Image, int]:
    """Opens an image, and counts its frames or pages as far as they can be told apart."""
    image = open_image(payload, max_pixels)
    try:
        return image, getattr(image, "n_frames", 1)
    except Exception:  # Pillow's parsers raise nearly anything; opened anew, since it stands at the damage
        return open_image(payload, max_pixels), image.tell() + 1


def _from_rare(image: Image.Image, limits: ImageLimits) -> DecodedImage:
    pixels = np.asarray(_reduce(image, limits).convert("RGB"))
    return DecodedImage(pixels, MEDIA_TYPES["TIFF"], *image.size)


def as_browsers_read(payload: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Returns the file without what browsers pass over, and what of that is damaged. Raises Undecodable."""
    if not payload.startswith(SIGNATURE):
        return with_plain_brand(payload), ()
    try:
        png = Png.read(payload)
    except DamagedHeader:
        raise Undecodable("a PNG without a readable header or without pixels") from None
    return png.written(), (*png.notes, END_MISSING) if png.is_cut else png.notes


def refusal(payload: bytes, error: Exception, limits: ImageLimits | VideoLimits) -> MediaError:
    """Says in plain words what is wrong with a file that a decoder stumbled over. Raises MemoryError.

    Pillow's decoders raise nearly anything on hostile files (issue #9814: ValueError on text bombs);
    whatever it is, the file is at fault and the worker goes on.
    """
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        raise MemoryError from error
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return TooLarge(f"more than the {megapixels(limits.max_pixels)} that are read")
    name = _name_of(payload)
    if name is None and isinstance(error, UnidentifiedImageError):
        return UnsupportedFormat(why_unread(payload))
    words = f"this {name} file" if name else "this file"
    return Undecodable(f"{words} is damaged or of a rare kind: no picture can be decoded from it")


def _name_of(payload: bytes) -> str | None:
    """What the first bytes say that a file is."""
    brand = picture_brand(payload)
    if brand is not None:
        return brand.decode().upper()
    if payload[:4] == b"RIFF" and payload[8:12] == b"WEBP":
        return "WebP"
    return next((name for first, name in SIGNATURES.items() if payload.startswith(first)), None)


def megapixels(pixels: int) -> str:
    """A count of pixels as people state it."""
    return f"{pixels / 1e6:.0f} megapixels"


def _decode_opened(
    payload: bytes, image: Image.Image, frames: int, limits: ImageLimits, notes: tuple[str, ...]
) -> DecodedImage:
    if frames > 1 and image.format in ANIMATED:
        raise UnsupportedFormat(f"animated {image.format} with {frames} frames: a video, not a still image")
    first = _decode_page(payload, image, limits, notes)
    if image.format != "TIFF" or frames == 1:
        return first
    further, more_notes = _further_pages(payload, image, frames, limits)
    return replace(first, notes=(*first.notes, *more_notes), further_pages=further)


def _further_pages(
    payload: bytes, image: Image.Image, frames: int, limits: ImageLimits
) -> tuple[tuple[DecodedImage, ...], list[str]]:
    """The pages of a TIFF after the first, as many as may be read, without thumbnails and masks."""
    pages: list[DecodedImage] = []
    notes: list[str] = []
    pixels = image.width * image.height
    for number in range(1, frames):
        try:
            image.seek(number)
            pixels += image.width * image.height
            if number >= MOST_PAGES or pixels > limits.max_pixels:
                notes.append(f"the first {number} of {frames} pages were looked at")
                break
            if not int(getattr(image, "tag_v2", {}).get(KIND_OF_PAGE, 0)) & NO_PAGES:
                pages.append(_decode_page(payload, image, limits, ()))
        except MemoryError:
            raise
        except Exception:  # Pillow's parsers raise nearly anything; the other pages are read
            behind = " and what comes after it were" if number + 1 < frames else " was"
            notes.append(f"page {number + 1} of {frames} is damaged: it{behind} not looked at")
            break
    return tuple(pages), notes


def _decode_page(
    payload: bytes, image: Image.Image, limits: ImageLimits, notes: tuple[str, ...]
) -> DecodedImage:
    media_type = MEDIA_TYPES[image.format or ""]
    check_size(*image.size, limits)
    quality = _jpeg_quality(image)
    stored = decode_jpeg(payload, image, _working_scale(image.size, limits))
    orientation = orientation_of(image)
    if (
        stored is not None
        and _shown_as_stored(image, orientation)
        and _scale_left(stored.shape[:2], limits) is None
    ):
        return DecodedImage(stored, media_type, *image.size, quality, notes)
    size = image.size
    part = _whole(image, stored, limits) or part_of(payload, image, size)
    rgb = to_srgb(_reduce(to_eight_bit(part.image, payload), limits), image.info.get("icc_profile"))
    upright = rgb.transpose(TURNS[orientation]) if orientation in TURNS else rgb
    width, height = part.size if orientation < 5 else part.size[::-1]
    if part.note:
        notes = (*(note for note in notes if note != END_MISSING), part.note)
    return DecodedImage(np.asarray(upright, dtype=np.uint8), media_type, width, height, quality, notes)


def check_size(width: int, height: int, limits: ImageLimits | VideoLimits) -> None:
    """Raises TooLarge, naming the limit, before anything of that size is made."""
    pixels, most = width * height, limits.max_pixels
    if pixels > most:
        raise TooLarge(
            f"{width} x {height} pixels, {megapixels(pixels)}; at most {megapixels(most)} are read"
        )
    if max(width, height) > limits.max_side:
        raise TooLarge(f"{width} x {height} pixels; a side may have at most {limits.max_side}")


def _whole(image: Image.Image, stored: Pixels | None, limits: ImageLimits) -> Part | None:
    """The picture as it is stored; None where it is damaged. Raises MemoryError."""
    if stored is not None:
        return Part(Image.fromarray(stored), image.size)
    size = image.size
    # An orientation in XMP, by which Pillow would turn a TIFF.
    image.info.pop("xmp", None)
    try:
        _draft(image, limits)
        image.load()
    except MemoryError:
        raise
    except Exception:  # whatever it is: what is there is shown, or it is refused
        return None
    return Part(image, size)


def orientation_of(image: Image.Image) -> int:
    """The orientation that browsers give it, 1 to 8 as in EXIF."""
    if image.format not in TURNED_BY_EXIF:
        return 1
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        orientation = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow's parser raises nearly anything; an EXIF that cannot be read says nothing
        return 1
    return orientation if orientation in TURNS else 1


def _shown_as_stored(image: Image.Image, orientation: int) -> bool:
    """Neither turned, nor in other colours: the usual photograph on the web, spared five copies."""
    return image.mode == "RGB" and "icc_profile" not in image.info and orientation == 1


def _jpeg_quality(image: Image.Image) -> int | None:
    """Reads the quality from the luminance table, which the IJG scales from ITU-T T.81, annex K."""
    tables = getattr(image, "quantization", None)
    if image.format not in ("JPEG", "MPO") or not tables:
        return None
    scale = sum(tables[min(tables)]) / STANDARD_LUMINANCE_SUM
    quality = 100 - 50 * scale if scale <= 1 else 50 / scale
    return int(min(100, max(1, round(quality))))


def _draft(image: Image.Image, limits: ImageLimits) -> None:
    """Has Pillow reduce a JPEG by 2, 4 or 8 while it decodes, never below the working size."""
    if image.format in ("JPEG", "MPO"):
        scale = _working_scale(image.size, limits)
        image.draft(image.mode, (round(image.width * scale), round(image.height * scale)))


def _working_scale(size: tuple[int, int], limits: ImageLimits) -> float:
    """Returns the scale at which both working sides are reached; a picture is never enlarged."""
    short, long = min(size), max(size)
    return min(1.0, max(limits.working_short_side / short, limits.working_long_side / long))


def _scale_left(size: tuple[int, ...], limits: ImageLimits) -> float | None:
    """Returns the scale by which a picture is still to be reduced; None if it is small enough."""
    scale = _working_scale((size[0], size[1]), limits)
    # A strip 40 times as long as wide would stay huge at the working size of its short side.
    scale = min(scale, 4 * limits.working_long_side / max(size))
    return scale if scale < LEAST_REDUCTION else None


def _reduce(image: Image.Image, limits: ImageLimits) -> Image.Image:
    scale = _scale_left(image.size, limits)
    if scale is None:
        return image
    if image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if has_transparency(image) else "RGB")
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.HAMMING, reducing_gap=3.0)

"""Decodes one still image to upright sRGB pixels of a working size.

It is meant to run inside the limited process of `sandbox` and only sees bytes. Fingerprints depend on its
treatment of EXIF orientation, ICC profiles, CMYK, palettes, 1-bit and 16-bit depth, and transparency.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from indexer.media.errors import MediaError, TooLarge, Undecodable, UnsupportedFormat
from indexer.media.jpeg import decode_jpeg
from indexer.media.limits import ImageLimits
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
STANDARD_LUMINANCE_SUM = 3692  # of the 64 steps in annex K's table, which stands for quality 50
# A reduction to more than this costs more than it saves in all later steps.
LEAST_REDUCTION = 0.75
_SRGB = ImageCms.createProfile("sRGB")

register_heif_opener(thumbnails=False)
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class DecodedImage:
    """Upright pixels, reduced to the working size, and what the file states about itself."""

    pixels: Pixels  # (height, width, 3) uint8 sRGB
    media_type: str
    width: int  # of the upright original, in pixels
    height: int
    jpeg_quality: int | None = None  # 1 to 100, from its tables; None: not a JPEG


def decode_image(payload: bytes, limits: ImageLimits) -> DecodedImage:
    """Decodes `payload`, and checks every limit before it makes pixels.

    Raises UnsupportedFormat, TooLarge or Undecodable.
    """
    if len(payload) > limits.max_bytes:
        raise TooLarge(f"{len(payload)} bytes; at most {limits.max_bytes} are read")
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        with Image.open(io.BytesIO(payload), formats=FORMATS) as image:
            return _decode_opened(payload, image, limits)
    except MediaError:
        raise
    except UnidentifiedImageError:
        raise UnsupportedFormat(why_unread(payload)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"more than {limits.max_pixels} pixels") from error
    except MemoryError as error:
        raise TooLarge("needs more memory than the decoder may use") from error
    except Exception as error:
        # Pillow's decoders raise nearly anything on hostile files (issue #9814: ValueError on text
        # bombs); whatever it is, the file is at fault and the worker goes on.
        raise Undecodable(f"{type(error).__name__}: {str(error)[:200]}") from error


def _decode_opened(payload: bytes, image: Image.Image, limits: ImageLimits) -> DecodedImage:
    media_type = MEDIA_TYPES[image.format or ""]
    width, height = image.size
    if max(width, height) > limits.max_side or width * height > limits.max_pixels:
        raise TooLarge(f"{width} x {height} pixels; at most {limits.max_pixels} are read")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format in ANIMATED:
        raise UnsupportedFormat(f"animated {image.format} with {frames} frames: a video, not a still image")
    quality = _jpeg_quality(image)
    stored = decode_jpeg(payload, image, _working_scale(image.size, limits))
    if stored is not None and _shown_as_stored(image) and _scale_left(stored.shape[:2], limits) is None:
        return DecodedImage(stored, media_type, width, height, quality)
    decoded = _drafted(image, limits) if stored is None else Image.fromarray(stored)
    decoded.info = image.info  # its orientation and its profile
    upright = ImageOps.exif_transpose(decoded)
    profile = upright.info.get("icc_profile")
    rgb = to_srgb(_reduce(_to_eight_bit(upright), limits), profile)
    if upright.size != decoded.size and upright.size == decoded.size[::-1]:
        width, height = height, width
    return DecodedImage(np.asarray(rgb, dtype=np.uint8), media_type, width, height, quality)


def _shown_as_stored(image: Image.Image) -> bool:
    """Neither turned, nor in other colours: the usual photograph on the web, spared five copies."""
    return (
        image.mode == "RGB"
        and "icc_profile" not in image.info
        and image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    )


def _jpeg_quality(image: Image.Image) -> int | None:
    """Reads the quality from the luminance table, which the IJG scales from ITU-T T.81, annex K."""
    tables = getattr(image, "quantization", None)
    if image.format not in ("JPEG", "MPO") or not tables:
        return None
    scale = sum(tables[min(tables)]) / STANDARD_LUMINANCE_SUM
    quality = 100 - 50 * scale if scale <= 1 else 50 / scale
    return int(min(100, max(1, round(quality))))


def _drafted(image: Image.Image, limits: ImageLimits) -> Image.Image:
    """Has Pillow reduce a JPEG by 2, 4 or 8 while it decodes, never below the working size."""
    if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
        scale = _working_scale(image.size, limits)
        image.draft(image.mode, (round(image.width * scale), round(image.height * scale)))
    return image


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
        image = image.convert("RGBA" if _has_transparency(image) else "RGB")
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.HAMMING, reducing_gap=3.0)


def _to_eight_bit(image: Image.Image) -> Image.Image:
    """Scales 16-bit and float greys, which Pillow's `convert` would clip to white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and _max(image) > 255):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode == "F" and 0.0 < _max(image) <= 1.0:
        return Image.fromarray((np.asarray(image).clip(0, 1) * 255).astype(np.uint8))
    return image


def _max(image: Image.Image) -> float:
    return float(np.asarray(image).max())


def _has_transparency(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts to sRGB, through the ICC `profile` where it fits, and puts transparency on white."""
    if _has_transparency(image):
        # A page shows it on white; on black, the same logo would be another picture.
        rgba = image.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(ground, rgba).convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # as in browsers, a profile that does not fit its picture is ignored
    return image if image.mode == "RGB" else image.convert("RGB")

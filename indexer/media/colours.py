"""Pixels of any depth and colour space as sRGB of eight bits."""

import io

import numpy as np
from PIL import Image, ImageCms

_SRGB = ImageCms.createProfile("sRGB")


def to_eight_bit(image: Image.Image) -> Image.Image:
    """Scales 16-bit and float greys, which Pillow's `convert` would clip to white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and _max(image) > 255):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode == "F" and 0.0 < _max(image) <= 1.0:
        return Image.fromarray((np.asarray(image).clip(0, 1) * 255).astype(np.uint8))
    return image


def _max(image: Image.Image) -> float:
    return float(np.asarray(image).max())


def has_transparency(image: Image.Image) -> bool:
    """Whether anything lies below it."""
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts to sRGB, through the ICC `profile` where it fits, and puts transparency on white."""
    if has_transparency(image):
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

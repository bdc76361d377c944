"""Pixels of any colour space as sRGB, as browsers show them."""

import io

from PIL import Image, ImageCms

_SRGB, _LAB = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")


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
    if image.mode == "LAB":
        converted = ImageCms.profileToProfile(image, _LAB, _SRGB, outputMode="RGB")
        return converted if converted is not None else image.convert("RGB")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # as in browsers, a profile that does not fit its picture is ignored
    return image if image.mode == "RGB" else image.convert("RGB")

"""Makes what happens to pictures of faces on their way, and what is done to faces that is no swap.

The face model must report nothing for the first kind, and must not call the second a swap.
"""

import io
import random
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from indexer.compare.faces.detection import FaceBox, find_faces
from indexer.training.edits import screens

Variant = Callable[[Image.Image], Image.Image]


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = max(32, round(image.width * factor)), max(32, round(image.height * factor))
    return image.resize(size, Image.Resampling.LANCZOS)


def _cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    box = (round(0.1 * width), round(0.06 * height), round(0.994 * width), round(0.955 * height))
    return _through_jpeg(image.crop(box), 90)


def _screenshot(image: Image.Image) -> Image.Image:
    return _through_jpeg(screens.screenshot(image, random.Random(image.width * 7 + image.height)), 85)


# On their way: applied to swaps, re-enactments and untouched pictures alike.
ON_THE_WAY: dict[str, Variant] = {
    "clean": lambda image: image,
    "jpeg 30": lambda image: _through_jpeg(image, 30),
    "crop 20 %": _cropped,
    "half size": lambda image: _through_jpeg(_scaled(image, 0.5), 85),
    "mirrored": lambda image: _through_jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 88),
    "screenshot": _screenshot,
}


def _faces(image: Image.Image) -> list[FaceBox]:
    return find_faces(np.asarray(image.convert("RGB")))


def _smoothed(image: Image.Image) -> Image.Image:
    """Smooths skin as beauty filters do."""
    pixels = np.asarray(image.convert("RGB"))
    smooth = cv2.bilateralFilter(pixels, 0, 28, max(2.0, max(pixels.shape[:2]) / 160))
    mask = np.zeros(pixels.shape[:2], np.float32)
    for face in _faces(image):
        centre = int((face.left + face.right) / 2), int((face.top + face.bottom) / 2)
        axes = int(0.6 * face.width), int(0.75 * face.height)
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), 5)[..., None]
    return Image.fromarray((smooth * soft + pixels * (1 - soft)).astype(np.uint8))


def _over_faces(draw_on: Callable[[ImageDraw.ImageDraw, FaceBox], None]) -> Variant:
    def draw(image: Image.Image) -> Image.Image:
        image = image.convert("RGB")
        faces, drawn = _faces(image), ImageDraw.Draw(image)
        for face in faces:
            draw_on(drawn, face)
        return image

    return draw


def _bar(draw: ImageDraw.ImageDraw, face: FaceBox) -> None:
    y, half = (face.left_eye[1] + face.right_eye[1]) / 2, 0.13 * face.height
    draw.rectangle((face.left, y - half, face.right, y + half), fill=(0, 0, 0))


def _sunglasses(draw: ImageDraw.ImageDraw, face: FaceBox) -> None:
    radius = 0.19 * face.width
    for x, y in (face.left_eye, face.right_eye):
        draw.ellipse((x - radius, y - 0.8 * radius, x + radius, y + 0.8 * radius), fill=(18, 18, 24))
    draw.line((*face.left_eye, *face.right_eye), fill=(18, 18, 24), width=max(1, int(0.05 * face.width)))


def _emoji(draw: ImageDraw.ImageDraw, face: FaceBox) -> None:
    draw.ellipse((face.left, face.top, face.right, face.bottom), fill=(255, 204, 40))
    for x, y in (face.left_eye, face.right_eye):
        radius = 0.07 * face.width
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(60, 40, 10))
    middle = (face.left + face.right) / 2
    low = face.top + 0.72 * face.height
    mouth = middle - 0.25 * face.width, low - 0.2 * face.height, middle + 0.25 * face.width, low
    draw.arc(mouth, 20, 160, fill=(60, 40, 10), width=max(1, int(0.04 * face.width)))


def _mask_worn(draw: ImageDraw.ImageDraw, face: FaceBox) -> None:
    top = face.top + 0.58 * face.height
    low, inset = face.bottom + 0.1 * face.height, 0.15 * face.width
    corners = [(face.left, top), (face.right, top), (face.right - inset, low), (face.left + inset, low)]
    draw.polygon(corners, fill=(120, 170, 205))


def _box(face: FaceBox, image: Image.Image) -> tuple[int, int, int, int]:
    left, top = max(0, int(face.left)), max(0, int(face.top))
    return left, top, min(image.width, int(face.right)), min(image.height, int(face.bottom))


def _piece_over(left: float, top: float, right: float, bottom: float) -> Variant:
    """Returns what pastes a piece of the picture's lower edge on a part of every face, in shares of it."""

    def paste(image: Image.Image) -> Image.Image:
        image = image.convert("RGB")
        covered = image.copy()
        for face in _faces(image):
            size = round((right - left) * face.width), round((bottom - top) * face.height)
            piece = image.crop((0, image.height - size[1], size[0], image.height))
            covered.paste(
                piece, (round(face.left + left * face.width), round(face.top + top * face.height))
            )
        return covered

    return paste


def _pixelated(image: Image.Image) -> Image.Image:
    image = image.convert("RGB")
    for face in _faces(image):
        box = _box(face, image)
        part = image.crop(box)
        cells = part.resize((9, 9), Image.Resampling.BOX).resize(part.size, Image.Resampling.NEAREST)
        image.paste(cells, box[:2])
    return image


def _blurred_faces(image: Image.Image) -> Image.Image:
    image = image.convert("RGB")
    for face in _faces(image):
        box = _box(face, image)
        image.paste(image.crop(box).filter(ImageFilter.GaussianBlur(face.width / 14)), box[:2])
    return image


def _lipstick(image: Image.Image) -> Image.Image:
    """Lays a red veil over the mouth: make-up, by which nothing moves."""
    pixels = np.asarray(image.convert("RGB")).astype(np.float32)
    mask = np.zeros(pixels.shape[:2], np.float32)
    for face in _faces(image):
        x, y = int((face.left + face.right) / 2), int(face.top + 0.76 * face.height)
        cv2.ellipse(mask, (x, y), (int(0.2 * face.width), int(0.09 * face.height)), 0, 0, 360, 0.45, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), 3)[..., None]
    return Image.fromarray((pixels * (1 - soft) + np.array([190, 20, 50]) * soft).astype(np.uint8))


# Done to a face on purpose, while the person and the moment stay the same.
EDITED: dict[str, Variant] = {"smoothed": _smoothed, "lipstick": _lipstick}
COVERED: dict[str, Variant] = {
    "eye bar": _over_faces(_bar),
    "sunglasses": _over_faces(_sunglasses),
    "emoji": _over_faces(_emoji),
    "mask": _over_faces(_mask_worn),
    "piece over the eyes": _piece_over(-0.05, 0.15, 1.05, 0.5),
    "piece over nose and mouth": _piece_over(0.2, 0.45, 0.8, 0.95),
    "pixelated": _pixelated,
    "blurred": _blurred_faces,
}

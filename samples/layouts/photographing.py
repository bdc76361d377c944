"""What makes a photograph of a drawn layout: perspective, a table, uneven light, blur, noise, JPEG."""

import io
import random

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.training.edits.screens import before_a_screen


def photograph(image: Image.Image, table: Image.Image, rng: random.Random) -> Image.Image:
    """Photographs a sheet that lies on a table, seen a little from the side."""
    scale = rng.uniform(0.9, 1.1)
    width, height = int(image.width * scale), int(image.height * scale)
    ground = np.asarray(table.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
    margin, reach = 0.06, 0.05
    corners = np.array(
        [[0, 0], [image.width, 0], [image.width, image.height], [0, image.height]], np.float32
    )
    places = np.array(
        [[margin, margin], [1 - margin, margin], [1 - margin, 1 - margin], [margin, 1 - margin]]
    )
    moved = places + np.array([[rng.uniform(-reach, reach) for _ in range(2)] for _ in range(4)])
    target = (moved * [width, height]).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    sheet = cv2.warpPerspective(np.asarray(image), matrix, (width, height), flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full((image.height, image.width), 255, np.uint8), matrix, (width, height))
    share = mask[..., None].astype(np.float32) / 255
    scene = share * sheet + (1 - share) * 0.7 * ground
    return _developed(scene.astype(np.float32), rng)


def photograph_of_screen(image: Image.Image, rng: random.Random) -> Image.Image:
    """Photographs a display from the side: every corner moves by up to a quarter of its side."""
    width, height = image.size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [width, height]
    moved = np.array([[rng.uniform(0, 0.25) for _ in range(2)] for _ in range(4)]) * inwards
    outward = rng.choice((-1, 1))  # corners cut off, or surroundings shown
    matrix = cv2.getPerspectiveTransform(corners, (corners + outward * moved).astype(np.float32))
    around = tuple(rng.randrange(256) for _ in range(3))
    seen = cv2.warpPerspective(
        np.asarray(image), matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=around
    )
    return before_a_screen(Image.fromarray(np.asarray(seen, np.uint8)), rng)


def curled(image: Image.Image, rng: random.Random) -> Image.Image:
    """Photographs a sheet that curls about an axis: lines across it become arcs."""
    height, width = image.height, image.width
    y, x = np.mgrid[:height, :width].astype(np.float32)
    depth, middle = rng.uniform(0.02, 0.06), rng.uniform(0.3, 0.7)
    if rng.random() < 0.5:
        y = y + depth * height * ((2 * (x / width - middle)) ** 2 - 0.3)
    else:
        x = x + depth * width * ((2 * (y / height - middle)) ** 2 - 0.3)
    bent = cv2.remap(np.asarray(image), x, y, cv2.INTER_LINEAR, borderValue=(90, 80, 70))
    return _developed(bent.astype(np.float32), rng)


def _developed(scene: npt.NDArray[np.float32], rng: random.Random) -> Image.Image:
    height, width = scene.shape[:2]
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    light = 1 + rng.uniform(-0.25, 0.25) * (x - 0.5) + rng.uniform(-0.25, 0.25) * (y - 0.5)
    tint = np.array([rng.uniform(0.92, 1.05), 1.0, rng.uniform(0.88, 1.04)])
    lit = scene * (rng.uniform(0.85, 1.0) * light)[..., None] * tint
    lit = cv2.GaussianBlur(lit.astype(np.float32), (0, 0), rng.uniform(0.4, 1.3))
    grain = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(1.5, 5.0), lit.shape)
    picture = Image.fromarray((lit + grain).clip(0, 255).astype(np.uint8))
    return through_jpeg(picture, rng.randint(70, 92))


def through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Encodes and decodes a picture."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")

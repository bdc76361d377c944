"""Draws pictures that nobody owns: dead leaves and clouds.

Networks learn the invariances of copy detection from them (Baradad et al., "Learning to See by Looking at
Noise", 2021), and pictures are pasted on them where there is no other background.
"""

import random

import cv2
import numpy as np
from PIL import Image, ImageDraw

from indexer.media.images import Pixels
from indexer.training.edits.drawing import colour, noise_source

SIDE = 224


def procedural_picture(rng: random.Random) -> Pixels:
    """Draws (224, 224, 3) uint8: leaves, clouds, or a mixture of both."""
    kind = rng.random()
    if kind < 0.4:
        return dead_leaves(rng)
    if kind < 0.7:
        return clouds(rng)
    share = rng.uniform(0.3, 0.7)
    return np.asarray(share * dead_leaves(rng) + (1 - share) * clouds(rng), dtype=np.uint8)


def dead_leaves(rng: random.Random) -> Pixels:
    """Draws shapes of power-law size that cover one another (Lee, Mumford and Huang, 2001)."""
    image = Image.new("RGB", (SIDE, SIDE), colour(rng))
    draw = ImageDraw.Draw(image)
    pointed = rng.random() < 0.5
    for _ in range(rng.randint(60, 400)):
        radius = min(SIDE / 2, 4 * rng.paretovariate(1.3))
        x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
        if pointed:
            draw.regular_polygon((x, y, radius), rng.randint(3, 6), rng.randrange(360), fill=colour(rng))
        else:
            draw.ellipse(
                (x - radius, y - radius * rng.uniform(0.4, 1), x + radius, y + radius), colour(rng)
            )
    return np.asarray(image)


def clouds(rng: random.Random) -> Pixels:
    """Draws noise with a spectrum of 1/f to 1/f^2.5, in correlated colours (after Field, 1987)."""
    generator = noise_source(rng)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = 1
    fall = frequency ** -rng.uniform(1.0, 2.5)
    fall[0, 0] = 0
    planes = [np.fft.irfft2(np.fft.rfft2(generator.standard_normal((SIDE, SIDE))) * fall) for _ in range(3)]
    mixed = np.stack(planes, axis=2) @ generator.normal(size=(3, 3))
    low, high = np.percentile(mixed, (1, 99))
    scaled = np.clip((mixed - low) / max(1e-9, high - low) * 255, 0, 255)
    return np.asarray(cv2.GaussianBlur(scaled, (0, 0), 0.5), dtype=np.uint8)

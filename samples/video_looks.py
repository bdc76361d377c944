"""What can be done to every frame of a video: a look takes a frame and its second, and returns a frame."""

from collections.abc import Callable

import cv2
import numpy as np

from indexer.media.images import Pixels

Look = Callable[[Pixels, float], Pixels]


def mirrored(picture: Pixels, _: float) -> Pixels:
    """Exchanges left and right."""
    return picture[:, ::-1]


def small(picture: Pixels, _: float) -> Pixels:
    """Makes the frame 240 pixels high."""
    height = 240
    width = round(picture.shape[1] * height / picture.shape[0]) // 2 * 2
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def narrowed(picture: Pixels, _: float) -> Pixels:
    """Makes the frame three quarters as wide, and as high as it was."""
    width = round(picture.shape[1] * 0.75) // 2 * 2
    return np.asarray(
        cv2.resize(picture, (width, picture.shape[0]), interpolation=cv2.INTER_AREA), np.uint8
    )


def cropped(picture: Pixels, _: float) -> Pixels:
    """Takes a tenth off every side."""
    height, width = picture.shape[:2]
    return picture[height // 10 : -height // 10, width // 10 : -width // 10]


def barred(share: float) -> Look:
    """Returns a look that adds black bars above and below, which together fill this share of the frame."""

    def look(picture: Pixels, _: float) -> Pixels:
        bar = round(picture.shape[0] * share / (1 - share) / 2)
        return np.pad(picture, ((bar, bar), (0, 0), (0, 0)))

    return look


def with_logo(picture: Pixels, _: float) -> Pixels:
    """Puts a flat badge in the corner."""
    out = picture.copy()
    height, width = out.shape[:2]
    side = min(height, width) // 5
    cv2.rectangle(out, (width - side - 8, 8), (width - 8, 8 + side // 2), (220, 30, 40), -1)
    cv2.putText(
        out, "NEWS", (width - side, 8 + side // 3), cv2.FONT_HERSHEY_SIMPLEX, side / 90, (255,) * 3, 2
    )
    return out


def in_a_programme(picture: Pixels, _: float) -> Pixels:
    """Shows the frame in the panel of a channel, beside its list of subjects and above its bar."""
    height, width = 360, 480
    out = np.full((height, width, 3), (30, 60, 120), np.uint8)
    cv2.putText(out, "CHANNEL NINE LIVE", (14, 36), cv2.FONT_HERSHEY_DUPLEX, 0.9, (255,) * 3, 2)
    for row, words in enumerate(("Results", "Tables", "Weather", "Markets", "Letters")):
        top = 56 + 48 * row
        cv2.rectangle(out, (356, top), (472, top + 38), (200, 200, 60), -1)
        cv2.putText(out, words, (364, top + 26), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 2)
    out[310:344] = (160, 20, 20)
    cv2.putText(
        out, "BREAKING NEWS +++ from all over", (14, 334), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255,) * 3, 2
    )
    out[52:300, 16:346] = cv2.resize(picture, (330, 248), interpolation=cv2.INTER_AREA)
    return out


def screen_recorded(picture: Pixels, second: float) -> Pixels:
    """Shows the frame in a window on a desktop, a little darker, with a moving pointer."""
    height, width = 720, 1280
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    screen = np.stack([40 + x // 16, 60 + y // 12, 90 + (x + y) // 24], axis=2).astype(np.uint8)
    scale = min(0.62 * width / picture.shape[1], 0.72 * height / picture.shape[0])
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    inner = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    inner = np.clip(inner * 0.88 + 6, 0, 255).astype(np.uint8)
    left, top = 90, 110
    cv2.rectangle(screen, (left - 6, top - 50), (left + size[0] + 6, top + size[1] + 46), (235,) * 3, -1)
    cv2.putText(screen, "Player", (left, top - 18), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (40,) * 3, 2)
    screen[top : top + size[1], left : left + size[0]] = inner
    pointer = int(left + 30 + 40 * second) % width, int(500 + 60 * np.sin(second))
    cv2.circle(screen, pointer, 7, (255, 255, 255), -1)
    return screen


def picture_in_picture(ground: Callable[[float], Pixels], seconds: float) -> Look:
    """Puts the frame, at two fifths of the width, over other footage.

    `ground` gives the frame of that at a second, and `seconds` is its length.
    """

    def look(picture: Pixels, second: float) -> Pixels:
        out = ground(second % seconds).copy()
        height, width = out.shape[:2]
        scale = min(0.45 * width / picture.shape[1], 0.6 * height / picture.shape[0])
        size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        left, top = width - size[0] - width // 30, height - size[1] - height // 20
        out[top : top + size[1], left : left + size[0]] = cv2.resize(
            picture, size, interpolation=cv2.INTER_AREA
        )
        return out

    return look

"""Two videos as one: the registered frame and the upload's of the same moment, side by side."""

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from indexer.compare.rendering import BAND, GROUND, INK, MARGIN, outlined
from indexer.compare.vocabulary import Quad
from indexer.media.images import Pixels
from registry.match.matched import Found, Stretch
from registry.match.video.segments import clock
from registry.media.previews import PreviewCache, picture_of
from registry.media.uploads import VideoContent, frames_at
from registry.services import Services
from sdk.models import in_words

PANE_HEIGHT, WIDEST_PANE = 360, 640
FILM_RATE, ANIMATION_RATE = 10, 5
LONGEST_FILM_S, LONGEST_ANIMATION_S = 60.0, 12.0
ANIMATION_COLOURS = 128


def film(services: Services, cache: PreviewCache, video: VideoContent, found: Found, label: str) -> bytes:
    """As an MP4 without sound, at most a minute of what the two share."""
    pictures = _frames(services, cache, video, found, label, FILM_RATE, LONGEST_FILM_S)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=FILM_RATE, options={"crf": "23", "preset": "veryfast"}
        )
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.width, stream.height = picture.width // 2 * 2, picture.height // 2 * 2
                stream.pix_fmt = "yuv420p"
            even = picture.crop((0, 0, stream.width, stream.height))
            frame = av.VideoFrame.from_ndarray(np.asarray(even), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FILM_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def animation(
    services: Services, cache: PreviewCache, video: VideoContent, found: Found, label: str
) -> bytes:
    """As a GIF, of the first seconds that the two share."""
    rate = ANIMATION_RATE
    pictures = [
        one.resize((one.width * 2 // 3, one.height * 2 // 3)).quantize(ANIMATION_COLOURS)
        for one in _frames(services, cache, video, found, label, rate, LONGEST_ANIMATION_S)
    ]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=1000 // rate, loop=0
    )
    return buffer.getvalue()


def _frames(
    services: Services,
    cache: PreviewCache,
    video: VideoContent,
    found: Found,
    label: str,
    rate: int,
    longest_s: float,
) -> Iterator[Image.Image]:
    """The pictures of the film; of a match without segments one."""
    left = longest_s
    for stretch in found.stretches:
        line = stretch.line
        length = min(left, line.end - line.start)
        left -= length
        seconds = line.start + np.arange(max(1, int(length * rate))) / rate
        shown = frames_at(services, video, [round(1000 * one) for one in seconds])
        for second, pixels in zip(seconds.tolist(), shown, strict=False):
            there = 0.0 if stretch.of_a_still else line.at(second)
            picture = picture_of(found.candidate.record, round(1000 * there))
            theirs = cache.pixels(services, picture) if picture else None
            captions = f"Registered: {label}, {clock(there)}", f"Upload, {clock(second)}, {_what(stretch)}"
            yield _side_by_side(theirs, pixels, captions, _regions(stretch))
        if left <= 0:
            return


def _what(stretch: Stretch) -> str:
    kinds = [in_words(one.type) for one in stretch.operations]
    return ", ".join(kinds) or "unchanged"


def _regions(stretch: Stretch) -> list[Quad]:
    quads = [one.region for one in stretch.operations if one.region]
    return [one for one in quads if any(0.0 < value < 1.0 for corner in one for value in corner)]


def _side_by_side(
    theirs: Pixels | None, ours: Pixels, captions: tuple[str, str], regions: list[Quad]
) -> Image.Image:
    right = _pane(outlined(ours, regions))
    left = _pane(Image.fromarray(theirs)) if theirs is not None else Image.new("RGB", right.size, GROUND)
    width = left.width + right.width + 3 * MARGIN
    sheet = Image.new("RGB", (width, PANE_HEIGHT + BAND + 2 * MARGIN), GROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    at = MARGIN
    for pane, words in zip((left, right), captions, strict=True):
        while words and font.getlength(words) > pane.width:
            words = words[:-2].rstrip() + "…" if len(words) > 2 else ""
        draw.text((at, MARGIN), words, fill=INK, font=font)
        sheet.paste(pane, (at, MARGIN + BAND))
        at += pane.width + MARGIN
    return sheet


def _pane(image: Image.Image) -> Image.Image:
    scale = min(PANE_HEIGHT / image.height, WIDEST_PANE / image.width)
    pane = Image.new("RGB", (max(2, round(image.width * scale)), PANE_HEIGHT), (0, 0, 0))
    small = image.resize((pane.width, max(1, round(image.height * scale))), Image.Resampling.BILINEAR)
    pane.paste(small, (0, (PANE_HEIGHT - small.height) // 2))
    return pane

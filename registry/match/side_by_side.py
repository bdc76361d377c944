"""Two videos as one: the registered frame and the upload's of the same moment, side by side."""

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from indexer.compare.rendering import BAND, GROUND, INK, MARGIN, outlined
from indexer.compare.vocabulary import Quad, is_part
from indexer.media.images import Pixels
from registry.match.matched import MatchedRecord, MatchedSegment
from registry.match.video.segments import clock
from registry.media.previews import picture_of
from registry.media.uploads import VideoContent
from registry.services import RequestContext
from sdk.models import in_words

PANE_HEIGHT, WIDEST_PANE = 360, 640
VIDEO_RATE, ANIMATION_RATE = 10, 5
LONGEST_VIDEO_S, LONGEST_ANIMATION_S = 60.0, 12.0
ANIMATION_COLOURS = 128


def side_by_side_video(
    context: RequestContext, video: VideoContent, match: MatchedRecord, label: str
) -> bytes:
    """An MP4 without sound, at most a minute of what the two share."""
    pictures = _frames(context, video, match, label, VIDEO_RATE, LONGEST_VIDEO_S)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=VIDEO_RATE, options={"crf": "23", "preset": "veryfast"}
        )
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.width, stream.height = picture.width // 2 * 2, picture.height // 2 * 2
                stream.pix_fmt = "yuv420p"
            even = picture.crop((0, 0, stream.width, stream.height))
            frame = av.VideoFrame.from_ndarray(np.asarray(even), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, VIDEO_RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def side_by_side_animation(
    context: RequestContext, video: VideoContent, match: MatchedRecord, label: str
) -> bytes:
    """A GIF of the first seconds that the two share."""
    rate = ANIMATION_RATE
    pictures = [
        one.resize((one.width * 2 // 3, one.height * 2 // 3)).quantize(ANIMATION_COLOURS)
        for one in _frames(context, video, match, label, rate, LONGEST_ANIMATION_S)
    ]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=1000 // rate, loop=0
    )
    return buffer.getvalue()


def _frames(
    context: RequestContext,
    video: VideoContent,
    match: MatchedRecord,
    label: str,
    rate: int,
    longest_s: float,
) -> Iterator[Image.Image]:
    """Yields the pictures in the order of time."""
    left = longest_s
    for matched in match.segments:
        segment = matched.segment
        length = min(left, segment.end - segment.start)
        left -= length
        seconds = segment.start + np.arange(max(1, int(length * rate))) / rate
        times_ms = [round(1000 * second) for second in seconds]
        shown = context.uploads.decoders.frames_at(video.payload, times_ms)
        for second, pixels in zip(seconds.tolist(), shown, strict=False):
            there = 0.0 if matched.of_a_still else segment.at(second)
            picture = picture_of(match.record, round(1000 * there))
            reference = context.previews.pixels(picture) if picture else None
            captions = f"Registered: {label}, {clock(there)}", f"Upload, {clock(second)}, {_what(matched)}"
            yield _side_by_side(reference, pixels, captions, _regions(matched))
        if left <= 0:
            return


def _what(matched: MatchedSegment) -> str:
    types = [in_words(operation.type) for operation in matched.operations]
    return ", ".join(types) or "unchanged"


def _regions(matched: MatchedSegment) -> list[Quad]:
    quads = [operation.region for operation in matched.operations if operation.region]
    return [quad for quad in quads if is_part(quad)]


def _side_by_side(
    reference: Pixels | None, query: Pixels, captions: tuple[str, str], regions: list[Quad]
) -> Image.Image:
    right = _pane(outlined(query, regions))
    left = (
        _pane(Image.fromarray(reference)) if reference is not None else Image.new("RGB", right.size, GROUND)
    )
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

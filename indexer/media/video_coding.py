"""Codes one picture as a video would, to learn what that leaves of it."""

from fractions import Fraction

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext

from indexer.media.images import Pixels

RATE = Fraction(25)
EVEN = 2  # px: colours are kept at half the size
LEAST_SIDE = 32  # px, below which the coder has nothing to predict from


def through_h264(pixels: Pixels, quantiser: int) -> Pixels:
    """Returns (h, w, 3) uint8 after H.264 with a fixed quantiser, 0 (lossless) to 51 (coarsest)."""
    height, width = pixels.shape[:2]
    even = max(LEAST_SIDE, -(-height // EVEN) * EVEN), max(LEAST_SIDE, -(-width // EVEN) * EVEN)
    padded = np.pad(pixels, ((0, even[0] - height), (0, even[1] - width), (0, 0)), mode="edge")
    encoder = CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = even
    encoder.pix_fmt, encoder.framerate = "yuv420p", RATE
    encoder.options = {"qp": str(quantiser), "preset": "veryfast", "tune": "zerolatency", "threads": "1"}
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    packets = [*encoder.encode(av.VideoFrame.from_ndarray(padded, format="rgb24")), *encoder.encode(None)]
    frames = [frame for packet in packets for frame in decoder.decode(packet)] + list(decoder.decode(None))
    return np.asarray(frames[0].to_ndarray(format="rgb24")[:height, :width], np.uint8)

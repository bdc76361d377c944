import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from indexer.media.answers import (
    MOST_BODY_BYTES,
    Answer,
    frame_in,
    frame_message,
    image_in,
    image_message,
    info_in,
    info_message,
)
from indexer.media.decoder_process import DecoderProcess
from indexer.media.frames import Frame, VideoInfo
from indexer.media.images import DecodedImage
from indexer.media.messages import BadMessage, read_message, write_message
from indexer.media.sandbox import VideoReading
from tests.indexer.media.lying_worker import LIES, sent

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOURS = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
PAGE = DecodedImage(COLOURS[:2], "image/tiff", 40, 20)
MOST_FRAMES = 4
IMAGE = DecodedImage(COLOURS, "image/tiff", 400, 300, 75, ("a note",), (PAGE,))


def received(answer: Answer) -> tuple[dict[str, object], bytes]:
    pipe = io.BytesIO()
    write_message(pipe, *answer)
    return read_message(io.BytesIO(pipe.getvalue()), MOST_BODY_BYTES)


def read_all(pipe: io.BytesIO) -> None:
    header, body = read_message(pipe, MOST_BODY_BYTES)
    if header.get("is") == "image":
        image_in(header, body)
    else:
        process = SimpleNamespace(next_message=lambda: read_message(pipe, MOST_BODY_BYTES))
        reading = VideoReading(cast(DecoderProcess, process), info_in(header), MOST_FRAMES, is_track=True)
        list(reading.frames())


def test_a_picture_arrives_with_its_pages_as_it_was_sent() -> None:
    arrived = image_in(*received(image_message(IMAGE)))
    for sent_page, page in zip((IMAGE, PAGE), (arrived, *arrived.further_pages), strict=True):
        assert np.array_equal(page.pixels, sent_page.pixels)
        assert (page.width, page.height, page.jpeg_quality) == (
            sent_page.width,
            sent_page.height,
            sent_page.jpeg_quality,
        )
        assert (page.media_type, page.notes) == (sent_page.media_type, sent_page.notes)


@pytest.mark.parametrize("rate", [None, 29.97])
def test_what_a_video_states_arrives_as_it_was_sent(rate: float | None) -> None:
    info = VideoInfo("video/mp4", 640, 480, None if rate is None else 1000, rate, has_audio=True)
    assert info_in(received(info_message(info))[0]) == info


@pytest.mark.parametrize("luma", [GREY, None])
@pytest.mark.parametrize("pixels", [COLOURS, None])
def test_a_frame_arrives_as_it_was_sent(luma: np.ndarray | None, pixels: np.ndarray | None) -> None:
    arrived = frame_in(*received(frame_message(Frame(40, luma, pixels, True))))
    assert (arrived.time_ms, arrived.starts_shot) == (40, True)
    for part, expected in ((arrived.luma, luma), (arrived.pixels, pixels)):
        assert (part is None) == (expected is None)
        assert part is None or np.array_equal(part, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_is_believed_and_none_breaks_the_reader(lie: str) -> None:
    with pytest.raises(BadMessage):
        read_all(io.BytesIO(sent(lie)))


@pytest.mark.parametrize("reader", [image_in, info_in, frame_in])
def test_fields_that_are_missing_or_of_another_type_are_refused(reader: Callable[..., object]) -> None:
    message = {
        image_in: image_message(PAGE),
        info_in: info_message(VideoInfo("video/mp4", 8, 8, 1, 1.0, has_audio=False)),
        frame_in: frame_message(Frame(0, GREY, COLOURS)),
    }[reader]
    header, body = received(message)
    bodies = () if reader is info_in else (body,)
    for field in header.keys() - {"is", "length", "starts_shot", "has_audio", "has_unread_audio"}:
        others: tuple[object, ...] = (
            {},
            [[]],
            "x" if field != "media_type" else 3,
            1.5 if field != "frame_rate" else "y",
        )
        for other in others:
            with pytest.raises(BadMessage):
                reader({**header, field: other}, *bodies)
        with pytest.raises(BadMessage):
            reader({name: value for name, value in header.items() if name != field}, *bodies)

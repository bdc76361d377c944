"""A registered picture shown as an animation of a few frames, as slides, or as a video of one frame."""

import io
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from sdk.models import MatchAnswer, Role, Strength, VerdictKind
from sdk.records import AssetClass
from tests.pictures import encoded, picture
from tests.world import Party, World

SURE = (Strength.EXACT, Strength.VERY_STRONG, Strength.STRONG)
SIZE = 360, 240


def frame(name: str) -> Image.Image:
    return picture(name).resize(SIZE)


def animation(kind: str, *names: str, each_ms: int = 500) -> bytes:
    options: dict[str, Any] = {"quality": 80} if kind in ("WEBP", "AVIF") else {}
    first, *others = (frame(name) for name in names)
    return encoded(first, kind, save_all=True, append_images=others, duration=each_ms, loop=0, **options)


def video(*names: str, each_s: float, rate: int) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=rate)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for name in names:
            for _ in range(max(1, round(each_s * rate))):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame(name)), format="rgb24")))
        out.mux(stream.encode())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def desk(world_of_module: World) -> Party:
    desk = world_of_module.enrol("Fact Checkers", Role.RESEARCHER)
    world_of_module.register(desk, encoded("coffee", "PNG"), "coffee.png", AssetClass.KNOWN_FAKE)
    world_of_module.register(desk, video("cat", each_s=0.0, rate=1), "cat.mp4")
    world_of_module.register(desk, animation("GIF", "rocket"), "rocket.gif")
    return desk


def shown_at(answer: MatchAnswer) -> list[tuple[float, float]]:
    assert answer.verdict.kind is VerdictKind.REPORTED
    assert answer.matches[0].strength in SURE
    return [segment.query for segment in answer.matches[0].segments]


@pytest.mark.parametrize(
    ("kind", "names", "seconds"),
    [
        ("GIF", ("coffee", "hubble"), (0.0, 0.5)),
        ("PNG", ("hubble", "coffee"), (0.5, 1.0)),
        ("WEBP", ("astronaut", "hubble", "coffee", "motorcycle"), (1.0, 1.5)),
        ("AVIF", ("astronaut", "coffee", "hubble"), (0.5, 1.0)),
    ],
)
def test_it_is_found_in_an_animation_of_a_few_frames(
    desk: Party, kind: str, names: tuple[str, ...], seconds: tuple[float, float]
) -> None:
    assert shown_at(desk.client.match(animation(kind, *names))) == [seconds]


def test_it_is_found_each_time_that_it_is_shown(desk: Party) -> None:
    names = "coffee", "hubble", "coffee"
    assert shown_at(desk.client.match(animation("GIF", *names, each_ms=1000))) == [(0.0, 1.0), (2.0, 3.0)]


@pytest.mark.parametrize("rate", [1, 10])
def test_it_is_found_among_slides_of_a_video(desk: Party, rate: int) -> None:
    [seconds] = shown_at(desk.client.match(video("hubble", "coffee", "astronaut", each_s=2.0, rate=rate)))
    assert seconds == pytest.approx((2.0, 4.0), abs=0.15)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animation_of_one_frame_is_a_picture(desk: Party, kind: str) -> None:
    answer = desk.client.match(animation(kind, "coffee"))
    assert shown_at(answer) == []
    assert answer.computed.duration_s is None


def test_a_video_of_one_frame_is_a_picture(desk: Party) -> None:
    answer = desk.client.match(video("coffee", each_s=0.0, rate=25))
    assert shown_at(answer) == []
    assert (answer.computed.media_type, answer.computed.duration_s) == ("video/mp4", None)
    assert answer.computed.note == "a video of a single frame, read as a picture"


@pytest.mark.parametrize("name", ["cat", "rocket"])
def test_what_was_registered_with_one_frame_is_a_picture(desk: Party, name: str) -> None:
    answer = desk.client.match(encoded(picture(name), "JPEG"))
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert answer.matches[0].strength in SURE
    assert answer.matches[0].segments == ()


def test_slides_of_other_pictures_are_not_in_this_registry(desk: Party) -> None:
    answer = desk.client.match(animation("GIF", "hubble", "astronaut", "motorcycle"))
    assert answer.verdict.kind is VerdictKind.NOT_IN_REGISTRY

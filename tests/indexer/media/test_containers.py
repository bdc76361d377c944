from collections.abc import Callable, Iterator
from fractions import Fraction

import av.error
import numpy as np
import pytest
from PIL import Image

from indexer.media.audio import SAMPLE_RATE
from indexer.media.containers import container_of, open_container
from indexer.media.errors import TooLarge, Undecodable, UnsupportedFormat
from indexer.media.images import Pixels
from indexer.media.limits import VideoLimits
from indexer.media.sandbox import DecoderPool, VideoReading
from tests.pictures import encoded
from tests.videos import RATE, SIZE, clip, muxed, original

# No encoder of Theora, VP6 or WMV 9 is at hand: their containers are tried with what else they hold.
OLD = [
    ("mpeg", "mpeg1video", "mp2", "video/mpeg"),
    ("vob", "mpeg2video", "ac3", "video/mpeg"),
    ("mpegts", "mpeg2video", "mp2", "video/mp2t"),
    ("mpegts", "libx264", "aac", "video/mp2t"),
    ("flv", "flv", "libmp3lame", "video/x-flv"),
    ("flv", "libx264", "aac", "video/x-flv"),
    ("asf", "wmv1", "wmav1", "video/x-ms-wmv"),
    ("asf", "wmv2", "wmav2", "video/x-ms-wmv"),
    ("ogg", "libvpx", "libopus", "video/ogg"),
    ("ogg", "libvpx", "vorbis", "video/ogg"),
]
# What Python and FFmpeg call things, and a reader of an answer should never see.
INTERNAL = ("Error", "Errno", "Exception", "av.", "Invalid data", "<none>", "Traceback")


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(1) as opened:
        yield opened


def times(pool: DecoderPool, payload: bytes) -> tuple[VideoReading, list[int]]:
    with pool.open(payload) as opened:
        assert isinstance(opened, VideoReading)
        return opened, [frame.time_ms for frame in opened.frames()]


def notes_of(pool: DecoderPool, payload: bytes) -> tuple[str, ...]:
    """What is said of a file that is read; of one that has a single frame left too."""
    with pool.open(payload) as opened:
        if isinstance(opened, VideoReading):
            assert list(opened.frames())
        return opened.notes


def transport_stream() -> bytes:
    return muxed("mpegts", "mpeg2video", "mp2")


@pytest.mark.parametrize(("container", "codec", "sound", "media_type"), OLD)
def test_old_containers_are_read_with_their_sound(
    pool: DecoderPool, container: str, codec: str, sound: str, media_type: str
) -> None:
    payload = muxed(container, codec, sound)
    opened, shown = times(pool, payload)
    assert opened.info.media_type == media_type
    assert (opened.info.width, opened.info.height) == SIZE
    assert opened.info.has_audio
    assert opened.notes == ()
    assert (shown[0], len(shown)) == (0, 13)
    assert 900 <= shown[-1] < opened.end_ms <= 1050
    assert pool.audio(payload).size / SAMPLE_RATE == pytest.approx(1.0, abs=0.1)


def test_transport_streams_of_discs_of_broadcasts_and_of_cut_recordings_are_told_by_their_packets(
    pool: DecoderPool,
) -> None:
    plain = transport_stream()
    packets = [plain[at : at + 188] for at in range(0, len(plain), 188)]
    of_a_disc = b"".join(number.to_bytes(4, "big") + packet for number, packet in enumerate(packets))
    of_a_broadcast = b"".join(packet + bytes(16) for packet in packets)
    for payload in (of_a_disc, of_a_broadcast, plain[100:]):
        opened, shown = times(pool, payload)
        assert opened.info.media_type == "video/mp2t"
        assert (shown[0], len(shown)) == (0, 13)


def test_a_video_cd_is_read_in_its_sectors(pool: DecoderPool) -> None:
    pack = 2324
    stream = muxed("vcd", "mpeg1video", "mp2", options={"packetsize": str(pack)})
    sectors = b"".join(
        b"\x00"
        + b"\xff" * 10
        + b"\x00"
        + bytes(12)
        + stream[at : at + pack].ljust(pack, b"\x00")
        + bytes(4)
        for at in range(0, len(stream), pack)
    )
    header = b"RIFF" + (36 + len(sectors)).to_bytes(4, "little") + b"CDXAfmt \x10\0\0\0" + bytes(16)
    opened, shown = times(pool, header + b"data" + len(sectors).to_bytes(4, "little") + sectors)
    assert (opened.info.media_type, len(shown), opened.notes) == ("video/mpeg", 13, ())


@pytest.mark.parametrize("container", ["mpeg", "mpegts"])
def test_recordings_that_were_joined_follow_one_another(pool: DecoderPool, container: str) -> None:
    once = muxed(container, "mpeg2video", "mp2")
    opened, shown = times(pool, once + once)
    assert 1900 <= shown[-1] < opened.end_ms <= 2100
    [last] = pool.frames_at(once + once, [shown[-1]])
    assert np.abs(last.astype(int) - clip("coffee").frames[RATE - 1]).mean() < 12


def test_pixels_that_are_not_square_are_shown_as_a_player_shows_them(pool: DecoderPool) -> None:
    for container, codec in (("vob", "mpeg2video"), ("mp4", "libx264"), ("asf", "wmv2")):
        opened, _ = times(pool, muxed(container, codec, pixel=Fraction(4, 3)))
        assert (opened.info.width, opened.info.height) == (427, 240)


def test_a_codec_that_is_not_on_the_list_is_named_and_never_run(pool: DecoderPool) -> None:
    with pytest.raises(UnsupportedFormat, match=r"AVI file are coded as snow, which is not read"):
        times(pool, muxed("avi", "snow"))
    opened, _ = times(pool, muxed("matroska", "libx264", "wavpack"))
    assert not opened.info.has_audio
    assert opened.info.has_unread_audio
    assert opened.notes == ("its sound is coded as wavpack, which is not read",)
    assert pool.audio(muxed("matroska", "libx264", "wavpack")).size == 0


def test_ffmpeg_itself_holds_the_list_of_codecs() -> None:
    # What keeps a decoder from running even where nobody looked at its name first.
    container, _ = open_container(muxed("mp4", "mpeg4"))
    stream = container.streams.video[0]
    stream.codec_context.options = {"codec_whitelist": "h264"}
    with pytest.raises(av.error.FFmpegError):
        list(container.decode(stream))


@pytest.mark.parametrize(
    ("begins", "name"),
    [
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "an HLS playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "a list of files"),
        (b'<?xml version="1.0"?>\n<MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>', "a DASH manifest"),
        (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "an MXF file"),
        (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "an AppleDouble file"),
        (b"RIFF\x00\x01\x00\x00WAVEfmt ", "a WAV sound file"),
        (b"", "is empty"),
    ],
)
def test_what_is_refused_is_named(pool: DecoderPool, begins: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormat, match=name), pool.open(begins and begins.ljust(3000, b"\n")):
        pass


def test_real_media_is_refused_by_its_name(pool: DecoderPool) -> None:
    with pytest.raises(UnsupportedFormat, match="RealMedia"), pool.open(muxed("rm", "rv20")):
        pass


def test_subtitles_inside_a_container_open_nothing_else(pool: DecoderPool) -> None:
    # AVI may hold a subtitle file in a chunk, which FFmpeg probes; the list of demuxers has none for it.
    opened, shown = times(pool, muxed("avi", "mpeg4") + b"GAB2\x00#EXTM3U\nfile:///etc/passwd\n")
    assert (opened.info.media_type, len(shown)) == ("video/x-msvideo", 13)


def test_a_grey_picture_made_of_sync_bytes_is_no_transport_stream() -> None:
    grey = encoded(Image.new("RGB", (200, 200), (0x47, 0x47, 0x47)), "BMP")
    assert grey.count(0x47) > 100_000
    assert container_of(grey) is None
    assert container_of(b"\x47" * 4000) is None


@pytest.mark.parametrize("container", [("mpegts", "mpeg2video"), ("asf", "wmv2"), ("flv", "flv")])
def test_limits_hold_for_them(container: tuple[str, str]) -> None:
    payload = muxed(*container)
    for limits, names in (
        (VideoLimits(max_pixels=1000), "pixels"),
        (VideoLimits(max_side=300), "pixels"),
        (VideoLimits(max_bytes=1000), "bytes"),
        (VideoLimits(max_frames=5), "frames"),
        (VideoLimits(max_seconds=0), "second"),
    ):
        with DecoderPool(1, video_limits=limits) as limited, pytest.raises(TooLarge, match=names):
            times(limited, payload)


@pytest.mark.parametrize(("container", "codec", "sound", "media_type"), OLD[::2])
def test_damaged_ones_are_read_as_far_as_they_go_or_refused_in_plain_words(
    pool: DecoderPool, container: str, codec: str, sound: str, media_type: str
) -> None:
    whole = muxed(container, codec, sound)
    half, hole = len(whole) // 2, bytes(len(whole) // 20)
    flips = np.frombuffer(whole, np.uint8).copy()
    at = np.random.default_rng(1).integers(1000, len(whole), 60)
    flips[at] ^= 0x55
    damaged = [whole[: len(whole) * 2 // 3], whole[:5000], whole[:300], whole[half:], flips.tobytes()]
    for payload in (*damaged, whole[:half] + hole + whole[half + len(hole) :]):
        try:
            said = notes_of(pool, payload)
        except (Undecodable, UnsupportedFormat) as refusal:
            said = (str(refusal),)
        assert not [words for words in said for name in INTERNAL if name in words]
    # Of pages whose checksum is wrong Ogg loses all of the frames, and of its first ones the whole file.
    assert container == "ogg" or any("damaged" in note for note in notes_of(pool, flips.tobytes()))


# Of the display matrix: a, b, u, c, d, v, x, y, w. How a frame is stored that it lays upright.
ONE = 1 << 16
LAID_DOWN: dict[str, tuple[tuple[int, int, int, int], Callable[[Pixels], Pixels]]] = {
    "as it is": ((1, 0, 0, 1), lambda shown: shown),
    "left to right": ((-1, 0, 0, 1), lambda shown: shown[:, ::-1]),
    "top to bottom": ((1, 0, 0, -1), lambda shown: shown[::-1]),
    "half turned": ((-1, 0, 0, -1), lambda shown: np.rot90(shown, 2)),
    "a quarter to the right": ((0, 1, -1, 0), lambda shown: np.rot90(shown, 1)),
    "a quarter to the left": ((0, -1, 1, 0), lambda shown: np.rot90(shown, -1)),
    "axes exchanged": ((0, 1, 1, 0), lambda shown: shown.swapaxes(0, 1)),
    "axes exchanged and half turned": ((0, -1, -1, 0), lambda shown: np.rot90(shown.swapaxes(0, 1), 2)),
    "left to right, and larger": ((-2, 0, 0, 2), lambda shown: shown[:, ::-1]),
    "nothing is shown": ((0, 0, 0, 0), lambda shown: shown),
}


@pytest.mark.parametrize("name", LAID_DOWN)
@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_frames_are_turned_and_mirrored_as_players_do(pool: DecoderPool, container: str, name: str) -> None:
    (a, b, c, d), stored = LAID_DOWN[name]
    shown = clip("coffee").frames[:10]
    matrix = [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]
    payload = muxed(container, frames=[stored(frame) for frame in shown], matrix=matrix)
    opened, _ = times(pool, payload)
    assert (opened.info.width, opened.info.height) == SIZE
    [first] = pool.frames_at(payload, [0])
    assert np.abs(first.astype(int) - shown[0]).mean() < 6


def test_a_container_is_told_by_its_content_alone() -> None:
    assert container_of(original("coffee")) is container_of(muxed("mov"))
    assert container_of(b"") is None
    assert container_of(b"OggS") is not None
    with pytest.raises(UnsupportedFormat):
        open_container(b"nothing")

"""The limited processes that turn untrusted bytes into pixels and audio, with the registry's own errors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from indexer.media import errors as media
from indexer.media.audio import Samples
from indexer.media.frames import VideoInfo
from indexer.media.images import DecodedImage, Pixels
from indexer.media.sandbox import DecoderPool, VideoReading
from registry.errors import (
    DecoderGaveUp,
    DecoderLost,
    MediaTooLarge,
    RegistryError,
    UndecodableMedia,
    UnsupportedMedia,
)
from sdk.models import IsolationLayer

VIDEOS_OF_THE_PAGE_AT_A_TIME = 1  # beside those of keys, which they do not keep waiting
PROBLEMS: dict[type[media.MediaError], type[RegistryError]] = {
    media.UnsupportedFormat: UnsupportedMedia,
    media.TooLarge: MediaTooLarge,
    media.Undecodable: UndecodableMedia,
    media.DecoderStopped: DecoderGaveUp,
    media.DecoderLost: DecoderLost,
}


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except media.MediaError as error:
        raise PROBLEMS[type(error)](str(error)) from error


@dataclass(frozen=True)
class Decoders:
    """Two pools of limited processes. Every method raises MediaRefused for what cannot be read.

    And DecoderLost where a process was ended from outside.
    """

    images: DecoderPool
    videos: DecoderPool  # apart, so that a long video keeps no picture waiting

    def identify(self, content: bytes) -> DecodedImage | VideoInfo:
        """Reads a still image whole, and of a video what it says of itself: one way to the process."""
        with _refusing():
            return self.images.identify(content)

    def image(self, content: bytes, long_side: int | None = None) -> DecodedImage:
        """Decodes a still image; with `long_side` in more detail than the working size has."""
        with _refusing():
            return self.images.decode(content, long_side)

    @contextmanager
    def video(self, content: bytes) -> Iterator[VideoReading]:
        """Opens a video, to be read frame by frame."""
        with _refusing(), self.videos.open(content) as reading:
            assert isinstance(reading, VideoReading), "it was identified as a video"
            yield reading

    def audio(self, content: bytes) -> Samples:
        """Mono samples of the audio track of a video."""
        with _refusing():
            return self.videos.audio(content)

    def frames_at(self, content: bytes, times_ms: Sequence[int]) -> Iterator[Pixels]:
        """(h, w, 3) frames of a video at rising times, one by one; fewer where the file breaks off."""
        with _refusing():
            if times_ms:
                yield from self.videos.frames_at(content, times_ms)

    def isolation(self) -> tuple[IsolationLayer, ...]:
        """What keeps a decoder that was taken over from harm on this machine."""
        layers = self.images.isolation()
        return tuple(IsolationLayer(**asdict(layer), holds=layer.holds) for layer in layers)

    def close(self) -> None:
        """Ends all processes."""
        self.images.close()
        self.videos.close()

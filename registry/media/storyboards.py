"""What is kept of a registered video under its publisher's consent: small frames, and the track.

One ZIP archive beside the poster: `00012345.webp` for the frame at that millisecond, `track.npz`, and
`sound.npz` with the spectrogram of semitones. It is derived from the video and never served as a whole.
"""

import io
import zipfile
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from indexer.fingerprints.audio import Spectrogram
from indexer.timeline.track import Track
from registry.media.uploads import VideoContent
from registry.storage.blobs import Blobs

SUFFIX = ".frames.zip"
TRACK, AUDIO = "track.npz", "sound.npz"


@dataclass(frozen=True)
class Storyboard:
    """Frames of a registered video, encoded, and its track."""

    times_ms: tuple[int, ...]  # rising
    frames: tuple[bytes, ...]  # WebP
    track: Track  # (n, 32, 32)
    audio: Spectrogram | None  # None: silent

    def nearest(self, time_ms: int) -> int:
        """Which frame is nearest to a time."""
        after = bisect_left(self.times_ms, time_ms)
        around = [one for one in (after - 1, after) if 0 <= one < len(self.times_ms)]
        return min(around, key=lambda one: abs(self.times_ms[one] - time_ms))


def store_storyboard(blobs: Blobs, poster_key: str, video: VideoContent) -> None:
    """Keep the frames and the track of a video beside its poster."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for time_ms, content in video.previews:
            archive.writestr(f"{time_ms:08d}.webp", content)
        if video.audio is not None and not video.audio.is_silent:
            stored = io.BytesIO()
            np.savez_compressed(stored, bands=video.audio.stored(), in_step=np.array(video.audio.in_step))
            archive.writestr(AUDIO, stored.getvalue())
        archive.writestr(TRACK, video.track.reduced().to_bytes())
    blobs.put_beside(poster_key, SUFFIX, buffer.getbuffer())


def load_storyboard(blobs: Blobs, poster_key: str) -> Storyboard | None:
    """None where it is lost or damaged."""
    stored = blobs.get_beside(poster_key, SUFFIX)
    if stored is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(stored)) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".webp"))
            return Storyboard(
                tuple(int(name.removesuffix(".webp")) for name in names),
                tuple(archive.read(name) for name in names),
                Track.from_bytes(archive.read(TRACK)),
                _audio(archive.read(AUDIO)) if AUDIO in archive.namelist() else None,
            )
    except (zipfile.BadZipFile, ValueError, KeyError, OSError):
        return None


def _audio(stored: bytes) -> Spectrogram:
    with np.load(io.BytesIO(stored), allow_pickle=False) as archive:
        # Earlier versions did not ask when the sound begins, nor kept a word about it.
        in_step = "in_step" in archive and bool(archive["in_step"])
        return Spectrogram.restored(archive["bands"], in_step=in_step)

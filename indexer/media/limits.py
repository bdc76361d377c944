"""Limits on what an upload may cost before and while it is decoded."""

import json
from dataclasses import asdict, dataclass, field

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class ImageLimits:
    """Bounds on one image. Every bound is checked before pixels are decoded."""

    # A photograph of 200 megapixels, the most that a phone makes, takes up to 60 MB.
    max_bytes: int = 100 * MEBIBYTE
    max_pixels: int = 16_384 * 12_288
    max_side: int = 65_535  # the most that a JPEG can have; long screenshots are narrow
    # A larger size adds nothing to fingerprints: PDQ conforms from far less, local features read 640 on the
    # long side, previews keep 1024. Who looks for small changes asks for more.
    working_short_side: int = 640
    working_long_side: int = 1024


@dataclass(frozen=True)
class VideoLimits:
    """Bounds on one video or animated image, and how densely it is read."""

    max_bytes: int = 200 * MEBIBYTE
    max_pixels: int = 4096 * 2304  # of one frame
    max_side: int = 8192
    max_seconds: int = 1800
    max_frames: int = 150_000
    # All frames together, by what the file states and again while they are decoded. A core decodes
    # about 300 megapixels a second: this is half an hour of 1920 x 1080 at 60 frames a second.
    max_pixels_in_all: int = 250_000_000_000
    # Animated images: 9 ns a pixel, because every frame is composed on the whole canvas.
    max_animation_frames: int = 6000
    max_animation_pixels: int = 1_500_000_000
    working_long_side: int = 960
    # Full frames for fingerprints, besides the first of every shot: at 4 a second, a copy with any trim
    # shares enough of them (docs/quality.md, "Video").
    sample_interval_ms: int = 250
    # Small luma frames for the alignment in time, which tell time more exactly than any descriptor.
    track_interval_ms: int = 80
    track_long_side: int = 128
    # First frames of shots that are kept beside these; then the next one in its turn tells of the shot.
    max_extra_samples: int = 2000
    # For all that is read in one go. The wall time of WorkerLimits holds for each message besides.
    cpu_time_s: int = 900
    wall_time_s: float = 1800.0


@dataclass(frozen=True)
class WorkerLimits:
    """Bounds on the child process that decodes (setrlimit; reference: `man 2 setrlimit`)."""

    address_space_bytes: int = 2560 * MEBIBYTE
    cpu_time_s: int = 20  # a HEIC of 200 megapixels takes five to ten
    wall_time_s: float = 40.0
    files_before_recycling: int = 500


@dataclass(frozen=True)
class Limits:
    """All limits together, as a worker gets them."""

    image: ImageLimits = field(default_factory=ImageLimits)
    video: VideoLimits = field(default_factory=VideoLimits)
    worker: WorkerLimits = field(default_factory=WorkerLimits)

    def arguments(self) -> list[str]:
        """Returns the limits as command-line arguments, which `from_arguments` reads back."""
        return [json.dumps(asdict(limits)) for limits in (self.image, self.video, self.worker)]

    @staticmethod
    def from_arguments(arguments: list[str]) -> "Limits":
        """Reads the limits that the parent process set."""
        image, video, worker = map(json.loads, arguments)
        return Limits(ImageLimits(**image), VideoLimits(**video), WorkerLimits(**worker))

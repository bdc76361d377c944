"""How much an upload may cost, before and while it is decoded."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class ImageLimits:
    """Bounds on one image. Every bound is checked before pixels are decoded."""

    max_bytes: int = 25 * MEBIBYTE
    max_pixels: int = 50_000_000
    max_side: int = 16_384
    max_frames: int = 300
    # Fingerprints lose nothing above this: PDQ needs 640 on the short side to conform, local
    # features read 640 on the long one, previews keep 1024.
    working_short_side: int = 640
    working_long_side: int = 1024


@dataclass(frozen=True)
class WorkerLimits:
    """Bounds on the child process that decodes (setrlimit; reference: `man 2 setrlimit`)."""

    address_space_bytes: int = 1536 * MEBIBYTE
    cpu_time_s: int = 10
    wall_time_s: float = 20.0
    open_files: int = 32
    files_before_recycling: int = 500

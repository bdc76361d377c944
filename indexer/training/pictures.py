"""The pictures that a descriptor is trained on: read once, kept in one file, split once.

A picture is held out by the digest of its name, so that the split is the same on every machine and does not
move when pictures are added.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.media.images import Pixels

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
LONG_SIDE = 288  # of a kept picture; training reads at most 224 px
PIXELS_FILE, TABLE_FILE = "pictures.u8", "pictures.json"


@dataclass(frozen=True)
class PictureBank:
    """Pictures of any shape in one memory-mapped file, so that processes share one copy."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, int], ...]  # height, width
    starts: tuple[int, ...]  # of each picture in `flat`, bytes
    flat: npt.NDArray[np.uint8]
    digest: str  # SHA-256 of names and pixels

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> Pixels:
        """Returns (h, w, 3) uint8 sRGB."""
        height, width = self.shapes[number]
        start = self.starts[number]
        return np.asarray(self.flat[start : start + height * width * 3]).reshape(height, width, 3)


def named_images_in(source: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yields the RGB images of a folder or a tar file with their names, in the order of the names."""
    if source.suffix == ".tar":
        with tarfile.open(source) as archive:
            members = [member for member in archive.getmembers() if member.name.lower().endswith(SUFFIXES)]
            for member in sorted(members, key=lambda member: member.name):
                if file := archive.extractfile(member):
                    yield member.name, Image.open(io.BytesIO(file.read())).convert("RGB")
        return
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            with Image.open(path) as image:
                yield str(path.relative_to(source)), image.convert("RGB")


def pack(sources: Sequence[Path], folder: Path, wanted: Callable[[str], bool] | None = None) -> PictureBank:
    """Reads the pictures of `sources` into `folder`, reduced to 288 px, and opens the result."""
    names, shapes = [], []
    digest = hashlib.sha256()
    with (folder / PIXELS_FILE).open("wb") as file:
        for source in sources:
            for name, image in named_images_in(source):
                if wanted is not None and not wanted(name):
                    continue
                image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BICUBIC)
                content = np.asarray(image, dtype=np.uint8).tobytes()
                names.append(name)
                shapes.append((image.height, image.width))
                digest.update(name.encode() + b"\0" + content)
                file.write(content)
    table = {"names": names, "shapes": shapes, "digest": digest.hexdigest()}
    (folder / TABLE_FILE).write_text(json.dumps(table))
    return open_bank(folder)


def open_bank(folder: Path) -> PictureBank:
    """Opens what `pack` wrote."""
    table = json.loads((folder / TABLE_FILE).read_text())
    shapes = tuple((int(height), int(width)) for height, width in table["shapes"])
    sizes = np.array([height * width * 3 for height, width in shapes], np.int64)
    starts = tuple(int(start) for start in np.concatenate([[0], np.cumsum(sizes)[:-1]]))
    flat = np.memmap(folder / PIXELS_FILE, np.uint8, mode="r")
    return PictureBank(tuple(table["names"]), shapes, starts, flat, table["digest"])


def is_held_out(name: str, share: float) -> bool:
    """Whether a picture is kept for evaluation, decided by its name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) < share * 2**32

"""Counts what is said to have been done to uploads although nobody did it, for every operation.

    python -m bench.false_reports [FOLDER...] [--uploads=N] [--seed=N] [--only=FAMILY]

Originals are photographs of packages, drawn documents, and the stills of each FOLDER, at most 300 of one;
of its videos two frames of a quarter of a second up to two seconds apart: one is registered, the other one
uploaded. At last the videos themselves are registered, and frames of them uploaded (`--only=frames`: these
alone). All over HTTP; a still goes one of the ways of `bench.ordinary_uploads`. What a way really does (a
crop is cropped) is no false report.
Two thousand uploads take about an hour; interrupted, it prints the tables of those that it asked about.
"""

import itertools
import math
import random
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image

from bench.drawn_forgeries import draw_page, photographs
from bench.ordinary_uploads import ALWAYS, WAYS, saved
from indexer.operations import OPERATIONS, Extent, OperationType
from indexer.training.evaluation import wilson_interval
from registry.cli.home import open_home, throwaway_home
from sdk.cli.folders import VIDEO_SUFFIXES, pictures_in
from sdk.client import Client
from sdk.errors import ProblemError
from sdk.models import Match, MatchAnswer, Operation
from sdk.registering import register_file
from sdk.signers import Signer, signer_of_home

MOST_OF_A_FOLDER = 300
LEAST_SIDE = 160  # px; less is a thumbnail
OTHER_FRAME, OF_A_VIDEO = "another frame of one video", "a picture from a registered video"
FRAMES, FRAMES_OF_A_VIDEO = "frames", 6
MOST_FRAMES = 150  # of one video, all of them in memory
PROGRESS_EVERY = 250  # uploads
APART_S = (0.25, 2.0)
Operations = frozenset[OperationType]
GRAVE = tuple(row.type for row in OPERATIONS.values() if row.shows_another_face)
JUDGED = [
    row.type
    for row in OPERATIONS.values()
    if row.extent in (Extent.FRAME, Extent.PART) and row.type not in ALWAYS
]


def stills(folders: list[Path]) -> Iterator[tuple[str, Image.Image]]:
    """Yields the originals with their names."""
    yield from photographs().items()
    for number, kind in enumerate(("invoice", "receipt", "chat", "certificate") * 3):
        height = (12, 17, 24)[number % 3]
        page = draw_page(height, random.Random(), forge=False, state=900 + number, kind=kind)
        yield f"{kind} {number}", page
    for folder in folders:
        files = [file for file in pictures_in([folder]) if file.suffix.lower() not in VIDEO_SUFFIXES]
        random.Random(folder.name).shuffle(files)
        for file in files[:MOST_OF_A_FOLDER]:
            with Image.open(file) as image:
                if min(image.size) >= LEAST_SIDE:
                    yield file.name, image.convert("RGB")


def frames(folders: list[Path], rng: random.Random) -> Iterator[tuple[str, Image.Image, Image.Image]]:
    """Yields pairs of frames of one video: what is registered, and what is uploaded."""
    for file in _videos(folders):
        shown = _frames_of(file)
        for number in range(FRAMES_OF_A_VIDEO if len(shown) > 1 else 0):
            time, first = rng.choice(shown)
            apart = rng.uniform(*APART_S)
            there, second = min(shown, key=lambda one: abs(one[0] - time - apart))
            if second is not first and abs(there - time) >= APART_S[0]:
                yield f"{file.name} {number}", first, second


def pictures_of_videos(folders: list[Path], rng: random.Random) -> Iterator[tuple[Path, list[Image.Image]]]:
    """Yields videos, each with some of its frames."""
    for file in _videos(folders):
        shown = [image for _, image in _frames_of(file)]
        yield file, rng.sample(shown, min(FRAMES_OF_A_VIDEO, len(shown)))


def _videos(folders: list[Path]) -> list[Path]:
    return [
        file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in VIDEO_SUFFIXES
    ]


def _frames_of(file: Path) -> list[tuple[float, Image.Image]]:
    with av.open(file) as container:
        return [
            (frame.time, Image.fromarray(frame.to_ndarray(format="rgb24")))
            for frame in itertools.islice(container.decode(video=0), MOST_FRAMES)
            if frame.time is not None
        ]


def interval(wrong: int, of: int) -> str:
    """Returns the interval of 95 % of a share, in percent."""
    if of == 0:
        return "-"
    least, most = wilson_interval(wrong, of)
    return f"{100 * least:.2f} to {100 * most:.2f} %"


class Tally:
    """What was said of uploads."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()  # by way
        self.found: Counter[str] = Counter()
        self.wrong: dict[OperationType, list[str]] = defaultdict(list)  # a line of each
        self.wrong_by_way: Counter[str] = Counter()

    def add(self, name: str, way: str, allowed: Operations, match: Match | None) -> None:
        """Counts one answer, and prints what nobody did."""
        self.asked[way] += 1
        if self.asked.total() % PROGRESS_EVERY == 0:
            print(f"  {self.asked.total()} asked, {self.found.total()} matched", flush=True)
        if match is None:
            return
        self.found[way] += 1
        said: dict[OperationType, Operation] = {}
        for operation in match.operations:
            if operation.type not in allowed:
                said.setdefault(operation.type, operation)
        self.wrong_by_way[way] += bool(said)
        for kind, operation in said.items():
            measured = {key: operation.measured[key] for key in operation.measured if key in SHOWN}
            line = f"{name}, {way}: {kind.value} ({operation.degree.value}) {measured}"
            self.wrong[kind].append(line)
            print("  " + line, flush=True)

    def tables(self) -> str:
        """Returns what was wrong, by operation and by way."""
        total, found = self.asked.total(), self.found.total()
        lines = [
            f"{total} uploads, {found} matched",
            "",
            "| operation | said | interval of 95 % |",
            "| --- | --- | --- |",
        ]
        for kind in JUDGED:
            wrong = len(self.wrong[kind])
            lines.append(f"| {kind.value} | {wrong} of {found} | {interval(wrong, found)} |")
        lines += ["", "| way | uploads | matched | with a false report |", "| --- | --- | --- | --- |"]
        for way, asked in self.asked.items():
            lines.append(f"| {way} | {asked} | {self.found[way]} | {self.wrong_by_way[way]} |")
        return "\n".join(lines)


SHOWN = ("share", "levels", "excess", "exchanged", "moved", "changed_share", "identity", "kept")


def match_of(answer: MatchAnswer, record: str) -> Match | None:
    """Returns what is said of one record."""
    return next((match for match in answer.matches if match.record.id == record), None)


@dataclass(frozen=True)
class Registry:
    """A registry of its own, in a folder that is thrown away."""

    client: Client
    signer: Signer
    scratch: Path

    def register(self, name: str, original: Image.Image | Path) -> str | None:
        """Returns the id of the record, or None with a word why."""
        file = original if isinstance(original, Path) else self.scratch / "original.png"
        if not isinstance(original, Path):
            file.write_bytes(saved(original, "PNG"))
        try:
            return register_file(self.client, self.signer, file, label=name[:100]).record.id
        except ProblemError as problem:
            print(f"  {name} was not registered: {problem.code}")
            return None

    def match(self, content: bytes, record: str) -> Match | None:
        """Returns what is said of one record."""
        return match_of(self.client.match(content), record)


@contextmanager
def empty_registry() -> Iterator[Registry]:
    """Opens one, and throws it away."""
    with (
        throwaway_home() as home,
        open_home(home) as (url, key),
        Client(url, key) as client,
        tempfile.TemporaryDirectory() as scratch,
    ):
        yield Registry(client, signer_of_home(client, home), Path(scratch))


def ask_about_stills(
    tally: Tally, folders: list[Path], uploads: int, rng: random.Random, only: str | None
) -> None:
    """Registers the stills, and asks about what comes of them on ordinary ways."""
    ways = {name: way for name, way in WAYS.items() if only in (None, way.family)}
    with empty_registry() as registry:
        originals = [
            (name, image, record)
            for name, image in stills(folders)
            if (record := registry.register(name, image))
        ]
        rounds = [way for _ in range(math.ceil(uploads / max(1, len(ways)))) for way in ways][:uploads]
        order: list[int] = []
        for way in rounds:
            if not order:
                order = rng.sample(range(len(originals)), len(originals))
            name, image, record = originals[order.pop()]
            match = registry.match(ways[way].apply(image, rng), record)
            tally.add(name, way, ways[way].done | ALWAYS, match)


def ask_about_frames(tally: Tally, folders: list[Path], rng: random.Random) -> None:
    """Registers frames, and asks about others of the same videos; then the videos, and about frames."""
    with empty_registry() as registry:
        for name, first, second in frames(folders, rng):
            if record := registry.register(name, first):
                match = registry.match(saved(second, "JPEG", quality=85), record)
                tally.add(name, OTHER_FRAME, ALWAYS, match)
    # Another one, in which no still of theirs comes before the videos.
    with empty_registry() as registry:
        for file, pictures in pictures_of_videos(folders, rng):
            if record := registry.register(file.name, file):
                for image in pictures:
                    match = registry.match(saved(image, "JPEG", quality=85), record)
                    tally.add(file.name, OF_A_VIDEO, ALWAYS, match)


def main() -> None:
    """Prints every false report, and the tables."""
    options = dict(word.removeprefix("--").split("=") for word in sys.argv[1:] if word.startswith("--"))
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("--")]
    tally, uploads, only = Tally(), int(options.get("uploads", 2000)), options.get("only")
    rng = random.Random(int(options.get("seed", 1)))
    # A shell lets what runs in the background ignore the first.
    for interrupting in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupting, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        if only != FRAMES:
            ask_about_stills(tally, folders, uploads, rng, only)
        if only in (None, FRAMES):
            ask_about_frames(tally, folders, rng)
    print(tally.tables())
    grave = sum(len(tally.wrong[kind]) for kind in GRAVE)
    print(f"\nof faces that nobody touched: {grave}")


if __name__ == "__main__":
    main()

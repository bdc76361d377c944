"""The pictures that benchmarks run on: a folder like the Image Similarity Challenge's, or a small set.

FOLDER holds `refs/`, `queries/` and `truth.csv`. The small set is made from photographs that packages
bring; its figures only show that everything runs.
"""

import io
import random
import sys
from pathlib import Path

from PIL import Image

from indexer.training.edits import edited_copy
from registry.cli.demo import DISTRACTORS, ORIGINALS, package_file
from sdk.cli.folders import VIDEO_SUFFIXES


def folder_or_small_set(scratch: Path) -> Path:
    """Returns the folder that the command line names, or a small set made in `scratch`."""
    return Path(sys.argv[1]) if sys.argv[1:] else make_small_set(scratch / "small")


def make_small_set(folder: Path) -> Path:
    """Makes a set of photographs of packages, three edited copies of each, and distractors."""
    rng = random.Random(1)
    for name in ("refs", "queries"):
        (folder / name).mkdir(parents=True)
    rows = ["query,ref,transforms"]
    others = [Image.open(package_file(*source)).convert("RGB") for source in DISTRACTORS.values()]
    for label, source in ORIGINALS.items():
        if Path(label).suffix in VIDEO_SUFFIXES:
            continue
        content = package_file(*source).read_bytes()
        (folder / "refs" / label).write_bytes(content)
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        for number in range(3):
            name = f"{Path(label).stem}-{number}"
            edited_copy(picture, rng.choice(others), rng).save(folder / "queries" / f"{name}.jpg")
            rows.append(f"{name},{Path(label).stem},mixed")
    for number, other in enumerate(others):
        edited_copy(other, others[number - 1], rng).save(folder / "queries" / f"distractor-{number}.jpg")
        rows.append(f"distractor-{number},,mixed")
    (folder / "truth.csv").write_text("\n".join(rows) + "\n")
    return folder

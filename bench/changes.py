"""What was changed, through the public path: face swaps, re-enactments, other edits; where; and the cost.

    python -m bench.changes [FOLDER] [--clean]

FOLDER holds `pairs.csv` (see `indexer.training.face_pairs`); without it only generated edits and times are
shown. `--clean` leaves out what happens to pictures on their way. The model was trained on these pairs:
figures with the judged system left out are printed by `python -m indexer.training.face_model FOLDER`.
"""

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.edits import localisation_table
from bench.stages import stage_table
from indexer.compare.laying import blurred, grey
from indexer.training.face_pairs import STILLS, decoded
from indexer.training.face_variants import ON_THE_WAY
from registry.home import open_home, throwaway_home
from sdk.cli.output import each_with_progress
from sdk.cli.register import register_file, signer_for
from sdk.client import Client
from sdk.models import Match, OperationType, Region, Strength

SWAP, MOVED = ("swap",), ("lipsync", "reenact")
FLAGS = {OperationType.FACE_SWAP, OperationType.FACE_REENACTED}
CHANGED_LEVELS = 14.0  # of target against result, smoothed: the true region of a swap


@dataclass(frozen=True)
class Asked:
    """One upload and what was answered about its own target."""

    kind: str
    variant: str
    name: str
    match: Match | None  # None: not found, or only weakly

    @property
    def types(self) -> set[OperationType]:
        """What was said to be done."""
        return {one.type for one in self.match.operations} if self.match else set()


def still_rows(folder: Path) -> list[dict[str, str]]:
    """Lines of `pairs.csv` whose two sides are still pictures."""
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        row
        for row in rows
        if all(Path(row[side]).suffix.lower() in STILLS for side in ("target", "result"))
    ]


def uploads(
    rows: list[dict[str, str]], folder: Path, variants: list[str]
) -> Iterator[tuple[str, str, Path]]:
    """Pair, variant and file; negatives are asked as they are."""
    for row in rows:
        for variant in variants:
            if variant == "clean" or not row["kind"].startswith("neg"):
                yield row["pair_id"], variant, folder / row["result"]


def content_of(path: Path, variant: str) -> bytes:
    """The upload's bytes: the file itself, or what happened to it on its way."""
    if variant == "clean":
        return path.read_bytes()
    with Image.open(path) as image:
        made = ON_THE_WAY[variant](image.convert("RGB"))
    buffer = io.BytesIO()
    made.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def ask_all(folder: Path, home: Path, variants: list[str]) -> list[Asked]:
    """Register every target, ask about every upload."""
    rows = still_rows(folder)
    row_of = {row["pair_id"]: row for row in rows}
    with open_home(home) as (url, key), Client(url, key) as client:
        signer = signer_for(client, None, home, None)
        targets = sorted({folder / row["target"] for row in rows})
        records = {path: register_file(client, signer, path)["record"] for path in targets}

        def one(job: tuple[str, str, Path]) -> Asked:
            name, variant, path = job
            wanted = records[folder / row_of[name]["target"]]
            answer = client.match(content_of(path, variant))
            sure = [one for one in answer.matches if one.strength is not Strength.WEAK]
            match = next((one for one in sure if one.record.id == wanted), None)
            return Asked(row_of[name]["kind"], variant, name, match)

        jobs = list(uploads(rows, folder, variants))
        return [asked for _, asked in each_with_progress("Asking", jobs, one, 2, quiet=False)]


def answers_table(asked: list[Asked], variants: list[str]) -> str:
    """By variant: what was said of swaps, of re-enactments, of everything else."""
    lines = [
        "| variant | swaps named | re-enactments flagged | flagged of the rest | abstained | not matched |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for variant in variants:
        mine = [one for one in asked if one.variant == variant]
        swaps = [OperationType.FACE_SWAP in one.types for one in mine if one.kind in SWAP]
        moved = [bool(FLAGS & one.types) for one in mine if one.kind in MOVED]
        rest = [bool(FLAGS & one.types) for one in mine if one.kind not in (*SWAP, *MOVED)]
        unsure = sum(bool(one.match and one.match.uncertain) for one in mine)
        lost = sum(one.match is None and not one.kind.startswith("neg") for one in mine)
        lines.append(
            f"| {variant} | {sum(swaps)} of {len(swaps)} | {sum(moved)} of {len(moved)} "
            f"| {sum(rest)} of {len(rest)} | {unsure} | {lost} |"
        )
    return "\n".join(lines)


def true_region(target: Path, result: Path) -> tuple[float, float, float, float] | None:
    """Where a swap changed the picture, as shares: the box of what differs, where both have one size."""
    ours, theirs = decoded(result.read_bytes()), decoded(target.read_bytes())
    if ours.shape != theirs.shape:
        return None
    differs = blurred(np.abs(grey(ours) - grey(theirs)), 3.0) > CHANGED_LEVELS
    count, labels, facts, _ = cv2.connectedComponentsWithStats(differs.astype(np.uint8))
    if count < 2:
        return None
    largest = 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())
    y, x = np.nonzero(labels == largest)
    height, width = differs.shape
    return x.min() / width, y.min() / height, x.max() / width, y.max() / height


def overlap(region: Region, box: tuple[float, float, float, float]) -> float:
    """Intersection over union of a reported region's box with a true one."""
    xs, ys = [x for x, _ in region.corners], [y for _, y in region.corners]
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    shared = max(0.0, min(right, box[2]) - max(left, box[0])) * max(
        0.0, min(bottom, box[3]) - max(top, box[1])
    )
    mine, theirs = (right - left) * (bottom - top), (box[2] - box[0]) * (box[3] - box[1])
    return float(shared / max(1e-9, mine + theirs - shared))


def region_line(asked: list[Asked], folder: Path) -> str:
    """Mean overlap of the reported face with where the picture really changed."""
    rows = {row["pair_id"]: row for row in still_rows(folder)}
    found = []
    for one in asked:
        if one.variant != "clean" or one.kind not in SWAP or one.match is None:
            continue
        truth = true_region(folder / rows[one.name]["target"], folder / rows[one.name]["result"])
        regions = [op.reference_region for op in one.match.operations if op.type is OperationType.FACE_SWAP]
        if truth is not None and regions:
            found.append(max(overlap(region, truth) for region in regions if region is not None))
    return f"Face regions: mean IoU {np.mean(found):.2f} with the box of what differs, {len(found)} swaps."


def main() -> None:
    """Print the tables."""
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    variants = ["clean"] if "--clean" in sys.argv else list(ON_THE_WAY)
    if given and (Path(given[0]) / "pairs.csv").is_file():
        with throwaway_home() as home:
            asked = ask_all(Path(given[0]), home, variants)
        print(answers_table(asked, variants))
        print("\n" + region_line(asked, Path(given[0])))
        for one in asked:
            wrong = (one.kind in SWAP and OperationType.FACE_SWAP not in one.types) or (
                one.kind not in (*SWAP, *MOVED) and FLAGS & one.types
            )
            if wrong or (one.kind in MOVED and not FLAGS & one.types):
                said = sorted(one.types) if one.match else "not matched"
                print(f"  {one.variant}: {one.name} ({one.kind}): {said}")
    print("\n" + localisation_table())
    print("\n" + stage_table())


if __name__ == "__main__":
    main()

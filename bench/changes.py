"""Measures whether face swaps, re-enactments and other edits are named and placed, and what that costs.

    python -m bench.changes [FOLDER] [--only=clean,screenshot]

FOLDER holds `pairs.csv` (see `indexer.training.face_pairs`); without it only generated edits and times are
shown. `--only` names what happens to pictures on their way. The model was trained on these pairs:
figures with the judged system left out are printed by `python -m indexer.training.face_model FOLDER`.
"""

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.edits import face_region_line, localisation_table
from bench.pair_stages import stage_table
from indexer.training.face_pairs import STILLS
from indexer.training.face_variants import ON_THE_WAY
from registry.cli.home import open_home, throwaway_home
from sdk.cli.progress import OnProgress, each_with_progress
from sdk.client import Client
from sdk.models import Match, OperationType, Strength
from sdk.registering import register_file
from sdk.signers import signer_of_home

SWAP, MOVED = ("swap",), ("lipsync", "reenact")
FLAGS = {OperationType.FACE_SWAP, OperationType.FACE_REENACTED, OperationType.PERSON_REPLACED}


@dataclass(frozen=True)
class Answered:
    """One upload and what was answered about its own target."""

    kind: str
    variant: str
    name: str
    match: Match | None  # None: not found, or only weakly

    @property
    def types(self) -> set[OperationType]:
        """The operations that the answer names."""
        return {operation.type for operation in self.match.operations} if self.match else set()


def still_rows(folder: Path) -> list[dict[str, str]]:
    """Returns the lines of `pairs.csv` whose two sides are still pictures."""
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
    """Yields pair, variant and file; negatives are asked about as they are."""
    for row in rows:
        for variant in variants:
            if variant == "clean" or not row["kind"].startswith("neg"):
                yield row["pair_id"], variant, folder / row["result"]


def content_of(path: Path, variant: str) -> bytes:
    """Returns the bytes of the upload: the file itself, or what became of it on its way."""
    if variant == "clean":
        return path.read_bytes()
    with Image.open(path) as image:
        made = ON_THE_WAY[variant](image.convert("RGB"))
    buffer = io.BytesIO()
    made.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def ask_all(folder: Path, home: Path, variants: list[str]) -> list[Answered]:
    """Registers every target and asks about every upload."""
    rows = still_rows(folder)
    row_of = {row["pair_id"]: row for row in rows}
    with open_home(home) as (url, key), Client(url, key) as client:
        signer = signer_of_home(client, home)
        targets = sorted({folder / row["target"] for row in rows})
        records = {path: register_file(client, signer, path).record.id for path in targets}

        def ask(job: tuple[str, str, Path], _: OnProgress) -> Answered:
            name, variant, path = job
            wanted = records[folder / row_of[name]["target"]]
            answer = client.match(content_of(path, variant))
            sure = [match for match in answer.matches if match.strength is not Strength.WEAK]
            match = next((match for match in sure if match.record.id == wanted), None)
            return Answered(row_of[name]["kind"], variant, name, match)

        jobs = list(uploads(rows, folder, variants))
        found: list[Answered] = []
        each_with_progress("Asking", jobs, ask, lambda _, asked: found.append(asked), 2, quiet=False)
        return found


def answers_table(asked: list[Answered], variants: list[str]) -> str:
    """Returns, by variant, what was said of swaps, of re-enactments and of everything else."""
    lines = [
        "| variant | swaps named | re-enactments flagged | flagged of the rest | abstained | not matched |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for variant in variants:
        mine = [answer for answer in asked if answer.variant == variant]
        swaps = [OperationType.FACE_SWAP in answer.types for answer in mine if answer.kind in SWAP]
        moved = [bool(FLAGS & answer.types) for answer in mine if answer.kind in MOVED]
        rest = [bool(FLAGS & answer.types) for answer in mine if answer.kind not in (*SWAP, *MOVED)]
        unsure = sum(bool(answer.match and answer.match.uncertain) for answer in mine)
        lost = sum(answer.match is None and not answer.kind.startswith("neg") for answer in mine)
        lines.append(
            f"| {variant} | {sum(swaps)} of {len(swaps)} | {sum(moved)} of {len(moved)} "
            f"| {sum(rest)} of {len(rest)} | {unsure} | {lost} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    only = next((word.removeprefix("--only=") for word in sys.argv if word.startswith("--only=")), None)
    variants = only.split(",") if only else list(ON_THE_WAY)
    if given and (Path(given[0]) / "pairs.csv").is_file():
        with throwaway_home() as home:
            asked = ask_all(Path(given[0]), home, variants)
        print(answers_table(asked, variants))
        for answer in asked:
            wrong = (answer.kind in SWAP and OperationType.FACE_SWAP not in answer.types) or (
                answer.kind not in (*SWAP, *MOVED) and FLAGS & answer.types
            )
            if wrong or (answer.kind in MOVED and not FLAGS & answer.types):
                said = sorted(answer.types) if answer.match else "not matched"
                print(f"  {answer.variant}: {answer.name} ({answer.kind}): {said}")
    print("\n" + localisation_table())
    print("\n" + face_region_line())
    print("\n" + stage_table())


if __name__ == "__main__":
    main()

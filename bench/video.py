"""Measures matching of video: whether seconds, speeds and operations are found, and what that costs.

    python -m bench.video [FOLDER] [--clips=a,b] [--edits=trim,mirrored] [--shown]

FOLDER holds short clips; each is registered, edited (see `samples.video_edits`) and asked about.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from registry.cli.home import open_home, throwaway_home
from samples.video_edits import Clip, Edited, Piece, TrueSegment, edits_of, read_clip, write_pieces
from sdk.client import Client
from sdk.models import MatchAnswer, Segment, Strength
from sdk.models.operations import OperationType
from sdk.registering import register_file
from sdk.signers import signer_of_home

STEP_S = 0.05
NEAR_S = 0.25  # one sampling step
LONGEST_S = 15.0
# What no edit does to a picture: an answer that says so accuses somebody.
FACES = {
    OperationType.FACE_SWAP,
    OperationType.PERSON_REPLACED,
    OperationType.FACE_REENACTED,
    OperationType.FACE_EDITED,
    OperationType.FACE_COVERED,
}
ACCUSING = FACES | {
    OperationType.LOCAL_EDIT,
    OperationType.COMPOSITE,
    OperationType.OVERLAY,
    OperationType.FRAME_OVERLAY,
    OperationType.MIRRORED,
    OperationType.REVERSED,
    OperationType.REORDERED,
    OperationType.LOOPED,
    OperationType.AUDIO_REPLACED,
    OperationType.PICTURES_REPLACED,
}
# Edits of which more than the first operation is true.
ALSO = {
    "freeze": {OperationType.AUDIO_REPLACED},  # it is silent meanwhile
    "reversed": {OperationType.AUDIO_REPLACED},
    "looped": {OperationType.REORDERED},
    "screen recording": {OperationType.OVERLAY},  # the pointer
}


@dataclass(frozen=True)
class Scored:
    """One upload's answer against its truth."""

    edit: str
    name: str
    precision: float
    recall: float
    time_errors: tuple[float, ...]  # seconds, of the middle of each true segment
    boundary_errors: tuple[float, ...]
    speed_errors: tuple[float, ...]
    false_records: int
    operations: frozenset[OperationType]
    is_named: bool
    accused: frozenset[OperationType]  # of what nobody did


def score(edited: Edited, answer: MatchAnswer, name_of: dict[str, str], seconds: float) -> Scored:
    """Scores one answer: a second of the upload is right where it is put at its true place."""
    grid = np.arange(0.0, seconds, STEP_S) + STEP_S / 2
    truth = _mapped(grid, edited.segments)
    sure = [match for match in answer.matches if match.strength is not Strength.WEAK]
    mine = [match for match in sure if name_of.get(match.record.id) == edited.name]
    others = [match for match in sure if name_of.get(match.record.id) not in edited.shown]
    segments = list(mine[0].segments) if mine else []
    operations = frozenset(operation.type for operation in mine[0].operations) if mine else frozenset()
    said = _mapped(grid, [_as_true(segment, edited.name) for segment in segments])
    both = ~np.isnan(truth) & ~np.isnan(said)
    right = both & (np.abs(np.where(both, truth - said, 9.0)) < NEAR_S)
    paired = [(segment, _partner(segment, segments)) for segment in edited.segments]
    return Scored(
        edited.edit,
        edited.name,
        float(right.sum() / max(1, (~np.isnan(said)).sum())) if segments else 0.0,
        float(right.sum() / max(1, (~np.isnan(truth)).sum())),
        tuple(np.abs((truth - said)[right]).tolist()[:: max(1, int(1 / STEP_S))]),
        tuple(
            error
            for true, partner in paired
            if partner
            for error in (abs(true.query[0] - partner.query[0]), abs(true.query[1] - partner.query[1]))
        ),
        tuple(
            abs((partner.factor or 0.0) / true.factor - 1)
            for true, partner in paired
            if partner and true.factor
        ),
        len(others),
        operations,
        edited.named in operations,
        (operations & ACCUSING) - {edited.named} - ALSO.get(edited.edit, set()),
    )


def _as_true(segment: Segment, name: str) -> TrueSegment:
    backwards = any(operation.type is OperationType.REVERSED for operation in segment.operations)
    return TrueSegment(name, segment.query, segment.reference, segment.factor or 0.0, backwards)


def _partner(true: TrueSegment, segments: list[Segment]) -> Segment | None:
    def shared(segment: Segment) -> float:
        return min(segment.query[1], true.query[1]) - max(segment.query[0], true.query[0])

    best = max(segments, key=shared, default=None)
    return best if best is not None and shared(best) > 0 else None


def _mapped(grid: np.ndarray, segments: list[TrueSegment]) -> np.ndarray:
    out = np.full(len(grid), np.nan)
    for segment in segments:
        inside = (grid >= segment.query[0]) & (grid < segment.query[1])
        passed = (grid[inside] - segment.query[0]) * segment.factor
        out[inside] = (
            segment.reference[1] - passed if segment.is_reversed else segment.reference[0] + passed
        )
    return out


def asked(
    client: Client, clips: list[Clip], name_of: dict[str, str], edits: set[str] | None
) -> Iterator[tuple[Scored, MatchAnswer]]:
    """Asks about every edit of every clip: one edit of all clips, then the next."""
    by_clip = [edits_of(clip, [other for other in clips if other is not clip]) for clip in clips]
    in_turn = [edit for row in zip_longest(*by_clip) for edit in row if edit is not None]
    jobs = [make for edit, make in in_turn if edits is None or edit in edits]

    def ask(make: Callable[[], Edited]) -> tuple[Scored, MatchAnswer]:
        edited = make()
        answer = client.match(edited.content)
        return score(edited, answer, name_of, answer.computed.duration_s or 0.0), answer

    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(ask, jobs)


def table(scored: list[Scored]) -> str:
    """Returns the table of scores by edit, and of all."""
    by_edit: dict[str, list[Scored]] = defaultdict(list)
    for score in scored:
        by_edit[score.edit].append(score)
    lines = [
        "| edit | clips | precision | recall | time error, s | boundary error, s | speed error "
        "| > 1 % | named |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(edit, rows) for edit, rows in by_edit.items()]
    return "\n".join([*lines, _row("all", scored)])


def _row(edit: str, rows: list[Scored]) -> str:
    times = [error for score in rows for error in score.time_errors]
    bounds = [error for score in rows for error in score.boundary_errors]
    speeds = [error for score in rows for error in score.speed_errors]
    return (
        f"| {edit} | {len(rows)} | {np.mean([score.precision for score in rows]):.3f} "
        f"| {np.mean([score.recall for score in rows]):.3f} | {_median(times):.3f} | {_median(bounds):.3f} "
        f"| {100 * _median(speeds):.2f} % | {sum(error > 0.01 for error in speeds)} of {len(speeds)} "
        f"| {sum(score.is_named for score in rows)} |"
    )


def accusations(scored: list[Scored]) -> str:
    """Returns the table of what was named although nobody did it."""
    counted = Counter((type_.value, score.edit) for score in scored for type_ in score.accused)
    lines = ["| named though nobody did it | edit | uploads |", "| --- | --- | --- |"]
    lines += [f"| {type_} | {edit} | {count} |" for (type_, edit), count in sorted(counted.items())]
    flagged = sum(bool(score.operations & FACES) for score in scored)
    return "\n".join([*lines, f"\nA face said to be changed: {flagged} of {len(scored)} uploads."])


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def main() -> None:
    """Prints the tables."""
    given = [word for word in sys.argv[1:] if not word.startswith("--")]
    options = dict(word[2:].partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
    edits = set(options["edits"].split(",")) if "edits" in options else None
    names = options["clips"].split(",") if "clips" in options else None
    files = sorted(Path(given[0]).glob("*.mp4")) if given else []
    clips = [read_clip(file, LONGEST_S, 960) for file in files if names is None or file.stem in names]
    with throwaway_home() as home, open_home(home) as (url, key), Client(url, key) as client:
        signer = signer_of_home(client, home)
        name_of = {}
        for clip in clips:
            file = home.parent / f"{clip.name}.mp4"
            file.write_bytes(write_pieces([Piece(clip, 0.0, clip.seconds)], crf=18))
            name_of[register_file(client, signer, file).record.id] = clip.name
        found: list[Scored] = []
        with suppress(KeyboardInterrupt):  # what was asked until then is shown
            for scored, answer in asked(client, clips, name_of, edits):
                found.append(scored)
                if "shown" not in options:
                    continue
                print(
                    scored.name,
                    scored.edit,
                    f"{scored.precision:.2f} {scored.recall:.2f}",
                    "" if scored.is_named else "NOT NAMED",
                    "accused " + " ".join(scored.accused) if scored.accused else "",
                    sorted(scored.operations),
                    flush=True,
                )
                for match in answer.matches:
                    print(
                        "    ",
                        name_of[match.record.id],
                        match.strength.value,
                        match.explanation,
                        flush=True,
                    )
    print(table(found))
    pairs = len(found) * (len(clips) - 1)
    print(f"\nMatches that are false: {sum(score.false_records for score in found)} among {pairs} pairs.\n")
    print(accusations(found))


if __name__ == "__main__":
    main()

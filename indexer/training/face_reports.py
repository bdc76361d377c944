"""Tables of what was said of faces: by what happened to the picture, by system, and by the face's size."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from indexer.compare.faces.judgement import FACE_PER_EYE, Change
from indexer.training.evaluation import wilson_interval
from indexer.training.face_pairs import MOVED, SWAPPED, MeasuredFace
from indexer.training.face_variants import COVERED, EDITED, ON_THE_WAY

Decided = Sequence[tuple[MeasuredFace, Change]]
FLAGS = frozenset({Change.EXCHANGED, Change.MOVED})
SIZES_PX = (48, 64, 96, 128, 192)  # widths of a face at which a row ends


class _Picture:
    """What was said of the faces of one variant of one pair."""

    def __init__(self) -> None:
        self.faces: list[MeasuredFace] = []
        self.said: set[Change] = set()

    @property
    def kind(self) -> str:
        return self.faces[0].pair.kind

    @property
    def width_px(self) -> float:
        """Of its smallest face."""
        return min(FACE_PER_EYE * face.measures.eye_px for face in self.faces)


def _pictures(decided: Decided) -> list[_Picture]:
    found: dict[tuple[str, str], _Picture] = defaultdict(_Picture)
    for face, change in decided:
        picture = found[face.pair.name, face.variant]
        picture.faces.append(face)
        picture.said.add(change)
    return list(found.values())


def by_variant(decided: Decided) -> str:
    """Returns a table with a row for each thing that happened to a picture on its way."""
    pictures = _pictures(decided)
    rows = [
        (name, [picture for picture in pictures if picture.faces[0].variant == name])
        for name in (*ON_THE_WAY, *EDITED, *COVERED)
    ]
    return _table("variant", rows, lambda found, of: f"{found} of {of}")


def by_size(decided: Decided) -> str:
    """Returns a table with a row for each width of faces, of what nobody covered."""
    rows = []
    least = 0.0
    pictures = [one for one in _pictures(decided) if one.faces[0].variant not in COVERED]
    for most in (*SIZES_PX, float("inf")):
        title = f"from {least:.0f} px" if most == float("inf") else f"{least:.0f} to {most:.0f} px"
        rows.append((title, [one for one in pictures if least <= one.width_px < most]))
        least = most
    return _table("width of the face", rows, _with_interval)


def by_system(decided: Decided) -> str:
    """Returns a table with a row for each system, of what nobody covered."""
    pictures = [one for one in _pictures(decided) if one.faces[0].variant not in COVERED]
    systems = sorted({one.faces[0].pair.system for one in pictures})
    rows = [(name, [one for one in pictures if one.faces[0].pair.system == name]) for name in systems]
    return _table("system", [*rows, ("all", pictures)], _with_interval)


def _with_interval(found: int, of: int) -> str:
    if of == 0:
        return ""
    least, most = wilson_interval(found, of)
    return f"{found} of {of} ({least:.3f} to {most:.3f})"


def _table(
    title: str, rows: Sequence[tuple[str, Sequence[_Picture]]], shown: Callable[[int, int], str]
) -> str:
    lines = [
        f"| {title} | swaps named `face_swap` | re-enactments flagged | flagged of the rest | abstained |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, pictures in rows:
        swaps = [Change.EXCHANGED in one.said for one in pictures if one.kind == SWAPPED]
        moved = [bool(FLAGS & one.said) for one in pictures if one.kind == MOVED]
        rest = [bool(FLAGS & one.said) for one in pictures if one.kind not in (SWAPPED, MOVED)]
        unsure = sum(Change.UNCERTAIN in one.said for one in pictures)
        cells = (shown(sum(one), len(one)) for one in (swaps, moved, rest))
        lines.append(f"| {name} | {' | '.join(cells)} | {unsure} of {len(pictures)} |")
    return "\n".join(lines)

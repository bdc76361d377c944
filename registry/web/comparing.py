"""Prepares a comparison for a page: both pictures in one frame, the change map, the difference."""

import base64
import io
from dataclasses import dataclass

from PIL import Image

from indexer.compare.vocabulary import Operation, is_part, to_outline
from registry.match.showing import DrawnComparison
from sdk.models import Region, in_words

QUALITY = 82


@dataclass(frozen=True)
class CloseUpView:
    """One changed place, enlarged: pictures of one size as data addresses."""

    words: str  # what was done there, its size, and how far
    width: int
    height: int
    reference: str
    upload: str
    region: Region


@dataclass(frozen=True)
class ComparisonView:
    """What a page shows of a comparison: pictures of one size as data addresses, which are not kept."""

    width: int
    height: int
    reference: str
    upload: str
    change_map: str
    difference: str
    outlines: tuple[tuple[Region, str], ...]  # changed regions in that frame, and what was done there
    close_ups: tuple[CloseUpView, ...]
    explained: frozenset[str]  # the sentences of operations that are shown close up


def view_of(drawn: DrawnComparison, operations: tuple[Operation, ...]) -> ComparisonView:
    """Prepares what was drawn; whoever has a drawing had leave to see it."""
    width, height = drawn.reference.size
    return ComparisonView(
        width=width,
        height=height,
        reference=_webp(drawn.reference),
        upload=_webp(drawn.upload),
        change_map="data:image/png;base64," + base64.b64encode(drawn.change_map).decode(),
        difference=_webp(drawn.difference),
        outlines=tuple(
            (Region(corners=_four(to_outline(operation.reference_region))), in_words(operation.type))
            for operation in operations
            if operation.reference_region is not None
            and operation.measured.get("share", 0.0) < 1.0
            and is_part(operation.reference_region)
        ),
        close_ups=tuple(
            CloseUpView(
                place.words,
                place.close_up.reference.shape[1],
                place.close_up.reference.shape[0],
                _webp(Image.fromarray(place.close_up.reference)),
                _webp(Image.fromarray(place.close_up.query)),
                Region(corners=_four(place.close_up.region)),
            )
            for place in drawn.close_ups
        ),
        explained=frozenset(place.operation.sentence for place in drawn.close_ups),
    )


def _four(
    quad: tuple[tuple[float, float], ...],
) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]:
    first, second, third, fourth = quad
    return first, second, third, fourth


def _webp(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()

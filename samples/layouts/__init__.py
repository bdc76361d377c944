"""Layouts whose instances share a frame and differ in content, with the truth about every pair.

A layout of a kind is fixed by one seed (colours, fonts, labels, brand), its content by another. Two
contents in one layout are strangers; what `real_copy` makes of an instance is a copy of it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from PIL import Image

from samples.layouts import lists, pages, screens
from samples.layouts.board import Board, Content
from samples.layouts.copies import COPIES, real_copy
from samples.layouts.photographing import photograph

Layout = Callable[[random.Random, Content], Board]
KINDS: Mapping[str, Layout] = MappingProxyType(
    {
        "post": screens.post,
        "post with photo": screens.post_with_photo,
        "chat": screens.chat,
        "quote": screens.quote,
        "bar chart": screens.bar_chart,
        "line chart": screens.line_chart,
        "slide": screens.slide,
        "news": screens.news,
        "packshot": screens.packshot,
        "brand card": screens.brand_card,
        "poster": screens.poster,
        "profile": screens.profile,
        "ID card": pages.id_card,
        "business card": pages.business_card,
        "receipt": pages.receipt,
        "invoice": pages.invoice,
        "form": pages.form,
        "certificate": pages.certificate,
        "ticket": pages.ticket,
        "table": lists.table,
        "event": lists.event,
        "menu": lists.menu,
        "settings": lists.settings,
        "logo": lists.logo,
    }
)


def instance(
    kind: str,
    layout_seed: int,
    content_seed: int,
    photos: Sequence[Image.Image],
    *,
    photographed: bool = False,
    forged: frozenset[int] = frozenset(),
) -> Image.Image:
    """Draws one picture of a kind; `photos` are what its pictures are taken from.

    `forged`: numbers of the fields that somebody changed in it.
    """
    content = Content(content_seed, photos, forged)
    drawn = KINDS[kind](random.Random(f"{kind}/{layout_seed}"), content).image
    if not photographed:
        return drawn
    rng = random.Random(f"{kind}/{layout_seed}/{content_seed}")
    return photograph(drawn, photos[(content_seed * 7 + 3) % len(photos)], rng)


__all__ = ["COPIES", "KINDS", "instance", "photograph", "real_copy"]

"""Attempts to have a genuine picture called a fake, or a fake pass, by what is registered around it."""

from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw, ImageOps

from sdk.models import Role, Verdict, VerdictKind
from sdk.records import AssetClass
from tests.forgeries import with_pdq_of
from tests.pictures import encoded, picture, pixels
from tests.portraits import astronaut, swapped
from tests.world import World

ACCUSES = (VerdictKind.KNOWN_FAKE, VerdictKind.REPORTED)


def with_sticker(image: Image.Image) -> Image.Image:
    stickered = image.copy()
    ImageDraw.Draw(stickered).ellipse((400, 300, 490, 390), fill="yellow", outline="black", width=6)
    return stickered


def with_caption(image: Image.Image) -> Image.Image:
    captioned = ImageOps.expand(image, (0, 0, 0, 60), "white")
    ImageDraw.Draw(captioned).text((20, image.height + 12), "They all lied to you", "black", font_size=32)
    return captioned


def hatched(image: Image.Image) -> Image.Image:
    lined = image.copy()
    draw = ImageDraw.Draw(lined)
    for start in range(-image.height, image.width, 14):
        draw.line((start, 0, start + image.height, image.height), fill="black", width=2)
    return lined


def cut_by(image: Image.Image, border: int) -> Image.Image:
    return ImageOps.crop(image, border)


def with_dot(image: Image.Image) -> Image.Image:
    dotted = image.copy()
    dotted.putpixel((image.width // 2, image.height // 2), (255, 0, 255))
    return dotted


class Desks:
    """Who registers: a newspaper, a laboratory that may register fakes, and a stranger."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.paper, self.stranger = world.enrol("Daily Example"), world.enrol("Stranger")
        self.lab = world.enrol("Lab", Role.RESEARCHER)

    def fake(self, image: Image.Image, *sources: str) -> str:
        content = encoded(image, "PNG")
        answer = self.world.register(self.lab, content, "fake", AssetClass.KNOWN_FAKE, derived_from=sources)
        return answer.record.id

    def verdict(self, image: Image.Image, quality: int = 70) -> Verdict:
        return self.paper.client.match(encoded(image, quality=quality)).verdict


@pytest.fixture
def desks(world: World) -> Desks:
    return Desks(world)


def test_an_altered_copy_of_a_fake_is_no_original_that_the_genuine_picture_could_be_told_from(
    desks: Desks,
) -> None:
    claim = desks.world.register(desks.stranger, encoded(with_sticker(swapped()), "PNG"), "claim").record
    desks.fake(swapped(), claim.id)
    assert desks.verdict(astronaut()).kind not in ACCUSES
    desks.world.audit()


@pytest.mark.parametrize("edit", [with_caption, lambda image: image.crop((30, 30, 482, 482))])
def test_what_was_framed_or_cut_into_a_fake_stays_genuine(
    desks: Desks, edit: Callable[[Image.Image], Image.Image]
) -> None:
    desks.fake(edit(astronaut()))
    assert desks.verdict(astronaut()).kind is VerdictKind.SHARES_PICTURE
    assert desks.verdict(edit(astronaut())).kind is VerdictKind.REPORTED


def test_a_later_claim_that_it_is_generated_leaves_an_authentic_picture_disputed(desks: Desks) -> None:
    desks.world.register(desks.paper, encoded(astronaut(), "PNG"), "original")
    generated = AssetClass.AI_GENERATED
    desks.world.register(desks.stranger, encoded(astronaut(), quality=93), "claim", generated)
    verdict = desks.verdict(astronaut())
    assert verdict.kind is VerdictKind.DISPUTED
    assert "Daily Example" in verdict.sentence.partition(".")[0]
    assert verdict.sentence.endswith(" as AI-generated.")


def test_a_claim_that_was_registered_before_the_fake_does_not_silence_it(desks: Desks) -> None:
    desks.world.register(desks.stranger, encoded(swapped(), quality=93), "claim")
    desks.fake(swapped())
    verdict = desks.verdict(swapped())
    assert verdict.kind is VerdictKind.DISPUTED
    assert "as a fake, which nobody else has confirmed" in verdict.sentence


def test_a_pattern_over_a_fake_is_never_said_to_be_another_picture(desks: Desks) -> None:
    original = desks.world.register(desks.paper, encoded(astronaut(), "PNG"), "original").record
    desks.fake(swapped(), original.id)
    assert "It is not" not in desks.verdict(hatched(swapped()), quality=85).sentence
    assert desks.verdict(hatched(astronaut()), quality=85).kind not in ACCUSES


@pytest.mark.parametrize("by_one_publisher", [False, True])
def test_an_original_that_cannot_be_told_from_its_fake_is_disputed_and_not_accused(
    desks: Desks, *, by_one_publisher: bool
) -> None:
    """The edit of a digit that the kept size does not show: here, none at all."""
    publisher = desks.lab if by_one_publisher else desks.paper
    original = desks.world.register(publisher, encoded(astronaut(), "PNG"), "original").record
    content = encoded(astronaut(), quality=95)
    desks.world.register(desks.lab, content, "fake", AssetClass.KNOWN_FAKE, derived_from=(original.id,))
    verdict = desks.verdict(astronaut())
    assert (verdict.kind, verdict.record) == (VerdictKind.DISPUTED, original.id)
    assert "as a fake, which nobody else has confirmed" in verdict.sentence


UNCHANGED_COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "the same picture": lambda image: encoded(image, "PNG", compress_level=1),
    "re-encoded": lambda image: encoded(image, quality=80),
    "slightly cropped": lambda image: encoded(cut_by(image, 8), quality=90),
    "mirrored": lambda image: encoded(ImageOps.mirror(image), quality=90),
    "one pixel changed": lambda image: encoded(with_dot(image), "PNG"),
}


@pytest.mark.parametrize("copy", UNCHANGED_COPIES)
def test_the_unchanged_picture_that_is_declared_a_fake_of_an_original_makes_no_fake_of_it(
    desks: Desks, copy: str
) -> None:
    original = desks.world.register(desks.paper, encoded(astronaut(), "PNG"), "original").record
    content = UNCHANGED_COPIES[copy](astronaut())
    desks.world.register(desks.lab, content, "fake", AssetClass.KNOWN_FAKE, derived_from=(original.id,))
    file = desks.paper.client.match(encoded(astronaut(), "PNG")).verdict
    assert file.record == original.id
    asked = [encode(astronaut()) for encode in UNCHANGED_COPIES.values()]
    for upload in (upload for upload in asked if upload != content):
        verdict = desks.paper.client.match(upload).verdict
        assert verdict.kind not in ACCUSES, (copy, verdict.sentence)
    desks.world.audit()


@pytest.mark.parametrize("target", ["astronaut", "coffee"])
def test_a_picture_with_the_pdq_value_of_a_fake_is_no_match_of_it(desks: Desks, target: str) -> None:
    """A value can be forged in a few hundred steps (tests/forgeries.py)."""
    desks.fake(picture(target))
    forged = with_pdq_of(pixels(target), pixels("cat"), most_bits=6)
    answer = desks.paper.client.match(encoded(Image.fromarray(forged), "PNG"))
    assert answer.verdict.kind is VerdictKind.NOT_IN_REGISTRY
    assert not answer.matches

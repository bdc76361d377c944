"""Attempts to push an original out of the answer by much of the same, and what ends a dispute."""

from PIL import Image, ImageOps

from sdk.models import VerdictKind
from tests.pictures import encoded, picture
from tests.world import World

NEAR_COPIES = 26


def near_copy(image: Image.Image, number: int) -> bytes:
    """One of many that nobody tells apart: cut by a pixel or two on each side."""
    left, top, right, bottom = (number >> shift & 1 for shift in range(4))
    width, height = image.size
    cut = image.crop((left, top, width - right, height - bottom))
    return encoded(cut, quality=80 + number)


def test_near_copies_of_one_publisher_do_not_push_the_original_out(world: World) -> None:
    """Made of the version that goes round, which they are nearer to than the original is."""
    paper, stranger = world.enrol("Daily Example"), world.enrol("Stranger")
    original = world.register(paper, encoded("coffee", "PNG"), "original").record
    asked = ImageOps.crop(picture("coffee"), 30)
    for number in range(NEAR_COPIES):
        world.register(stranger, near_copy(asked, number), f"copy {number}")
    answer = paper.client.match(encoded(asked, quality=70))
    assert original.id in {match.record.id for match in answer.matches}
    assert original.id == answer.families[0].registered_first
    assert answer.verdict.record == original.id or "Daily Example" in answer.verdict.sentence


def test_a_dispute_ends_when_its_other_side_is_withdrawn(world: World) -> None:
    paper, rival, third = (world.enrol(name) for name in ("Daily Example", "Rival", "Third"))
    original = world.register(paper, encoded("cat", "PNG"), "original").record
    claims = [
        (party, world.register(party, encoded("cat", quality=quality), "claim").record)
        for party, quality in ((rival, 93), (third, 90))
    ]
    upload = encoded("cat", quality=70)
    assert paper.client.match(upload).verdict.kind is VerdictKind.DISPUTED
    claims[0][0].client.withdraw(claims[0][1].id)
    verdict = paper.client.match(upload).verdict
    assert verdict.kind is VerdictKind.DISPUTED
    assert "Rival" not in verdict.sentence
    claims[1][0].client.erase(claims[1][1].id)
    verdict = paper.client.match(upload).verdict
    assert (verdict.kind, verdict.record) == (VerdictKind.REGISTERED_ORIGINAL, original.id)
    assert paper.client.get_record(original.id).disputed_with == ()
    world.audit()

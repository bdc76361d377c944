"""A single figure in a registered document: the upload is then no copy of it, however it was coded."""

from PIL import Image, ImageDraw, ImageOps

from sdk.models import MatchRelation, OperationType, VerdictKind
from tests.pictures import encoded
from tests.world import World

SIZE = (1240, 1754)


def document(total: str) -> Image.Image:
    """Returns a page whose total is the only thing that differs between two of them."""
    page = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((80, 80, 260, 200), fill=(30, 90, 60))
    draw.text((320, 110), "Receipt", fill="black", font_size=64)
    for line in range(24):
        draw.text((90, 300 + 46 * line), f"Article {line * 7919 % 6007}", fill="black", font_size=26)
        draw.text((940, 300 + 46 * line), f"{line * 37 % 101 + 11}.50", fill="black", font_size=26)
    draw.text((940, 1500), total, fill="black", font_size=26)
    return page


def test_one_figure_is_told_at_the_size_that_is_kept_and_what_is_smaller_is_said(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(document("1342.50"), "PNG"))
    forged = desk.client.match(encoded(document("1842.50"), quality=80))
    assert forged.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
    assert forged.matches[0].relation is MatchRelation.DERIVATIVE
    edit = forged.matches[0].operations[0]
    assert edit.type is OperationType.LOCAL_EDIT
    assert "at the lower right" in edit.sentence
    again = desk.client.match(encoded(document("1342.50"), quality=60))
    assert again.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert again.matches[0].uncertain == ()
    reduced = desk.client.match(encoded(document("1342.50").resize((620, 877)), quality=80))
    assert reduced.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert "less than about 25 pixels" in reduced.matches[0].uncertain[0]
    world.audit()


def test_a_figure_is_told_beside_what_was_laid_over_and_a_sticker_alone_is_no_edit(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(document("1342.50"), "PNG"))
    for total, expected in (("1842.50", [OperationType.LOCAL_EDIT]), ("1342.50", [])):
        shown = document(total)
        ImageDraw.Draw(shown).ellipse((520, 700, 660, 840), fill=(250, 200, 0), outline="black", width=4)
        (match,) = desk.client.match(encoded(shown, quality=80)).matches
        said = [operation.type for operation in match.operations]
        assert said == [*expected, OperationType.OVERLAY]
        assert ("small part" in match.operations[0].sentence) is (total == "1842.50")


def test_more_changed_places_than_are_listed_are_counted(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(document("1342.50"), "PNG"))
    shown = document("1342.50")
    for line in range(8):  # one figure in every third row
        ImageDraw.Draw(shown).text((1045, 300 + 138 * line), "7", fill="black", font_size=26)
    (match,) = desk.client.match(encoded(shown, quality=85)).matches
    assert [operation.type for operation in match.operations].count(OperationType.LOCAL_EDIT) == 5
    assert "It was changed in 3 more small places, which are not listed." in match.uncertain


def test_nobody_reads_an_intimate_document_figure_by_figure(world: World) -> None:
    """Whoever tried all figures would else be told which one is the registered one."""
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(document("1342.50"), "PNG"), intimate=True)
    answers = [desk.client.match(encoded(document(total), quality=80)) for total in ("1342.50", "1842.50")]
    right, wrong = ([one.type for one in answer.matches[0].operations] for answer in answers)
    assert right == wrong
    assert answers[0].matches[0].uncertain == answers[1].matches[0].uncertain


def test_where_single_figures_are_not_looked_at_it_is_said(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(document("1342.50"), "PNG"))
    answer = desk.client.match(encoded(ImageOps.invert(document("1842.50")), quality=80))
    assert any("Single letters and figures" in sentence for sentence in answer.matches[0].uncertain)
    dusty = document("1842.50")
    for place in range(60):
        x, y = 420 + place % 10 * 48, 330 + place // 10 * 190
        ImageDraw.Draw(dusty).ellipse((x, y, x + 5, y + 5), fill=(170, 170, 170))
    answer = desk.client.match(encoded(dusty, quality=85))
    assert any("so many small places" in sentence for sentence in answer.matches[0].uncertain)


def test_a_damaged_larger_copy_keeps_nobody_from_an_answer(world: World) -> None:
    desk = world.enrol("Daily Example")
    world.register(desk, encoded(document("1342.50"), "PNG"))
    [kept] = world.services.settings.home.rglob("*.detail.webp")
    kept.write_bytes(kept.read_bytes()[:200])
    answer = desk.client.match(encoded(document("1342.50"), quality=80))
    assert answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL

"""Pictures that were answered wrongly once, as they were reported; skipped where they are not at hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdk.models import Role, Strength, VerdictKind
from sdk.records import AssetClass
from tests.world import DatabaseServer, Party, World

pytestmark = pytest.mark.shared

SURE = (Strength.EXACT, Strength.VERY_STRONG, Strength.STRONG)
COFFEE = "07-damaged-file-that-browsers-show/coffee.png"  # the same in all of these kinds


@pytest.fixture(scope="module")
def desk(database_server: DatabaseServer, scratch: Path, shared: Path) -> Iterator[Party]:
    home = scratch / "reported-pictures"
    home.mkdir()
    with World(database_server, home) as world:
        party = world.enrol("Daily Example", Role.RESEARCHER)
        content = (shared / "reported" / COFFEE).read_bytes()
        world.register(party, content, "coffee.png", AssetClass.KNOWN_FAKE)
        yield party
        world.audit()


@pytest.mark.parametrize(
    ("upload", "media_type", "note"),
    [
        (
            "07-damaged-file-that-browsers-show/jpg_noeoi.jpg",
            "image/jpeg",
            "the end of the file is missing",
        ),
        ("07-damaged-file-that-browsers-show/png_badcrc_text.png", "image/png", "wrong checksum"),
        ("07-damaged-file-that-browsers-show/png_hugetext.png", "image/png", "megabyte of text"),
        ("09-heic-with-another-major-brand/coffee_heim.heic", "image/heic", None),
        ("09-heic-with-another-major-brand/coffee_miaf.heic", "image/heic", None),
        ("13-xmp-only-orientation/coffee_xmp6.jpg", "image/jpeg", None),
        ("15-second-page-of-a-tiff/two_pages.tif", "image/tiff", "page 2 of 2"),
        ("16-grey-of-other-depths/camera_12_of_16_bit.tif", "image/tiff", None),
    ],
)
def test_it_is_the_registered_picture(
    desk: Party, shared: Path, upload: str, media_type: str, note: str | None
) -> None:
    answer = desk.client.match((shared / "reported" / upload).read_bytes())
    assert answer.verdict.kind is VerdictKind.REPORTED
    assert answer.matches[0].strength in SURE
    assert not {"rotated", "mirrored"} & {operation.type for operation in answer.matches[0].operations}
    assert answer.computed.media_type == media_type
    assert (answer.computed.note is None) if note is None else (note in (answer.computed.note or ""))


@pytest.mark.parametrize(
    ("upload", "size"), [("phone_8160x6144.jpg", (8160, 6144)), ("scroll_720x17000.png", (720, 17_000))]
)
def test_its_size_is_no_reason_to_refuse_it(
    desk: Party, shared: Path, upload: str, size: tuple[int, int]
) -> None:
    answer = desk.client.match((shared / "reported/08-size-caps" / upload).read_bytes())
    assert (answer.computed.width, answer.computed.height) == size


@pytest.mark.parametrize(("original", "forged"), [("inv_a", "inv_onedigit"), ("cert_a", "cert_year")])
def test_one_changed_figure_makes_another_document_of_it(
    desk: Party, shared: Path, original: str, forged: str
) -> None:
    folder = shared / "reported/02-small-forgery-called-the-same"
    content = (folder / f"{original}.png").read_bytes()
    desk.client.register(content, desk.sign(desk.statement(content, original, preview_allowed=True)))
    answer = desk.client.match((folder / f"{forged}.png").read_bytes())
    assert answer.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
    assert "local_edit" in {operation.type for operation in answer.matches[0].operations}

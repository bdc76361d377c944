"""Edits of whole pictures that were answered wrongly once, as they were reported; skipped without them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.operations import Severity
from sdk.models import MatchRelation, Role, VerdictKind
from tests.world import DatabaseServer, Party, World

pytestmark = pytest.mark.shared

BARS, STRETCHES = "04-solid-bar-over-an-edge", "11-stretched-and-nobody-says-so"
FACES, LOCAL = "03-filter-called-face-swap", "14-whole-picture-filter-called-local-edit"
REGISTERED = tuple(f"{BARS}/{name}.png" for name in ("astro", "cat", "coffee", "grace"))


@pytest.fixture(scope="module")
def desk(database_server: DatabaseServer, scratch: Path, shared: Path) -> Iterator[Party]:
    home = scratch / "reported-edits"
    home.mkdir()
    with World(database_server, home) as world:
        party = world.enrol("Daily Example", Role.RESEARCHER)
        for name in REGISTERED:
            world.register(party, (shared / "reported" / name).read_bytes(), Path(name).name)
        yield party
        world.audit()


@pytest.mark.parametrize(
    ("upload", "operation"),
    [
        (f"{BARS}/cat_t30_black.jpg", "overlay"),
        (f"{BARS}/coffee_r30_white.jpg", "overlay"),
        (f"{BARS}/grace_t20_black.jpg", "overlay"),
        (f"{BARS}/astro_b50_black.jpg", "overlay"),
        (f"{STRETCHES}/astro_half_width.jpg", "stretched"),
        (f"{STRETCHES}/astro_40.jpg", "stretched"),
    ],
)
def test_the_edit_is_named_and_nothing_else(desk: Party, shared: Path, upload: str, operation: str) -> None:
    answer = desk.client.match((shared / "reported" / upload).read_bytes())
    assert answer.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL
    assert answer.matches[0].relation is MatchRelation.DERIVATIVE
    assert [found.type for found in answer.matches[0].operations] == [operation]


@pytest.mark.parametrize(
    "upload",
    [
        *(f"{FACES}/{name}.jpg" for name in ("astro_sharp", "astro_blur4", "grace_oil", "grace_contrast3")),
        *(f"{LOCAL}/{name}.jpg" for name in ("hue110", "vivid", "bilateral")),
    ],
)
def test_a_filter_of_the_whole_picture_changes_no_part_and_no_face(
    desk: Party, shared: Path, upload: str
) -> None:
    answer = desk.client.match((shared / "reported" / upload).read_bytes())
    match = answer.matches[0]
    # Of a face that was processed so much it may be that nobody can tell.
    is_open = any(said.startswith("Whether the face") for said in match.uncertain)
    is_same = answer.verdict.kind is VerdictKind.REGISTERED_ORIGINAL
    assert is_same or (is_open and answer.verdict.kind is VerdictKind.DERIVATIVE_OF_ORIGINAL)
    assert answer.verdict.severity is Severity.TECHNICAL
    found = {operation.type for operation in match.operations}
    assert found <= {"re_encoded", "colour", "filtered"}
    assert "filtered" in found or Path(upload).stem not in ("astro_sharp", "astro_blur4")

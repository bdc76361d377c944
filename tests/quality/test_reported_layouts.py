"""Layouts that were answered as if they were copies, as reported; skipped where they are not at hand."""

from pathlib import Path

import pytest

from sdk.models import Role, Strength, VerdictKind
from sdk.records import AssetClass
from tests.world import DatabaseServer, World

pytestmark = pytest.mark.shared

LAYOUTS = "01-same-layout-other-content"
FORGERIES = "02-small-forgery-called-the-same"


def test_a_stranger_in_the_same_layout_is_at_most_a_suspicion_and_a_forged_copy_remains_a_match(
    database_server: DatabaseServer, home: Path, shared: Path
) -> None:
    with World(database_server, home) as world:
        party = world.enrol("Daily Example", Role.RESEARCHER)
        for name in ("post_a.png", "chart_a.png", "id_a.jpg", "quote_a.jpg"):
            content = (shared / "reported" / LAYOUTS / name).read_bytes()
            world.register(party, content, name, AssetClass.KNOWN_FAKE)
        for name in ("inv_a.png", "cert_a.png"):
            content = (shared / "reported" / FORGERIES / name).read_bytes()
            world.register(party, content, name)
        for name in ("post_stranger.png", "chart_other.png", "id_b.jpg", "quote_b.jpg"):
            answer = party.client.match((shared / "reported" / LAYOUTS / name).read_bytes())
            assert answer.verdict.kind is VerdictKind.POSSIBLE_MATCH, name
            assert {match.strength for match in answer.matches} == {Strength.WEAK}, name
            assert answer.matches[0].explanation.startswith("Has the same layout as"), name
            assert "Other content stands in it" in answer.matches[0].explanation, name
        for name in ("inv_onedigit.png", "cert_year.png"):
            answer = party.client.match((shared / "reported" / FORGERIES / name).read_bytes())
            assert answer.matches[0].strength is Strength.VERY_STRONG, name
        world.audit()

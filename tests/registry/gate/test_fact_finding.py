"""What reaches a policy as facts of real uploads."""

import pytest

from registry.gate.facts import BY_NAME, UNKNOWN, flaw_of
from sdk import gate_calls
from sdk.models import Decision, GateContext, Outcome, Role
from sdk.records import AssetClass
from tests.pictures import encoded, picture
from tests.portraits import astronaut, swapped
from tests.world import Party, World


@pytest.fixture(scope="module")
def platform(world_of_module: World) -> Party:
    """A platform; a portrait, an AI-made picture and an intimate one are registered by others."""
    world = world_of_module
    paper, lab = world.enrol("Daily Example"), world.enrol("Lab", Role.RESEARCHER)
    world.register(paper, encoded(astronaut(), "PNG"), "a portrait")
    world.register(lab, encoded("coffee", "PNG"), "made by a model", AssetClass.AI_GENERATED)
    world.register(paper, encoded("hubble", "PNG"), "somebody's name", intimate=True)
    platform = world.enrol("Chat", Role.PLATFORM)
    platform.client.send(gate_calls.activate("twitter-2020", "to try it"))
    return platform


def asked(platform: Party, content: bytes, **context: object) -> Decision:
    decision = platform.client.gate(content, GateContext.model_validate(context))
    for name, value in decision.facts.items():
        assert flaw_of(BY_NAME[name], value) is None
        assert value != UNKNOWN[name], "what says nothing is not kept"
    return decision


def test_who_says_that_it_was_made_by_ai_denies_nothing(platform: Party) -> None:
    made = encoded("coffee", quality=85)
    honest = asked(platform, made, declared=["ai_generated", "unaltered"])
    assert "declared.refuted" not in honest.facts
    assert (honest.outcome, honest.rule and honest.rule.rule) == (Outcome.LABEL, "synthetic")
    denied = asked(platform, made, declared=["not_ai_generated"])
    assert denied.facts["declared.refuted"] is True


def test_where_nothing_shows_which_came_first_a_denial_is_contradicted_and_not_refuted(
    platform: Party,
) -> None:
    decision = asked(platform, encoded(swapped(), quality=85), declared=["unaltered"])
    assert decision.facts["declared.contradicted"] is True
    assert "declared.refuted" not in decision.facts
    assert decision.outcome is Outcome.HOLD


def test_of_an_intimate_record_a_decision_names_neither_label_nor_publisher(platform: Party) -> None:
    decision = asked(platform, encoded(picture("hubble"), quality=80), policy="ncii-strict")
    assert (decision.outcome, decision.facts["record.intimate"]) == (Outcome.REFUSE, True)
    told = decision.model_copy(update={"match": None}).model_dump_json()
    assert "somebody's name" not in told
    assert "Daily Example" not in told
    assert decision.statement is not None
    assert decision.evidence is not None
    assert str(decision.evidence.record) not in str(decision.statement.dsa)


def test_a_stranger_is_nothing_but_what_was_sent(platform: Party) -> None:
    decision = asked(platform, encoded("motorcycle"), text="look", signals=["odd"], audience="public")
    assert decision.facts == {
        "upload.media": "image",
        "upload.media_type": "image/jpeg",
        "upload.audience": "public",
        "upload.signals": ["odd"],
    }
    assert decision.outcome is Outcome.ALLOW

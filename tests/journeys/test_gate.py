"""A chat service asks before it publishes, under a policy that it wrote, and can say why afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from samples.video_edits import Piece
from sdk import gate_calls
from sdk.cli import app
from sdk.client import Client
from sdk.decisions import verify_decision, verify_order
from sdk.errors import Conflict
from sdk.models import (
    ActivationMode,
    Decision,
    DecisionState,
    GateContext,
    NewApiKey,
    NewBacktest,
    NewDecisionReview,
    NewGateSettings,
    Outcome,
    Role,
    Scope,
)
from sdk.records import AssetClass
from tests.pictures import encoded, picture
from tests.portraits import astronaut, swapped
from tests.videos import clip, edited, original
from tests.world import OF_THE_GATE, World

CHAT = Path(__file__).parents[2] / "examples" / "policies" / "chat.yaml"


class Chat:
    """A chat service with its own policy, newspapers and a laboratory that register."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.paper, self.rival = world.enrol("Daily Example"), world.enrol("Morning Post")
        self.lab = world.enrol("Lab", Role.RESEARCHER)
        self.service = world.enrol("Chat", Role.PLATFORM)
        self.jwks = self.service.client.jwks()
        self.kept: list[Decision] = []
        self.service.client.send(gate_calls.add_pack(CHAT.read_text("utf-8")))
        self.service.client.send(gate_calls.activate("chat", "our first policy"))

    def ask(self, content: bytes, **context: object) -> Decision:
        said = GateContext.model_validate(context)
        decision = self.service.client.gate(content, said, wait=True)
        verify_decision(decision, self.jwks)
        self.kept.append(decision)
        return decision

    def ruled(self, content: bytes, **context: object) -> tuple[Outcome, str]:
        decision = self.ask(content, **context)
        assert decision.rule is not None, decision.failure
        return decision.outcome, decision.rule.rule

    def audit(self) -> None:
        verify_order(self.kept)
        self.world.audit()


@pytest.fixture
def chat(world: World) -> Iterator[Chat]:
    chat = Chat(world)
    yield chat
    chat.audit()


def composite() -> Image.Image:
    """A cup of coffee, and a rocket over more than a third of it."""
    image = picture("coffee").copy()
    width, height = image.size
    part = picture("rocket").resize((int(0.6 * width), int(0.6 * height)))
    image.paste(part, (width - part.width - 20, 10))
    return image


def test_a_chat_service_decides_by_what_was_done_to_registered_originals(chat: Chat) -> None:
    world = chat.world
    world.register(chat.paper, encoded(astronaut(), "PNG"), "a portrait")
    world.register(chat.paper, encoded("coffee", "PNG"), "a cup")
    swap = encoded(swapped(), quality=85)
    refused = chat.ask(swap, content_ref="m1", uploader_ref="alice", language="de")
    assert (refused.outcome, refused.rule and refused.rule.rule) == (Outcome.REFUSE, "another-face")
    assert refused.statement is not None
    assert refused.statement.dsa is not None
    assert refused.statement.language == "de"
    assert "Gesicht" in " ".join(refused.statement.paragraphs)
    assert refused.match is not None
    assert refused.evidence is not None
    assert refused.evidence.changes[0].type == "face_swap"
    mirrored = encoded(ImageOps.mirror(picture("coffee")), quality=85)
    assert chat.ruled(mirrored) == (Outcome.ALLOW, "otherwise")
    assert chat.ruled(encoded("hubble")) == (Outcome.ALLOW, "otherwise")
    assert chat.ruled(encoded(composite(), quality=90)) == (Outcome.DEMOTE, "collage")
    again = chat.ask(swap, uploader_ref="bob")
    assert (again.facts["uploader.poster"], again.uploader != refused.uploader) == ("resharer", True)
    assert chat.ask(swap, uploader_ref="alice").facts["uploader.refused"] == 1


def test_a_disputed_picture_waits_for_a_person_who_decides(chat: Chat) -> None:
    world = chat.world
    world.register(chat.paper, encoded("cat", "PNG"), "our cat")
    world.register(chat.rival, encoded("cat", "PNG", compress_level=1), "our own cat")
    held = chat.ask(encoded("cat", quality=80), content_ref="m7", uploader_ref="alice")
    assert (held.outcome, held.rule and held.rule.rule) == (Outcome.HOLD, "disputed")
    review = NewDecisionReview(
        by="dana", reason="both papers licensed it", confirmed=False, outcome=Outcome.ALLOW
    )
    reviewed = chat.service.client.send(gate_calls.review_decision(held.id, review))
    verify_decision(reviewed, chat.jwks)
    assert (reviewed.state, reviewed.outcome) == (DecisionState.REVIEWED, Outcome.ALLOW)
    assert "dana" not in " ".join(reviewed.statement.paragraphs if reviewed.statement else ())
    history = chat.service.client.send(gate_calls.decision_history(held.id))
    assert [one.state for one in history] == [DecisionState.DECIDED, DecisionState.REVIEWED]
    statements = chat.service.client.send(gate_calls.list_statements()).statements
    assert [one["puid"] for one in statements] == [held.id]  # it was delayed, and then restricted no more


@pytest.mark.parametrize("is_claimed", [False, True])
def test_the_genuine_picture_of_a_registered_swap_is_not_said_to_be_changed(
    chat: Chat, *, is_claimed: bool
) -> None:
    """Cropped, it looks made from the swap, which is registered as fake, or as true by two publishers."""
    swap, asset_class = encoded(swapped(), "PNG"), AssetClass.KNOWN_FAKE
    if is_claimed:
        asset_class = AssetClass.AUTHENTIC
        chat.world.register(chat.rival, swap, "ours")
    chat.world.register(chat.paper if is_claimed else chat.lab, swap, "a swap", asset_class)
    genuine = encoded(astronaut().crop((40, 10, 482, 452)), quality=90)
    decision = chat.ask(genuine, policy="twitter-2020", language="en")
    assert decision.outcome is Outcome.HOLD
    assert decision.evidence is not None
    assert "face_swap" in {change.type for change in decision.evidence.changes}
    assert decision.statement is not None
    told = "\n".join(decision.statement.paragraphs)
    assert "In one of the two, this was changed" in told
    assert "in your upload" not in told
    assert decision.statement.dsa is not None
    assert decision.statement.dsa["content_type"] == ["CONTENT_TYPE_IMAGE"]
    assert "Changed against it" not in str(decision.statement.dsa["decision_facts"])


def test_a_slowed_speech_is_held_while_it_is_worked_on_and_then_labelled(chat: Chat) -> None:
    chat.world.register(chat.paper, original("coffee", "rocket"), "a speech")
    slowed = edited(Piece(clip("coffee", "rocket"), 0.0, 8.0, 0.75), crf=28)
    waiting = chat.service.client.gate(slowed, GateContext(content_ref="v1", deadline_ms=None), wait=False)
    assert waiting.state in (DecisionState.WAITING, DecisionState.DECIDED)
    decision = chat.ask(slowed, content_ref="v2")
    assert (decision.outcome, decision.rule and decision.rule.rule) == (Outcome.LABEL, "other-speed")
    assert decision.label is not None
    assert decision.label.text == "Altered"
    assert decision.job is not None
    events = chat.service.client.get_job(decision.job)
    assert events.decision is not None
    assert events.decision.id == decision.id


def test_who_runs_out_of_time_gets_what_it_asked_for_and_later_the_decision(chat: Chat) -> None:
    chat.world.register(chat.paper, encoded("coffee", "PNG"), "a cup")
    late = chat.ask(encoded("coffee", quality=85), deadline_ms=1, on_failure="allow")
    assert (late.state, late.outcome) == (DecisionState.FAILED, Outcome.ALLOW)
    assert late.failure is not None
    assert late.failure.code == "deadline"
    chat.ask(encoded("rocket"))  # the work goes on behind the answer, and its turn ends before this one's
    history = chat.service.client.send(gate_calls.decision_history(late.id))
    assert [one.state for one in history][:1] == [DecisionState.FAILED]
    assert {one.state for one in history[1:]} <= {DecisionState.LATE}


def test_what_cannot_be_read_is_held_and_says_so(chat: Chat) -> None:
    broken = chat.ask(encoded("coffee")[:300], on_failure="hold")
    assert (broken.state, broken.outcome) == (DecisionState.FAILED, Outcome.HOLD)
    assert broken.failure is not None
    assert broken.failure.code == "undecodable_media"


def test_a_newsroom_gets_advice_and_no_refusal(chat: Chat) -> None:
    chat.world.register(chat.paper, encoded(astronaut(), "PNG"), "our portrait")
    desk = chat.world.enrol("Newsroom", scopes=(Scope.REGISTER, Scope.MATCH, *OF_THE_GATE))
    desk.client.send(gate_calls.activate("newsroom", "advice for our editors"))
    advised = desk.client.gate(encoded(swapped(), quality=90), GateContext(language="fr"))
    assert advised.outcome in (Outcome.LABEL, Outcome.HOLD)
    assert advised.label is not None
    assert advised.label.language == "fr"
    own = desk.client.gate(encoded("hubble"))
    assert own.outcome is Outcome.ALLOW


def test_a_policy_is_tried_on_past_and_present_uploads_before_it_counts(chat: Chat) -> None:
    chat.world.register(chat.paper, encoded(astronaut(), "PNG"), "a portrait")
    send = chat.service.client.send
    chat.ask(encoded(swapped(), quality=85), content_ref="m1")
    chat.ask(encoded("hubble"), content_ref="m2")
    past = send(gate_calls.backtest(NewBacktest(pack="label-only")))
    assert (past.decisions, past.changed) == (2, 1)
    assert [(one.content_ref, one.before, one.after) for one in past.uploads] == [
        ("m1", Outcome.REFUSE, Outcome.LABEL)
    ]
    send(gate_calls.activate("label-only", "would labels do?", ActivationMode.SHADOW))
    seen = chat.ask(encoded(swapped(), quality=80), content_ref="m3")
    assert (seen.outcome, seen.shadow_outcome) == (Outcome.REFUSE, Outcome.LABEL)
    report = send(gate_calls.shadow(30, 10))
    assert report is not None
    assert (report.decisions, report.changed) == (1, 1)
    send(gate_calls.activate("label-only", "labels do"))
    assert chat.ruled(encoded(swapped(), quality=85))[0] is Outcome.LABEL
    back = send(gate_calls.roll_back("they did not"))
    assert (back.pack, back.rollback_of) == ("chat", 2)
    assert chat.ruled(encoded(swapped(), quality=85))[0] is Outcome.REFUSE


def test_where_two_people_are_asked_for_one_alone_switches_nothing_on(chat: Chat) -> None:
    send = chat.service.client.send
    send(gate_calls.change_gate_settings(NewGateSettings(two_people=True)))
    asked = send(gate_calls.activate("label-only", "labels do"))
    assert asked.effective_at is None
    with pytest.raises(Conflict, match="two people are needed"):
        send(gate_calls.confirm(asked.number))
    with pytest.raises(Conflict, match="two people are asked for"):
        chat.ask(encoded("hubble"), policy="label-only")
    assert chat.ask(encoded("hubble"), policy="label-only", dry_run=True).dry_run
    second = second_key(chat)
    confirmed = second.send(gate_calls.confirm(asked.number))
    assert confirmed.effective_at is not None
    decision = chat.ask(encoded("hubble"))
    assert decision.rule is not None
    assert decision.rule.pack == "label-only"
    one = NewGateSettings(two_people=False)
    assert send(gate_calls.change_gate_settings(one)).two_people
    assert not second.send(gate_calls.change_gate_settings(one)).two_people


def second_key(chat: Chat) -> Client:
    new = NewApiKey(publisher=chat.service.publisher.id, scopes=OF_THE_GATE)
    return chat.world.client(chat.world.operator.issue_api_key(new).secret)


WIDE = {"COLUMNS": "200"}  # so that no sentence is broken


def test_the_command_line_asks_for_a_closer_look(chat: Chat, tmp_path: Path) -> None:
    upload = tmp_path / "upload.jpg"
    upload.write_bytes(encoded("coffee"))
    here = ["--url", chat.world.url, "--api-key", chat.service.api_key.secret]
    asked = CliRunner().invoke(app, ["gate", str(upload), *here, "--effort", "thorough", "--json"])
    assert json.loads(asked.stdout)["answer"]["match"]["computed"]["effort"] == "thorough"
    refused = CliRunner().invoke(
        app, ["gate", str(upload), *here, "--effort", "fast", "--on-device"], env=WIDE
    )
    assert refused.exit_code == 2
    assert "no picture is compared" in refused.output

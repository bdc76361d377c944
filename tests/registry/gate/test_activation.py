"""Which policy decides: rolled back step by step, confirmed by a second person in time, kept once used."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from registry.gate import deciding
from registry.gate.decisions import forget
from registry.records.acts import REGISTRY
from registry.storage.db import transaction
from registry.storage.models import Job, PolicyPack
from registry.storage.models.columns import now
from sdk import gate_calls
from sdk.client import Client
from sdk.errors import Conflict, ProblemError
from sdk.models import (
    ActivationMode,
    Decision,
    DecisionState,
    FingerprintQuery,
    FingerprintValue,
    GateContext,
    NewApiKey,
    NewDecisionReview,
    NewGateSettings,
    Outcome,
    Role,
)
from tests.pictures import encoded
from tests.videos import original
from tests.waiting import soon
from tests.world import OF_THE_GATE, Party, World


@pytest.fixture
def platform(world: World) -> Party:
    return world.enrol("Chat", Role.PLATFORM)


def active(client: Client) -> str | None:
    return next((pack.name for pack in client.send(gate_calls.list_packs()) if pack.active), None)


def test_each_rollback_goes_one_policy_further_back(world: World, platform: Party) -> None:
    send = platform.client.send
    for name in ("label-only", "newsroom", "meta-label"):
        send(gate_calls.activate(name, "tried"))
    assert send(gate_calls.roll_back("worse")).pack == "newsroom"
    assert send(gate_calls.roll_back("worse still")).pack == "label-only"
    with pytest.raises(Conflict, match="no other policy was active before"):
        send(gate_calls.roll_back("nothing is left"))
    assert active(platform.client) == "label-only"
    send(gate_calls.activate("twitter-2020", "anew"))
    assert send(gate_calls.roll_back("no")).pack == "label-only"
    world.audit()


def test_what_nobody_confirmed_in_time_is_asked_for_again(world: World, platform: Party) -> None:
    send = platform.client.send
    send(gate_calls.change_gate_settings(NewGateSettings(two_people=True)))
    key = NewApiKey(publisher=platform.publisher.id, scopes=OF_THE_GATE)
    second = world.client(world.operator.issue_api_key(key).secret)
    asked = send(gate_calls.activate("newsroom", "for the desk"))
    week_ago = now() - timedelta(days=8)
    world.tamper("UPDATE policy_activation SET asked_at = :at", at=week_ago)
    with pytest.raises(Conflict, match="too long ago"):
        second.send(gate_calls.confirm(asked.number))
    again = send(gate_calls.activate("newsroom", "for the desk"))
    world.operator.revoke_api_key(platform.api_key.id)
    with pytest.raises(Conflict, match="was revoked"):
        second.send(gate_calls.confirm(again.number))
    assert active(second) is None


def test_changing_one_setting_leaves_the_others(world: World, platform: Party) -> None:
    send = platform.client.send
    send(gate_calls.change_gate_settings(NewGateSettings(two_people=True)))
    changed = send(gate_calls.change_gate_settings(NewGateSettings(retention_days=90)))
    assert (changed.two_people, changed.one_person_asked_by, changed.retention_days) == (True, None, 90)
    world.audit()


def test_a_shipped_pack_that_decided_once_is_the_platforms_own(world: World, platform: Party) -> None:
    """An upgrade of the program may bring another text: what decided is still read, and reviewed."""
    decision = platform.client.gate(encoded("coffee"), GateContext(policy="label-only"))
    assert decision.policy is not None
    with transaction(world.engine) as session:
        kept = session.exec(select(PolicyPack.name)).all()
    assert kept == ["label-only"]
    platform.client.gate(encoded("cat"), GateContext(policy="label-only"))  # which keeps it no second time
    assert active(platform.client) is None
    world.audit()


def test_the_shadow_of_a_pack_ends_when_it_is_switched_on(platform: Party) -> None:
    send = platform.client.send
    send(gate_calls.activate("newsroom", "first"))
    send(gate_calls.activate("label-only", "tried", ActivationMode.SHADOW))
    assert platform.client.gate(encoded("coffee")).shadow is not None
    send(gate_calls.activate("label-only", "it will do"))
    assert platform.client.gate(encoded("coffee")).shadow is None


def asked(party: Party, content: bytes, **context: object) -> Decision:
    return party.client.gate(content, GateContext.model_validate({"policy": "label-only", **context}))


def test_who_posted_first_is_unknown_where_the_first_was_posted_by_nobody_known(platform: Party) -> None:
    asked(platform, encoded("coffee"))
    assert "uploader.poster" not in asked(platform, encoded("coffee"), uploader_ref="alice").facts
    assert asked(platform, encoded("cat"), uploader_ref="alice").facts["uploader.poster"] == "first"
    assert asked(platform, encoded("cat"), uploader_ref="bob").facts["uploader.poster"] == "resharer"


def test_a_review_keeps_what_it_does_not_speak_of(world: World, platform: Party) -> None:
    said = {"language": "it", "content_date": "2024-02-29"}
    decision = asked(platform, encoded("coffee"), **said)
    review = NewDecisionReview(by="dana", reason="seen", confirmed=True, outcome=Outcome.REFUSE)
    reviewed = platform.client.send(gate_calls.review_decision(decision.id, review))
    assert reviewed.language == "it"
    assert reviewed.statement is not None
    assert reviewed.statement.dsa is not None
    assert reviewed.statement.dsa["content_date"] == "2024-02-29"
    assert str(reviewed.number) not in str(reviewed.statement.dsa["puid"]).partition("-")[2].split("-")
    world.audit()


def second_key(world: World, platform: Party) -> Client:
    wanted = NewApiKey(publisher=platform.publisher.id, scopes=OF_THE_GATE)
    return world.client(world.operator.issue_api_key(wanted).secret)


def test_what_an_expired_key_asked_for_is_not_confirmed(world: World, platform: Party) -> None:
    second = second_key(world, platform)
    platform.client.send(gate_calls.change_gate_settings(NewGateSettings(two_people=True)))
    asked_for = platform.client.send(gate_calls.activate("newsroom", "for the desk"))
    world.tamper("UPDATE api_key SET expires_at = :at WHERE id = :id", at=now(), id=platform.api_key.id)
    with pytest.raises(Conflict, match="expired"):
        second.send(gate_calls.confirm(asked_for.number))


def test_that_two_people_are_asked_for_is_not_ended_by_one_and_a_revoked_key(
    world: World, platform: Party
) -> None:
    second, third = second_key(world, platform), second_key(world, platform)
    ends = gate_calls.change_gate_settings(NewGateSettings(two_people=False))
    platform.client.send(gate_calls.change_gate_settings(NewGateSettings(two_people=True)))
    assert platform.client.send(ends).two_people
    world.operator.revoke_api_key(platform.api_key.id)
    assert second.send(ends).two_people, "the first to ask is not good for anything any more"
    assert not third.send(ends).two_people


def test_a_review_keeps_what_the_shadow_said(world: World, platform: Party) -> None:
    send = platform.client.send
    send(gate_calls.activate("newsroom", "first"))
    send(gate_calls.activate("label-only", "tried", ActivationMode.SHADOW))
    decision = platform.client.gate(encoded("coffee"))
    review = NewDecisionReview(by="dana", reason="seen", confirmed=True, outcome=Outcome.REFUSE)
    reviewed = send(gate_calls.review_decision(decision.id, review))
    assert reviewed.shadow == decision.shadow
    assert reviewed.shadow_outcome is decision.shadow_outcome is Outcome.ALLOW
    report = send(gate_calls.shadow(30, 10))
    assert report is not None
    assert (report.decisions, report.changed) == (1, 1)
    world.audit()


@pytest.mark.parametrize(
    "said",
    [
        {"exceptions": [{"kind": "news", "by": "rita"}]},
        {"answers": {"harm": {"answer": "no", "by": "rita"}}},
    ],
    ids=["exception", "answer"],
)
def test_a_reason_is_optional_in_what_is_sent_and_in_what_comes_back(
    world: World, platform: Party, said: dict[str, object]
) -> None:
    context = GateContext.model_validate({"policy": "label-only", **said})
    assert GateContext.model_validate_json(context.model_dump_json()) == context
    decision = platform.client.gate(encoded("coffee"), context)
    assert platform.client.get_decision(decision.id).exceptions == context.exceptions
    video = platform.client.gate(original("rocket"), context)  # which a worker reads again
    assert soon(lambda: platform.client.get_decision(video.id).state is DecisionState.DECIDED)


def test_the_job_of_a_video_goes_with_its_decision(world: World, platform: Party) -> None:
    video = asked(platform, original("rocket"))
    assert soon(lambda: platform.client.get_decision(video.id).state is DecisionState.DECIDED)
    tomorrow = now() + timedelta(days=1)
    with Session(world.engine) as session:
        assert forget(session, REGISTRY, platform.publisher.id, tomorrow) == 1
        assert session.get(Job, video.job) is None
        session.commit()
    world.audit()


def query(letter: str) -> FingerprintQuery:
    """Of a file that nobody registered."""
    value = FingerprintValue(value=f"pdq.v1:{letter * 64}", quality=100)
    return FingerprintQuery(fingerprints=(value,), digest_sha256="0" * 64)


def test_a_shipped_pack_is_the_platforms_own_also_if_the_first_request_fails(
    world: World, platform: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an audit would miss the pack that the decision names."""

    def break_down(*_: object, **__: object) -> Decision:
        raise RuntimeError("nothing answers")

    with monkeypatch.context() as patched:
        patched.setattr(deciding, "decide", break_down)
        failed = platform.client.gate(query("4"), GateContext(policy="label-only"))
    assert (failed.state, failed.outcome) == (DecisionState.FAILED, Outcome.HOLD)
    world.audit()
    decided = platform.client.gate(query("4"), GateContext(policy="newsroom"))
    assert (decided.state, decided.outcome) == (DecisionState.DECIDED, Outcome.ALLOW)
    world.audit()


def test_a_version_that_was_only_added_decides_nothing(platform: Party) -> None:
    text = "pack: chat\nversion: {}\ntitle: A test\nsummary: For a test.\nrules: []\n"
    text += "otherwise: {{then: {}, why: That is all.}}\n"
    send = platform.client.send
    send(gate_calls.add_pack(text.format("1.0.0", "allow")))
    send(gate_calls.activate("chat", "first"))
    send(gate_calls.add_pack(text.format("1.1.0", "refuse")))
    assert platform.client.gate(query("3"), GateContext(policy="chat")).outcome is Outcome.ALLOW
    assert platform.client.gate(query("3"), GateContext(policy="chat@1.1.0")).outcome is Outcome.REFUSE
    with pytest.raises(ProblemError, match="names no version"):
        platform.client.gate(query("3"), GateContext(policy="chat@"))
    send(gate_calls.activate("chat@1.1.0", "then"))
    assert platform.client.gate(query("3"), GateContext(policy="chat")).outcome is Outcome.REFUSE


def test_a_clock_that_was_moved_back_hides_no_activation(world: World, platform: Party) -> None:
    send = platform.client.send
    send(gate_calls.activate("label-only", "first"))
    send(gate_calls.activate("newsroom", "by a clock that is fast"))
    world.tamper(
        "UPDATE policy_activation SET effective_at = effective_at + interval '2 h' WHERE number = 1"
    )
    assert send(gate_calls.roll_back("too strict")).pack == "label-only"
    assert active(platform.client) == "label-only"
    send(gate_calls.activate("meta-label", "anew"))
    assert active(platform.client) == "meta-label"


def test_no_rollback_brings_back_a_shadow_that_was_switched_on(platform: Party) -> None:
    send = platform.client.send
    send(gate_calls.activate("label-only", "first"))
    send(gate_calls.activate("newsroom", "to try it", ActivationMode.SHADOW))
    send(gate_calls.activate("newsroom", "it did"))
    send(gate_calls.roll_back("it did not"))
    assert active(platform.client) == "label-only"
    assert not any(pack.shadow for pack in send(gate_calls.list_packs()))
    send(gate_calls.activate("newsroom", "to try it again", ActivationMode.SHADOW))
    assert [pack.name for pack in send(gate_calls.list_packs()) if pack.shadow] == ["newsroom"]


def test_an_address_that_an_older_version_took_can_be_read(world: World, platform: Party) -> None:
    send = platform.client.send
    send(gate_calls.change_gate_settings(NewGateSettings(dispute_url="https://chat.example/appeal")))
    taken = "https://chat.example/größe"
    world.tamper("UPDATE gate_settings SET dispute_url = :taken", taken=taken)
    assert send(gate_calls.gate_settings()).dispute_url == taken
    assert send(gate_calls.activate("label-only", "all the same")).pack == "label-only"


def test_other_fingerprints_with_the_same_key_are_another_upload(platform: Party) -> None:
    """Also where the caller says that they are of the same file."""
    context = GateContext(policy="label-only")
    first = platform.client.gate(query("5"), context, idempotency_key="only-once")
    assert platform.client.gate(query("5"), context, idempotency_key="only-once").id == first.id
    with pytest.raises(ProblemError, match="another upload"):
        platform.client.gate(query("6"), context, idempotency_key="only-once")


@pytest.mark.parametrize(
    ("content", "context"), [("copy.jpg", None), (Path("copy.jpg"), None), (b"", {"policy": "label-only"})]
)
def test_a_path_is_not_sent_as_if_it_were_the_file(platform: Party, content: Any, context: Any) -> None:
    with pytest.raises(TypeError, match=r"give the bytes|is a GateContext"):
        platform.client.gate(content, context)

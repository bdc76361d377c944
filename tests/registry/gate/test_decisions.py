"""An organisation's decisions are a chain: each is one link, nothing is asked twice, and what its time is
over for is gone."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from registry.errors import IdempotencyConflict
from registry.gate import deciding
from registry.gate.asking import as_text
from registry.gate.chain import FORGOTTEN, link_of
from registry.gate.decisions import forget, forget_what_is_over
from registry.operate.audit import audit
from registry.records.acts import REGISTRY
from registry.storage.models import Decision as DecisionRow
from registry.storage.models import DecisionEntry, Job
from registry.storage.models.columns import now
from registry.storage.models.jobs import GATE
from sdk import gate_calls
from sdk.decisions import (
    FIRST_PREVIOUS,
    BadDecisionChain,
    commitment_to,
    entry_digest,
    verify_decision,
    verify_order,
)
from sdk.errors import ProblemError
from sdk.models import (
    Decision,
    DecisionState,
    Failure,
    GateContext,
    NewApiKey,
    NewDecisionReview,
    NewGateSettings,
    Outcome,
    Role,
)
from tests.registry.gate.desk import Desk, new_picture, question
from tests.videos import original
from tests.world import ROLE_SCOPES, World


def test_each_decision_is_one_link_that_names_the_one_before(desk: Desk) -> None:
    before = len(desk.entries())
    asked = [desk.ask(new_picture(), content_ref=f"c{number}") for number in range(3)]
    assert [decision.number for decision in asked] == [before, before + 1, before + 2]
    entries = desk.entries()
    assert [entry.number for entry in entries] == list(range(before + 3))
    previous = FIRST_PREVIOUS
    for entry in entries:
        assert entry.previous.hex() == previous
        assert entry.digest == entry_digest(link_of(entry))
        assert entry.body is not None
        assert entry.salt is not None
        assert entry.commitment == commitment_to(entry.body, entry.salt)
        decision = Decision.model_validate_json(entry.body)
        verify_decision(decision, desk.platform.client.jwks())
        assert decision.match is None
        previous = entry.digest.hex()
    assert asked[1].previous == entries[before].digest.hex()
    verify_order(asked)
    assert {entry.publisher_id for entry in desk.entries(desk.rival)} == {desk.rival.publisher.id}
    assert desk.entries(desk.rival)[0].number == 0


def test_two_decisions_at_one_place_contradict_each_other(desk: Desk) -> None:
    other = desk.first.model_copy(update={"outcome": Outcome.REFUSE})
    verify_order([desk.first, desk.first.model_copy(update={"match": None})])
    with pytest.raises(BadDecisionChain, match="two decisions have the number"):
        verify_order([desk.first, other])


def test_a_review_is_a_link_of_its_own_and_the_first_answer_stays(desk: Desk) -> None:
    history = desk.platform.client.send(gate_calls.decision_history(desk.reviewed.id))
    assert [one.state for one in history] == [DecisionState.DECIDED, DecisionState.REVIEWED]
    assert [one.outcome for one in history] == [Outcome.HOLD, Outcome.REFUSE]
    assert history[1] == desk.platform.client.get_decision(desk.reviewed.id)
    for one in history:
        verify_decision(one, desk.platform.client.jwks())


def test_the_same_request_gets_the_same_decision(desk: Desk) -> None:
    content, before = new_picture(), len(desk.entries())
    one = desk.ask(content, key="the-same-request", content_ref="x", uploader_ref="u")
    for _ in range(2):
        again = desk.ask(content, key="the-same-request", content_ref="x", uploader_ref="u")
        assert again.model_copy(update={"match": None}) == one.model_copy(update={"match": None})
    assert len(desk.entries()) == before + 1
    for other in ({"content_ref": "y"}, {"uploader_ref": "v"}, {"text": "t"}, {"dry_run": True}):
        said: dict[str, Any] = {"content_ref": "x", "uploader_ref": "u", **other}
        with pytest.raises(ProblemError) as caught:
            desk.ask(content, key="the-same-request", **said)
        assert caught.value.code == "idempotency_conflict"
    with pytest.raises(ProblemError) as caught:
        desk.ask(new_picture(), key="the-same-request", content_ref="x", uploader_ref="u")
    assert caught.value.code == "idempotency_conflict"
    assert len(desk.entries()) == before + 1
    assert (
        desk.ask(content, party=desk.rival, key="the-same-request", content_ref="x", uploader_ref="u").id
        != one.id
    )


def test_eight_that_ask_the_same_at_once_get_one_decision(desk: Desk) -> None:
    content, before = new_picture(), len(desk.entries())
    clients = [desk.world.client(desk.platform.api_key.secret) for _ in range(8)]
    said = GateContext(content_ref="eight")

    def ask(number: int) -> Decision:
        return clients[number].gate(content, said, idempotency_key="eight-times")

    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(ask, range(8)))
    assert len({decision.id for decision in decisions}) == 1
    assert len(desk.entries()) == before + 1
    for decision in decisions:
        verify_decision(decision, desk.platform.client.jwks())


def test_another_upload_with_the_same_key_at_the_same_time_gets_no_decision_of_the_first(
    desk: Desk,
) -> None:
    """Both were prepared before either was decided: what was allowed first must not allow the second."""
    signer = desk.world.services.signer
    with Session(desk.world.engine) as session:
        one, other = (question(desk, session, letter * 64, "both-at-once") for letter in "ab")
        first = deciding.wait_for_video(session, signer, one)
        assert first.state is DecisionState.WAITING
        with pytest.raises(IdempotencyConflict):
            deciding.wait_for_video(session, signer, other)
        session.rollback()


def test_many_at_once_make_one_whole_chain(desk: Desk) -> None:
    clients = [desk.world.client(party.api_key.secret) for party in (desk.platform, desk.rival) * 4]
    pictures = [new_picture() for _ in clients]
    with ThreadPoolExecutor(8) as pool:
        decisions = list(pool.map(lambda pair: pair[0].gate(pair[1]), zip(clients, pictures, strict=True)))
    verify_order([one for one in decisions if one.platform == desk.platform.publisher.id])
    desk.world.audit()


@pytest.fixture
def later(desk: Desk) -> Iterator[Session]:
    """A session in which time is over for some; undone."""
    with Session(desk.world.engine) as session:
        yield session
        session.rollback()


def test_when_its_time_is_over_a_decision_is_gone_and_its_links_stay(desk: Desk, later: Session) -> None:
    platform = desk.platform.publisher.id
    before = len(desk.entries())
    decisions = later.exec(select(DecisionRow).where(DecisionRow.publisher_id == platform)).all()
    assert forget(later, REGISTRY, platform, now() + timedelta(days=1)) == len(decisions)
    entries = later.exec(select(DecisionEntry).where(DecisionEntry.publisher_id == platform)).all()
    told = [entry for entry in entries if entry.decision_id is None]
    assert len(entries) == before + 1
    assert [entry.state for entry in told] == [FORGOTTEN]
    assert all(entry.body is None and entry.salt is None for entry in entries if entry.decision_id)
    assert not later.exec(select(DecisionRow).where(DecisionRow.publisher_id == platform)).all()
    assert later.exec(select(DecisionRow).where(DecisionRow.publisher_id == desk.rival.publisher.id)).all()
    assert audit(desk.world.services, later).findings == ()
    assert forget(later, REGISTRY, platform, now() + timedelta(days=1)) == 0, "there is nothing left"
    assert audit(desk.world.services, later).findings == ()


def test_only_what_is_old_enough_is_forgotten(desk: Desk, later: Session) -> None:
    platform = desk.platform.publisher.id
    assert forget(later, REGISTRY, platform, desk.reviewed.at - timedelta(days=1)) == 0
    second = desk.platform.client.send(gate_calls.decision_history(desk.reviewed.id))[0]
    assert forget(later, REGISTRY, platform, second.at) == 1
    assert later.get(DecisionRow, desk.first.id) is None
    assert later.get(DecisionRow, desk.reviewed.id) is not None
    assert audit(desk.world.services, later).findings == ()
    assert forget(later, REGISTRY, platform, second.at + timedelta(microseconds=1)) == 1, "with its review"
    assert audit(desk.world.services, later).findings == ()


def test_a_decision_stays_as_long_as_its_video_is_worked_on(desk: Desk, later: Session) -> None:
    """Also one that was given up for want of time before there was a job."""
    platform, tomorrow = desk.platform.publisher.id, now() + timedelta(days=1)
    asked = question(desk, later, "c" * 64, "too-late")
    failure = Failure(code=deciding.DEADLINE, detail="")
    decision = deciding.fail(later, desk.world.services.signer, asked, failure)
    job = Job(
        id="of-this-test",
        kind=GATE,
        api_key_id=desk.platform.api_key.id,
        payload_key=None,
        gate_context=as_text(asked.as_job("of-this-test")),
    )
    later.add(job)
    assert forget(later, REGISTRY, platform, tomorrow) > 0
    left = later.exec(select(DecisionRow.id).where(DecisionRow.publisher_id == platform)).all()
    assert left == [decision.id]
    job.finished_at = now()
    assert forget(later, REGISTRY, platform, tomorrow) == 1


def test_a_clock_that_was_wrong_once_deletes_nothing_before_its_time(desk: Desk, later: Session) -> None:
    """The newest of many is from the year 2000, it seems: those before it are not."""
    platform, day_ago = desk.platform.publisher.id, now() - timedelta(days=1)
    desk.ask(new_picture())
    newest = "(SELECT max(first_number) FROM decision WHERE publisher_id = :platform)"
    wrong = (
        f"UPDATE decision SET at = '2000-01-01Z' WHERE publisher_id = :platform AND first_number = {newest}"
    )
    later.connection().execute(text(wrong), {"platform": platform})
    assert forget(later, REGISTRY, platform, day_ago) == 0
    ahead = "UPDATE decision SET at = '2999-01-01Z' WHERE id = :first"
    later.connection().execute(text(ahead), {"first": desk.first.id})
    old = "UPDATE decision SET at = at - interval '3 years' WHERE id = :reviewed"
    later.connection().execute(text(old), {"reviewed": desk.reviewed.id})
    assert forget(later, REGISTRY, platform, day_ago) == 2, "one from the future holds up nothing"


def test_every_organisation_has_the_time_that_it_set(desk: Desk, later: Session) -> None:
    wanted = NewGateSettings(retention_days=1)
    desk.rival.client.send(gate_calls.change_gate_settings(wanted))
    later.connection().execute(text("UPDATE decision SET at = at - interval '2 days'"))
    forget_what_is_over(later, REGISTRY, desk.rival.publisher.id)
    left = set(later.exec(select(DecisionRow.publisher_id)).all())
    assert left == {desk.platform.publisher.id}


def test_dry_runs_count_for_nothing(desk: Desk) -> None:
    def ask(**said: Any) -> Decision:
        return desk.ask(new_picture(), uploader_ref="bob", **said)

    dry = ask(signals=("bad",), dry_run=True)
    assert (dry.dry_run, dry.outcome) == (True, Outcome.REFUSE)
    review = NewDecisionReview(by="Kim", reason="Indeed.", confirmed=True, outcome=Outcome.REFUSE)
    desk.platform.client.send(gate_calls.review_decision(dry.id, review))
    counted = {"uploader.refused", "uploader.confirmed_violations"}
    assert not counted & set(ask(signals=("bad",)).facts)
    assert ask().facts["uploader.refused"] == 1
    assert dry.id not in {one.id for one in listed(desk, dry_runs=False)}
    assert [one.id for one in listed(desk, dry_runs=True, uploader_ref="bob")] == [dry.id]
    content = new_picture()
    desk.ask(content, uploader_ref="carol", dry_run=True)
    assert desk.ask(content, uploader_ref="dave").facts["uploader.poster"] == "first"
    assert desk.ask(content, uploader_ref="carol").facts["uploader.poster"] == "resharer"


def listed(desk: Desk, **wanted: Any) -> tuple[Decision, ...]:
    return desk.platform.client.list_decisions(**wanted).decisions


def test_no_table_and_no_file_holds_who_uploaded_or_what_was_written(desk: Desk) -> None:
    said = {
        "uploader_ref": "planted-uploader-5d1",
        "text": "planted-text-8a2 forbidden",
        "content_ref": "c",
    }
    digests = set()
    for party in (desk.platform, desk.rival):
        decision = desk.ask(new_picture(), party=party, **said)
        assert decision.rule is not None
        assert decision.rule.rule == "text"
        digests.add(decision.uploader)
        video = party.client.gate(original("rocket"), GateContext.model_validate(said), wait=True)
        assert video.state is DecisionState.DECIDED
        assert video.uploader == decision.uploader
        late: dict[str, Any] = {**said, "deadline_ms": 1}
        desk.ask(new_picture(), party=party, **late)
    assert len(digests) == 2, "two platforms' digests of one person have nothing in common"
    assert hashlib.sha256(said["uploader_ref"].encode()).hexdigest() not in digests
    for planted in (said["uploader_ref"], "planted-text-8a2"):
        assert tables_with(desk.world, planted) == []
        assert files_with(Path(desk.world.settings.home), planted.encode()) == []
    assert tables_with(desk.world, desk.first.id), "the search finds what is there"


def tables_with(world: World, planted: str) -> list[str]:
    """Every table of the database that has it in any column, as text or as octets."""
    with world.engine.connect() as connection:
        tables = connection.execute(
            text("SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = "
                 "'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')")
        ).all()  # fmt: skip
        found = []
        for schema, name in tables:
            where = "WHERE one::text LIKE :text OR one::text LIKE :hex"
            query = f'SELECT count(*) FROM "{schema}"."{name}" AS one {where}'
            values = {"text": f"%{planted}%", "hex": f"%{planted.encode().hex()}%"}
            if connection.execute(text(query), values).scalar_one():
                found.append(name)
        return found


def files_with(folder: Path, planted: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and planted in path.read_bytes()]


def test_another_key_of_the_organisation_may_use_the_same_idempotency_key(desk: Desk) -> None:
    issued = desk.world.operator.issue_api_key(
        NewApiKey(publisher=desk.platform.publisher.id, scopes=ROLE_SCOPES[Role.PLATFORM])
    )
    content = new_picture()
    one = desk.ask(content, key="two-keys")
    other = desk.world.client(issued.secret).gate(content, GateContext(), idempotency_key="two-keys")
    assert one.id != other.id
    assert other.api_key == issued.id

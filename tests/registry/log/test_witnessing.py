import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from pydantic import JsonValue
from sqlalchemy import text
from typer.testing import CliRunner

from registry.app import create_app, running_services
from registry.cli.home import listening
from registry.errors import BadWitnesses, LogRolledBack, NotCosigned
from registry.jobs.lifecycle import MOST_ATTEMPTS, run
from registry.log.published import prove
from registry.log.transparency_log import WRITER_LOCK, head_of
from registry.log.witnessed_checkpoints import committed_head, keep, newest_witnessed, resume_signing
from registry.records.acts import newest_act
from registry.storage.db import sole_holder, transaction
from sdk import models
from sdk.add_checkpoint import SIZE_MEDIA_TYPE
from sdk.checkpoint import verify_checkpoint
from sdk.cli import app
from sdk.client import Client
from sdk.cosignature import require_witnesses, verify_cosignatures
from sdk.errors import ServerError
from sdk.models import Act, ActType
from sdk.verify import verify_receipt
from sdk.witness.cosigning import Answer
from tests.pictures import encoded
from tests.videos import original
from tests.waiting import soon
from tests.witnesses import GONE, WitnessedWorld
from tests.world import DatabaseServer, Party, SeededEmbedder, World

PICTURES = ("coffee", "cat", "astronaut", "rocket")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives up at once instead of asking again."""
    monkeypatch.setattr("sdk.patience.PATIENCE_S", 0.0)


@pytest.fixture
def world(database_server: DatabaseServer, home: Path, impatient: None) -> Iterator[WitnessedWorld]:
    with WitnessedWorld(database_server, home) as made:
        yield made


def size_of(world: World) -> int:
    with transaction(world.engine) as session:
        return head_of(session).size


def refused(world: World, desk: Party, content: bytes) -> ServerError:
    with pytest.raises(ServerError) as raised:
        world.register(desk, content)
    return raised.value


def test_what_is_served_and_given_as_receipt_is_cosigned(world: WitnessedWorld) -> None:
    assert verify_checkpoint(world.checkpoint(), world.log_key).size == 0
    desk = world.enrol("Daily Example")
    registration = world.register(desk, encoded("coffee"))
    vkeys = [key.text() for key in world.witness_keys]
    verified = verify_receipt(
        registration.receipt, log_key=world.log_key.text(), witnesses=vkeys, quorum=2, max_age_s=600
    )
    assert verified.steps[-1].startswith("6. cosigned by ")
    state, note = world.operator.log_state(), world.checkpoint()
    assert state.checkpoint == note
    assert state.size == verify_checkpoint(note, world.log_key).size == size_of(world) == 2
    require_witnesses(note, world.witness_keys, 2)
    proof = httpx2.get(f"{world.url}/v1/log/proof/{registration.record.log_index}").text
    assert proof.endswith(note)
    assert world.operator.status().freshness.checkpoint_size == 2
    world.audit()


def test_a_minority_that_is_gone_is_named_and_holds_up_nothing(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.answer_instead(GONE, 2)
    receipt = world.register(desk, encoded("coffee")).receipt
    note = receipt.proof.split("\n\n", 1)[1]
    keys = [cosignature.key for cosignature in verify_cosignatures(note, world.witness_keys)]
    assert set(keys) == set(world.witness_keys[:2])
    assert soon(lambda: world.operator.status().witnesses[2].fault is not None)
    first, _, third = world.operator.status().witnesses
    assert third.fault == "it does not cosign now (status 503)"
    assert (first.size, first.fault) == (size_of(world), None)
    assert world.operator.status().faults == ()
    assert httpx2.get(f"{world.url}/readyz").json() == {"status": "ready"}


def test_without_a_quorum_it_is_stored_refused_for_now_and_answered_when_sent_again(
    world: WitnessedWorld,
) -> None:
    desk = world.enrol("Daily Example")
    before = world.checkpoint()
    world.answer_instead(GONE, 1, 2)
    content = encoded("coffee")
    error = refused(world, desk, content)
    assert (error.status, error.code, error.retry_after_s) == (503, "not_cosigned", 5)
    assert "stored" in error.detail
    assert world.checkpoint() == before
    index = size_of(world) - 1
    for path in (f"v1/log/proof/{index}", f"log/tile/entries/000.p/{index + 1}"):
        assert httpx2.get(f"{world.url}/{path}").status_code in (404, 503)
    (match,) = world.operator.match(content).matches
    assert match.receipt is None
    assert httpx2.get(f"{world.url}/v1/records/{match.record.id}/receipt").json()["code"] == "not_cosigned"
    assert "cosigned" in httpx2.get(f"{world.url}/records/{match.record.id}").text
    assert "nothing is registered" in httpx2.get(f"{world.url}/readyz").json()["status"]
    metrics = httpx2.get(
        f"{world.url}/metrics", headers={"Authorization": f"Bearer {world.operator_secret}"}
    ).text
    for line in ("trueprint_log_not_cosigned 1", "trueprint_log_stopped 0", "trueprint_faults 1"):
        assert f"\n{line}" in metrics
    (fault,) = world.operator.status().faults
    assert fault.startswith("1 witnesses cosigned the newest checkpoint, 2 of 3 witnesses wanted; w1: ")
    world.answer_instead(None, 1, 2)
    again = world.register(desk, content)
    assert again.already_registered
    assert verify_receipt(again.receipt).log_index == index
    assert world.operator.status().faults == ()
    world.audit()


def test_a_video_that_was_stored_waits_for_witnesses_as_a_job(
    database_server: DatabaseServer, home: Path, impatient: None
) -> None:
    with WitnessedWorld(database_server, home, video_workers=0) as world:
        desk = world.enrol("Daily Example")
        video = original("coffee", "cat")
        job = desk.client.start_registration(video, desk.sign(desk.statement(video, "clip")))
        assert isinstance(job, models.Job)
        world.answer_instead(GONE, 0, 1, 2)
        for _ in range(MOST_ATTEMPTS + 1):  # it is not given up: the file is not at fault
            with pytest.raises(NotCosigned):
                run(world.services, job.id)
        assert desk.client.get_job(job.id).status is models.JobStatus.QUEUED
        assert size_of(world) == 2
        world.answer_instead(None, 0, 1, 2)
        run(world.services, job.id)
        registration = desk.client.job_result(job.id)
        assert isinstance(registration, models.Registration)
        verify_receipt(registration.receipt, witnesses=[key.text() for key in world.witness_keys], quorum=2)
        world.audit()


def test_withdrawals_erasures_and_keys_wait_for_no_quorum(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    record = world.register(desk, encoded("coffee")).record
    world.answer_instead(GONE, 0, 1, 2)
    desk.client.withdraw(record.id)
    desk.client.erase(record.id)
    world.enrol("Another Desk")
    world.answer_instead(None, 0, 1, 2)
    world.services.witnessing.look()  # what is missing is made up for
    assert verify_checkpoint(world.checkpoint(), world.log_key).size == size_of(world)
    world.audit()


def test_a_witness_that_hangs_holds_neither_the_log_nor_those_who_read(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.services.witnessing._rounds._timeout_s = 120.0
    for fronted in world.witnesses:
        fronted.hangs = True
    registered: list[models.Registration] = []
    thread = threading.Thread(target=lambda: registered.append(world.register(desk, encoded("coffee"))))
    asked = world.witnesses[0].asked
    thread.start()
    assert soon(lambda: world.witnesses[0].asked > asked)
    open_now = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE :state"
    )

    def nothing_is_held() -> bool:
        with transaction(world.engine) as session:
            lock = session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
            waiting = session.execute(text(open_now), {"state": "idle in transaction%"})
            return lock.scalar() is True and waiting.scalar() == 0

    assert soon(nothing_is_held)
    assert thread.is_alive()
    assert world.operator.match(encoded("coffee")).matches
    for fronted in world.witnesses:
        fronted.hangs = False
    thread.join()
    assert len(registered) == 1


def test_witnesses_that_never_answer_are_waited_for_so_long_and_no_longer(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.services.witnessing._rounds._timeout_s = 0.3
    for fronted in world.witnesses:
        fronted.hangs = True
    assert refused(world, desk, encoded("coffee")).code == "not_cosigned"
    (fault,) = world.operator.status().faults
    assert "w0: it does not answer within 0.3 s" in fault


def test_who_waits_for_witnesses_when_a_process_stops_is_told_to_come_again(
    world: WitnessedWorld,
) -> None:
    desk = world.enrol("Daily Example")
    world.services.witnessing._rounds._timeout_s = 120.0
    for fronted in world.witnesses:
        fronted.hangs = True
    asked = world.witnesses[0].asked
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(refused, world, desk, encoded("coffee"))
        assert soon(lambda: world.witnesses[0].asked > asked)
        world.services.witnessing.stop()
        assert waiting.result().code == "not_cosigned"
    for fronted in world.witnesses:
        fronted.hangs = False
    world.restart()
    assert world.register(world.again(desk), encoded("coffee")).already_registered


def test_many_at_a_time_share_rounds_and_each_gets_its_receipt(world: WitnessedWorld) -> None:
    asked = world.witnesses[0].asked

    def cosigned(number: int) -> int:
        with transaction(world.engine) as session:
            index, _ = world.services.log.append(session, "test", str(number).encode())
        world.services.witnessing.require(index + 1)
        with transaction(world.engine) as session:
            prove(session, world.services.log, index)
        return index

    world.witnesses[0].hangs = world.witnesses[1].hangs = True
    with ThreadPoolExecutor(12) as pool:
        indices = [pool.submit(cosigned, number) for number in range(12)]
        assert soon(lambda: size_of(world) == 12)
        world.witnesses[0].hangs = world.witnesses[1].hangs = False
        assert len({index.result() for index in indices}) == 12
    assert world.witnesses[0].asked - asked < 12


def test_two_processes_of_one_registry_do_not_take_one_another_for_a_fork(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    with (
        running_services(world.settings, world.engine, SeededEmbedder()) as other,
        listening(create_app(other)) as url,
        Client(url, desk.api_key.secret) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        there = Party(desk.publisher, desk.key, client, desk.api_key)
        pictures = [encoded(name, quality=quality) for name in PICTURES for quality in (90, 60)]
        parties = [desk, there] * len(PICTURES)
        pairs = zip(parties, pictures, strict=True)
        receipts = [done.receipt for done in pool.map(lambda pair: world.register(*pair), pairs)]
        for receipt in receipts:
            verify_receipt(receipt, witnesses=[key.text() for key in world.witness_keys], quorum=2)
        assert other.witnessing.fault is None
    assert world.services.witnessing.fault is None
    world.audit()


def test_of_two_copies_of_one_registry_the_second_signs_no_second_tree(
    world: WitnessedWorld, scratch: Path
) -> None:
    desk = world.enrol("Daily Example")
    content = encoded("coffee")
    world.register(desk, content)
    world.stop()
    with world.copied(Path(f"{world.settings.home}-copy")) as copy:
        world.start()
        desk, there = world.again(desk), copy.again(desk)
        world.register(desk, encoded("cat"))
        before = httpx2.get(f"{copy.url}/log/checkpoint").text
        error = refused(copy, there, encoded("rocket"))
        assert (error.status, error.code, error.retry_after_s) == (503, "signing_stopped", None)
        assert httpx2.get(f"{copy.url}/log/checkpoint").text == before
        size = size_of(copy)
        copy.restart()
        there = copy.again(there)
        assert refused(copy, there, encoded("astronaut")).code == "signing_stopped"
        assert size_of(copy) == size
        assert copy.operator.match(content).matches  # reading goes on
        (fault,) = copy.operator.status().faults
        assert fault.startswith("the log is stopped.")
        assert "resume-signing" in fault
        assert "see the status" in httpx2.get(f"{copy.url}/readyz").json()["status"]
        with transaction(copy.engine) as session:
            assert resume_signing(session) == fault
            with sole_holder(copy.engine, WRITER_LOCK) as alone:
                assert not alone, "in the order of whoever appends: the lock, then the head"
        copy.services.witnessing.look()  # they are asked again before anything is signed
        assert refused(copy, there, encoded("astronaut")).code == "signing_stopped"
        assert size_of(copy) == size
    world.register(desk, encoded("astronaut"))
    world.audit()


def test_an_old_copy_that_is_restored_signs_nothing(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.stop()
    copied = world.copied(Path(f"{world.settings.home}-old"))
    world.start()
    world.register(world.again(desk), encoded("coffee"))
    world.stop()
    with copied as old:
        size = size_of(old)
        assert refused(old, old.again(desk), encoded("cat")).code == "signing_stopped"
        assert size_of(old) == size
        (fault,) = old.operator.status().faults
        assert f"it cosigned this log with {size + 1} entries, and {size} are here" in fault
    world.start()


def test_where_no_witness_answers_at_the_start_it_reads_and_signs_nothing(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.answer_instead(GONE, 0, 1, 2)
    world.restart()
    desk = world.again(desk)
    size = size_of(world)
    error = refused(world, desk, encoded("coffee"))
    assert (error.code, size_of(world)) == ("not_cosigned", size)
    assert "nothing was stored" in error.detail
    assert world.operator.match(encoded("coffee")).matches == ()
    world.answer_instead(None, 0, 1, 2)
    world.services.witnessing.look()
    assert not world.register(desk, encoded("coffee")).already_registered


@pytest.mark.parametrize(
    "answer",
    [Answer(422, "no"), Answer(409, "1\n", SIZE_MEDIA_TYPE), Answer(409, "99\n", SIZE_MEDIA_TYPE)],
    ids=["inconsistent", "own_old_size", "larger"],
)
def test_one_witness_that_contradicts_stops_the_log(world: WitnessedWorld, answer: Answer) -> None:
    desk = world.enrol("Daily Example")
    assert soon(lambda: world.operator.status().witnesses[2].size == 1)
    world.answer_instead(GONE, 0)
    world.answer_instead(answer, 2)
    assert refused(world, desk, encoded("coffee")).code in ("signing_stopped", "not_cosigned")
    assert soon(lambda: world.operator.status().faults != ())
    (fault,) = world.operator.status().faults
    assert "witness w2" in fault
    assert refused(world, desk, encoded("cat")).code == "signing_stopped"


def test_the_newest_checkpoint_is_cosigned_anew_when_its_lines_are_old(
    world: WitnessedWorld,
) -> None:
    asked = world.witnesses[0].asked
    world.services.witnessing.look()
    assert world.witnesses[0].asked == asked
    world.tamper("UPDATE witnessed_checkpoint SET cosigned_at = now() - interval '1 hour'")
    world.services.witnessing.look()
    assert [fronted.asked for fronted in world.witnesses] == [asked + 1] * 3
    assert len(verify_cosignatures(world.checkpoint(), world.witness_keys)) == 3


def test_an_older_checkpoint_replaces_no_newer_and_lines_of_one_size_join(
    world: WitnessedWorld,
) -> None:
    log, rounds = world.services.log, world.services.witnessing._rounds
    with transaction(world.engine) as session:
        log.append(session, "test", b"one")
    with transaction(world.engine) as session:
        old = committed_head(session)
    old_lines = rounds.ask_all(old, everyone=True)
    with transaction(world.engine) as session:
        log.append(session, "test", b"two")
    with transaction(world.engine) as session:
        new = committed_head(session)
    lines = rounds.ask_all(new, everyone=True)
    for kept in (lines[:1], lines[1:], old_lines):
        head = old if kept is old_lines else new
        with transaction(world.engine) as session:
            keep(session, head, kept, world.witness_keys)  # type: ignore[arg-type]
    with transaction(world.engine) as session:
        row = newest_witnessed(session)
    assert row is not None
    assert row.size == new.size
    assert len(verify_cosignatures(row.checkpoint, world.witness_keys)) == 3


def policy_told(start: Act) -> JsonValue:
    settings = start.details["settings"]
    assert isinstance(settings, dict)
    return settings["witnesses"]


def test_a_log_from_before_its_witnesses_is_cosigned_whole(
    database_server: DatabaseServer, home: Path
) -> None:
    made = WitnessedWorld(database_server, home)
    made.settings = made.settings.model_copy(update={"witnesses": None})
    with made:
        desk = made.enrol("Daily Example")
        registered = made.register(desk, encoded("coffee"))
        assert made.checkpoint().count("\u2014") == 1
        made.settings = made.settings.model_copy(update={"witnesses": made._policy})
        made.restart()
        require_witnesses(made.checkpoint(), made.witness_keys, 2)
        receipt = made.operator.receipt(registered.record.id)
        verify_receipt(receipt, witnesses=[key.text() for key in made.witness_keys], quorum=2)
        made.write_policy("all")  # another policy: what two cosigned is not enough any more
        made.answer_instead(GONE, 1)
        one_line_less = "left(checkpoint, length(checkpoint) - strpos(reverse(checkpoint), chr(8212)))"
        made.tamper(f"UPDATE witnessed_checkpoint SET checkpoint = {one_line_less}")
        made.restart()
        assert httpx2.get(f"{made.url}/log/checkpoint").json()["code"] == "not_cosigned"
        *changed, first = made.operator.list_acts(act_type=ActType.START)
        assert [act.details["changed"] for act in changed] == [["witnesses"], ["witnesses"]]
        newer, older, none = (policy_told(act) for act in (*changed, first))
        assert newer == hashlib.sha256(made._policy.read_bytes()).hexdigest() != older
        assert none == "none"


def test_a_row_that_is_not_of_this_log_refuses_the_start(world: WitnessedWorld) -> None:
    world.stop()
    world.tamper("UPDATE witnessed_checkpoint SET size = 7")
    with pytest.raises(LogRolledBack, match="not the one of its row"):
        world.start()
    world.tamper("UPDATE witnessed_checkpoint SET size = 0")
    world.start()


def test_without_a_policy_a_witnessed_log_starts_only_once_its_witnesses_are_given_up(
    world: WitnessedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEPRINT_DATABASE_URL", world.settings.database_url or "")
    monkeypatch.setenv("TRUEPRINT_HOME", str(world.settings.home))
    size = size_of(world)
    rotated = CliRunner().invoke(app, ["registry-keys", "rotate-log"])  # in a shell that names no policy
    assert (rotated.exit_code, "bad_witnesses" in rotated.stderr) == (4, True)
    assert size_of(world) == size
    world.stop()
    world.settings = world.settings.model_copy(update={"witnesses": None})
    with pytest.raises(BadWitnesses, match="give-up-witnesses"):
        world.start()
    assert CliRunner().invoke(app, ["give-up-witnesses"], input="n\n").exit_code == 2
    assert CliRunner().invoke(app, ["give-up-witnesses", "--yes"]).exit_code == 0
    world.start()
    with transaction(world.engine) as session:
        assert newest_act(session, models.ActType.GIVE_UP_WITNESSES) is not None
    world.audit()


def test_a_quorum_that_another_process_had_met_is_no_fault_here(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.answer_instead(GONE, 0, 1, 2)
    refused(world, desk, encoded("coffee"))
    assert world.operator.status().faults != ()
    world.answer_instead(None, 0, 1, 2)
    with running_services(world.settings, world.engine, SeededEmbedder()):
        pass  # has the newest checkpoint cosigned as it starts
    world.services.witnessing.look()
    assert world.operator.status().faults == ()


def test_a_policy_that_cannot_be_read_refuses_the_start(world: WitnessedWorld) -> None:
    world.stop()
    world._policy.write_text("quorum w")
    with pytest.raises(BadWitnesses, match="line 1: 'w' is named before"):
        world.start()
    world.write_policy()
    world.start()


def test_a_key_is_rotated_only_where_witnesses_know_the_log_and_both_keys_sign_what_they_cosign(
    world: WitnessedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = world.settings
    for name in ("database_url", "home", "witnesses", "witness_timeout_s"):
        monkeypatch.setenv(f"TRUEPRINT_{name.upper()}", str(getattr(settings, name)))
    rotate = ["registry-keys", "rotate-log"]
    world.answer_instead(GONE, 0, 1)
    refusal = CliRunner().invoke(app, rotate)
    assert (refusal.exit_code, "not_cosigned" in refusal.stderr) == (4, True)
    world.answer_instead(None, 0, 1)
    assert CliRunner().invoke(app, rotate).exit_code == 0
    note = world.checkpoint()
    assert note.count(f"\u2014 {world.log_key.name} ") == 2
    require_witnesses(note, world.witness_keys, 2)
    receipt = world.register(world.enrol("Daily Example"), encoded("coffee")).receipt
    verify_receipt(receipt, witnesses=[key.text() for key in world.witness_keys], quorum=2)


def test_the_command_says_why_a_log_stopped_and_lets_it_go_on(
    world: WitnessedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEPRINT_DATABASE_URL", world.settings.database_url or "")
    monkeypatch.setenv("TRUEPRINT_HOME", str(world.settings.home))

    def resume(*options: str, answer: str = "") -> str:
        result = CliRunner().invoke(app, ["resume-signing", *options], input=answer)
        return f"{result.exit_code} {result.output}"

    assert resume() == "0 The log is not stopped.\n"
    world.answer_instead(Answer(422, "no"), 0)
    desk = world.enrol("Daily Example")
    assert soon(lambda: world.services.witnessing.fault is not None)
    assert "witness w0" in resume(answer="n\n")
    assert refused(world, desk, encoded("coffee")).code == "signing_stopped"
    world.answer_instead(None, 0)
    assert resume("--yes").startswith("0 ")
    world.services.witnessing.look()
    world.register(desk, encoded("coffee"))

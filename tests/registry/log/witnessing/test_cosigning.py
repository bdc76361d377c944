"""What is answered under a checkpoint that witnesses cosigned, and what where they do not."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from registry.errors import NotCosigned
from registry.jobs.lifecycle import MOST_ATTEMPTS, run
from registry.log.published import prove
from registry.log.transparency_log import WRITER_LOCK
from registry.log.witnessed_checkpoints import committed_head, keep, newest_witnessed
from registry.storage.db import transaction
from sdk import models
from sdk.checkpoint import verify_checkpoint
from sdk.cosignature import require_witnesses, verify_cosignatures
from sdk.verify import verify_receipt
from tests.pictures import encoded
from tests.registry.log.witnessing.asking import refused, size_of
from tests.videos import original
from tests.waiting import soon
from tests.witnesses import GONE, WitnessedWorld
from tests.world import DatabaseServer


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

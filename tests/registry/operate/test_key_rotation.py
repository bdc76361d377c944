"""The registry's own keys are rotated while it runs; what was signed before goes on verifying."""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session
from typer.testing import CliRunner

from registry.errors import LogRolledBack, MissingKey, RotationRefused
from registry.log.answer_signer import AnswerSigner
from registry.log.transparency_log import Log
from registry.operate.audit import audit
from registry.operate.backup import make_backup
from registry.operate.bootstrap import answer_ring, log_ring, open_log
from registry.operate.key_rotation import retire_log_key, rotate_answer_key, rotate_log_key
from registry.operate.rehearsal import rehearse
from registry.storage.db import transaction
from sdk.answer_keys import BadSuccession, trusted_keys
from sdk.answers import BadAnswer, verify_answer
from sdk.checkpoint import BadCheckpoint, parse_verifier_key, verify_checkpoint
from sdk.cli import app
from sdk.encodings import decode_base64
from sdk.errors import ServerError
from sdk.log_keys import KeyChange
from sdk.models import MatchAnswer
from sdk.records import commitment, log_entry
from sdk.verify import verify_receipt
from tests.pictures import encoded
from tests.world import World


def changed_by_another(world: World, step: Callable[[Session, Log], KeyChange]) -> None:
    """As the commands do it: by another process than the one that serves."""
    log = open_log(world.settings)
    with transaction(world.engine) as session:
        log.keys.adopt(session)
        step(session, log)
    with transaction(world.engine) as session:
        log.publish(session)


def rotate_log(world: World) -> None:
    changed_by_another(world, rotate_log_key)


def retire_log(world: World) -> None:
    changed_by_another(world, retire_log_key)


def rotate_answers(world: World, published_for: timedelta) -> None:
    log, answers = open_log(world.settings), AnswerSigner(answer_ring(world.settings))
    with transaction(world.engine) as session:
        log.keys.adopt(session)
        answers.adopt(session)
        rotate_answer_key(session, log, answers, published_for)


def test_the_log_key_is_rotated_while_the_registry_runs(world: World) -> None:
    desk = world.enrol("Daily Example")
    before = world.register(desk, encoded("coffee"), "coffee").receipt
    old = world.operator.log_state().log_key
    rotate_log(world)
    during = world.register(desk, encoded("cat"), "cat").receipt
    new = world.operator.log_state().log_key
    assert new not in (old, before.log_key)
    for pinned in (old, new):  # the overlap: both sign
        verify_receipt(during, log_key=pinned)
    world.audit()

    retire_log(world)
    world.audit()  # by a process that has seen nothing of it yet
    after = world.register(desk, encoded("rocket"), "rocket").receipt
    verify_receipt(after, log_key=new)
    with pytest.raises(BadCheckpoint, match="not signed by the expected key"):
        verify_receipt(after, log_key=old)
    notes = [committed.note for committed in world.operator.log_keys().notes]
    for receipt in (before, during, after):
        for pinned in (old, new):
            verify_receipt(receipt, log_key=pinned, log_key_notes=notes)
    verify_receipt(before, log_key=old)
    world.restart()
    world.audit()
    world.register(world.again(desk), encoded("astronaut"), "after a restart")
    world.audit()


def test_the_log_commits_to_what_it_says_of_its_keys(world: World) -> None:
    rotate_log(world)
    retire_log(world)
    said = world.operator.log_keys()
    assert [(key.first_size, key.last_size) for key in said.keys] == [(0, 1), (1, None)]
    state = world.operator.log_state()
    for committed in said.notes:
        assert committed.salt is not None
        with transaction(world.engine) as session:
            row = session.execute(text(f"SELECT entry FROM log_entry WHERE index = {committed.log_index}"))
            entry = bytes(row.scalar_one())
        salt = decode_base64(committed.salt)
        assert entry == log_entry("log_key", commitment(salt, committed.note.encode()))
    assert verify_checkpoint(state.checkpoint, parse_verifier_key(said.keys[-1].log_key)).size == 2


def test_a_second_rotation_waits_for_the_first_and_a_retirement_needs_one(world: World) -> None:
    with pytest.raises(RotationRefused, match="rotate it first"):
        retire_log(world)
    rotate_log(world)
    with pytest.raises(RotationRefused, match="under way"):
        rotate_log(world)
    retire_log(world)
    rotate_log(world)
    assert len(world.operator.log_keys().keys) == 3
    world.audit()


def test_a_key_that_is_left_by_a_rotation_that_died_is_the_next_one(world: World) -> None:
    left = log_ring(world.settings).make("2")
    rotate_log(world)
    assert parse_verifier_key(world.operator.log_state().log_key).public_key == left.public_key
    log_ring(world.settings).make("8")
    log_ring(world.settings).make("9")
    retire_log(world)
    with pytest.raises(RotationRefused, match="2 keys of log were never used"):
        rotate_log(world)


def test_a_process_without_the_new_key_signs_nothing_and_does_not_start(world: World) -> None:
    desk = world.enrol("Daily Example")
    hidden = world.settings.home / "hidden.pem"
    rotate_log(world)
    [new] = world.settings.key_folder.glob("log-*.pem")
    shutil.move(new, hidden)
    size = world.operator.log_state().size
    with pytest.raises(ServerError, match="not among those"):
        world.register(desk, encoded("coffee"), "coffee")
    assert world.operator.log_state().size == size
    world.stop()
    with pytest.raises(MissingKey):
        world.start()
    shutil.move(hidden, new)
    world.start()
    world.audit()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE log_key_change SET note = replace(note, '/v1', '/v2') WHERE number = 1", "damaged"),
        ("DELETE FROM log_key_change WHERE number = 2", "keys"),
        ("UPDATE log_head SET checkpoint = :single", "all keys"),
    ],
)
def test_a_history_of_keys_that_was_tampered_with_stops_a_start(
    world: World, statement: str, says: str
) -> None:
    rotate_log(world)
    with transaction(world.engine) as session:
        note = str(session.connection().execute(text("SELECT checkpoint FROM log_head")).scalar_one())
    lines = note.splitlines(keepends=True)
    world.stop()
    if "number = 2" in statement:
        retire_log(world)
    world.tamper(statement, **({"single": "".join(lines[:-1])} if ":single" in statement else {}))
    with pytest.raises(LogRolledBack, match=says):
        world.start()


def test_an_audit_names_notes_about_keys_that_the_log_does_not_commit_to(world: World) -> None:
    rotate_log(world)
    rotate_answers(world, timedelta(hours=1))
    cases = {
        "UPDATE log_key_change SET salt = sha256(salt) WHERE number = 1": "is not what log entry 0",
        "UPDATE log_key_change SET log_index = NULL WHERE number = 1": "no log entry commits",
        "DELETE FROM answer_key WHERE statement IS NOT NULL": "log entry 1 has no note",
        "UPDATE answer_key SET signs_from = '2020-01-01' WHERE statement IS NOT NULL": "something else",
        "UPDATE answer_key SET statement = 'x' WHERE statement IS NOT NULL": "cannot be read",
        "UPDATE answer_key SET salt = sha256(salt) WHERE statement IS NOT NULL": "is not what log entry 1",
    }
    for statement, says in cases.items():
        with Session(world.engine) as session:
            assert session.connection().execute(text(statement)).rowcount == 1
            found = audit(world.services, session).findings
            session.rollback()
        assert [finding for finding in found if finding.what == "keys" and says in finding.detail], (
            statement
        )
    world.audit()


def asked(world: World) -> MatchAnswer:
    return world.operator.match(encoded("coffee"))


def kid_of(answer: MatchAnswer, keys: dict[str, list[dict[str, str]]]) -> str:
    """Verifies, and says by which of the keys."""
    [kid] = [key["kid"] for key in keys["keys"] if verifies(answer, {"keys": [key]})]
    return kid


def verifies(answer: MatchAnswer, keys: dict[str, list[dict[str, str]]]) -> bool:
    try:
        verify_answer(answer, keys)
    except BadAnswer:
        return False
    return True


def test_the_next_answer_key_is_published_before_it_signs(world: World) -> None:
    before, cached = asked(world), world.operator.jwks()
    rotate_answers(world, timedelta(hours=24))
    world.services.signer._looked_at = 0  # ten seconds later
    meanwhile, now = asked(world), world.operator.jwks()
    assert len(now["keys"]) == 2
    assert verifies(meanwhile, cached), "whoever keeps key sets for a while has the key that signs"
    assert now["keys"][0]["signsUntil"] == now["keys"][1]["signsFrom"]

    # A day later.
    world.tamper("UPDATE answer_key SET signs_from = now() WHERE signs_from IS NOT NULL")
    world.services.signer._looked_at = 0
    later = asked(world)
    assert not verifies(later, cached)
    assert verifies(later, now), "a key set of meanwhile has the key that signs later"
    assert verifies(before, world.operator.jwks()), "old answers verify for ever"
    assert kid_of(later, now) == now["keys"][1]["kid"] != kid_of(before, now)


def test_the_old_answer_key_vouches_for_the_next(world: World) -> None:
    [pinned] = world.operator.jwks()["keys"]
    rotate_answers(world, timedelta(0))
    world.services.signer._looked_at = 0
    answer = asked(world)
    statements = [key.succession.note for key in world.operator.answer_keys().keys if key.succession]
    assert verifies(answer, trusted_keys(pinned, statements))
    assert not verifies(answer, trusted_keys(pinned, []))
    forged = statements[0][:-8] + "AAAAAAAA"
    with pytest.raises(BadSuccession, match="does not verify"):
        trusted_keys(pinned, [forged])
    with pytest.raises(BadSuccession, match="does not verify"):
        trusted_keys(pinned, [statements[0], forged])
    world.audit()
    world.restart()
    assert verifies(asked(world), world.operator.jwks())


def test_a_process_without_the_next_answer_key_says_so(world: World) -> None:
    assert world.operator.status().faults == ()
    rotate_answers(world, timedelta(hours=1))
    [new] = world.settings.key_folder.glob("answers-*.pem")
    hidden = world.settings.home / "hidden.pem"
    shutil.move(new, hidden)
    with transaction(world.engine) as session:
        world.services.signer.refresh(session, at_once=True)
    (fault,) = world.operator.status().faults
    assert "the newest key of answers" in fault
    shutil.move(hidden, new)
    assert world.operator.status().faults == ()


def test_the_next_answer_key_waits_for_the_one_before(world: World) -> None:
    rotate_answers(world, timedelta(hours=1))
    with pytest.raises(RotationRefused, match="under way"):
        rotate_answers(world, timedelta(hours=1))


def test_a_registry_from_before_keys_had_a_history_takes_the_key_that_signed(world: World) -> None:
    world.stop()
    world.tamper("DELETE FROM log_key_change")
    world.tamper("DELETE FROM answer_key")
    world.start()
    assert len(world.operator.log_keys().keys) == 1
    assert len(world.operator.jwks()["keys"]) == 1
    world.audit()


def test_a_backup_from_after_a_rotation_is_rehearsed_by_the_key_of_before(world: World, home: Path) -> None:
    old = world.operator.log_state().log_key
    rotate_log(world)
    retire_log(world)
    make_backup(world.settings, world.engine, home / "backup")
    assert rehearse(home / "backup", home / "rehearsal", old).wrong == ()


def test_the_commands_rotate_keys(home: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.settings.database_url is not None
    monkeypatch.setenv("TRUEPRINT_DATABASE_URL", world.settings.database_url)
    run = CliRunner().invoke
    at_home = ["--home", str(world.settings.home)]
    for command in (["rotate-log"], ["retire-log"], ["rotate-answers", "--published-for", "1"]):
        done = run(app, ["registry-keys", *command, *at_home])
        assert done.exit_code == 0, done.output
    shown = run(app, ["registry-keys", "list", *at_home]).output
    assert shown.count("log ") == 2
    assert shown.count("answers ") == 2
    refused = run(app, ["registry-keys", "retire-log", *at_home])
    assert refused.exit_code == 4
    assert "rotation_refused" in refused.output
    desk = world.enrol("Daily Example")
    receipt = home / "receipt.json"
    registered = world.register(desk, encoded("coffee"), "coffee")
    receipt.write_text(registered.receipt.model_dump_json())
    said = world.operator.log_keys()
    (home / "keys.json").write_text(said.model_dump_json())
    first = said.keys[0].log_key
    assert run(app, ["verify", str(receipt), "--log-key", first]).exit_code == 3
    verified = run(app, ["verify", str(receipt), "--log-key", first, "--log-keys", str(home / "keys.json")])
    assert verified.exit_code == 0, verified.output
    assert "bound to the pinned one" in verified.output


def test_a_key_that_the_registry_could_not_read_is_not_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = world.settings.key_folder
    before = sorted(folder.iterdir())
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(RotationRefused, match="owner of that folder"):
        rotate_log(world)
    monkeypatch.undo()
    assert sorted(folder.iterdir()) == before
    world.restart()
    assert len(world.operator.log_keys().keys) == 1

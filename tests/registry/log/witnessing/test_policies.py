"""Witnesses that are new, changed, given up or lost at a start; keys that change under them."""

import hashlib
from pathlib import Path

import httpx2
import pytest
from pydantic import JsonValue
from typer.testing import CliRunner

from registry.app import running_services
from registry.errors import BadWitnesses, LogRolledBack
from registry.records.acts import newest_act
from registry.storage.db import transaction
from sdk import models
from sdk.checkpoint import parse_verifier_key
from sdk.cli import app
from sdk.cosignature import require_witnesses
from sdk.models import Act, ActType
from sdk.verify import verify_receipt
from sdk.witness.logs import WatchedLog
from tests.pictures import encoded
from tests.registry.log.witnessing.asking import refused, size_of
from tests.witnesses import GONE, WitnessedWorld
from tests.world import DatabaseServer, SeededEmbedder


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


def test_a_key_is_retired_only_where_witnesses_trust_the_new_one_alone(
    world: WitnessedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = world.settings
    for name in ("database_url", "home", "witnesses", "witness_timeout_s"):
        monkeypatch.setenv(f"TRUEPRINT_{name.upper()}", str(getattr(settings, name)))

    def keys(*command: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["registry-keys", *command], env={"COLUMNS": "400"})
        return done.exit_code, done.output

    assert keys("rotate-log")[0] == 0
    code, said = keys("retire-log")
    assert code == 4
    assert "too few witnesses trust the new key" in said
    assert "w2: it does not trust this log's key" in said
    desk = world.enrol("Daily Example")
    world.register(desk, encoded("coffee"))
    new = parse_verifier_key(world.operator.log_state().log_key)
    for fronted in world.witnesses[:2]:
        fronted.made._logs = {new.name: WatchedLog(new.name, new)}
    assert keys("retire-log")[0] == 0
    world.register(desk, encoded("cat"))
    assert world.checkpoint().count(f"\u2014 {new.name} ") == 1
    code, said = keys("retire-log")
    assert (code, "was retired already" in said) == (4, True)


def test_who_registers_is_told_which_witnesses_did_not_cosign(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.answer_instead(GONE, 1, 2)
    error = refused(world, desk, encoded("coffee"))
    assert error.code == "not_cosigned"
    assert "witness.example/w1, witness.example/w2" in error.detail

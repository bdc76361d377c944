"""Anybody follows the log of a running registry, copies it, and shows that one forked."""

import json
import re
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from registry.storage.db import transaction
from sdk.checkpoint import parse_checkpoint_unverified, sign_checkpoint, verifier_key
from sdk.cli import app
from sdk.cosignature import cosign, witness_key
from tests.logs import KEY, entries_of, mirrored, note_over
from tests.pictures import encoded
from tests.registry.operate.test_key_rotation import retire_log, rotate_log
from tests.world import World


def trueprint(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def test_a_registry_is_followed_and_mirrored_and_its_receipts_are_in_its_history(
    world: World, tmp_path: Path
) -> None:
    desk = world.enrol("Daily Example")
    registered = world.register(desk, encoded("coffee"))
    receipt = tmp_path / "receipt.json"
    receipt.write_text(registered.receipt.model_dump_json())
    options = ("--state", tmp_path / "state", "--mirror", tmp_path / "mirror")
    first = trueprint("monitor", world.url, *options, "--against", receipt)
    assert first.exit_code == 0, first.output
    assert "one history: localhost/log" in first.output
    assert "not pinned" in first.output
    with transaction(world.engine) as session:
        for number in range(300):
            world.services.log.append(session, "test", str(number).encode())
    again = trueprint("monitor", f"{world.url}/log", *options, "--against", receipt, "--json")
    assert again.exit_code == 0, again.output
    said = json.loads(again.stdout)
    assert said["new"] == 300
    assert said["wrong"] == []
    log_key = world.operator.log_state().log_key
    copied = trueprint("monitor", tmp_path / "mirror", "--state", tmp_path / "b", "--log-key", log_key)
    assert copied.exit_code == 0, copied.output
    assert f"{said['size']} entries" in copied.output


def test_a_changed_entry_of_the_database_is_found_from_outside(world: World, tmp_path: Path) -> None:
    world.register(world.enrol("Daily Example"), encoded("coffee"))
    world.tamper("UPDATE log_entry SET entry = entry || '\\x20'::bytea WHERE index = 1")
    done = trueprint("monitor", world.url, "--state", tmp_path)
    assert done.exit_code == 3
    assert "bad entries" in done.output


def test_a_fork_leaves_evidence_that_anybody_can_check(tmp_path: Path) -> None:
    honest = mirrored(entries_of(300), tmp_path / "honest")
    forked = mirrored([*entries_of(299), b"another", b"more"], tmp_path / "forked")
    state = tmp_path / "state"
    assert trueprint("monitor", honest, "--state", state, "--log-key", KEY.text()).exit_code == 0
    done = trueprint("monitor", forked, "--state", state, "--json")
    assert done.exit_code == 3, done.output
    wrong = json.loads(done.stdout)["wrong"][0]
    assert wrong["fault"] == "forked"
    shown = trueprint("verify-fork", wrong["evidence"], "--log-key", KEY.text())
    assert shown.exit_code == 0, shown.output
    assert "signed two histories" in shown.output
    assert "300 entries" in shown.output
    evidence = Path(wrong["evidence"])
    evidence.write_text(re.sub(r'"newer": "registry', '"newer": "another', evidence.read_text()))
    assert trueprint("verify-fork", evidence).exit_code == 3
    assert trueprint("monitor", honest, "--state", state).exit_code == 0, "what was followed still stands"


def test_a_checkpoint_that_too_few_witnesses_cosigned_is_found(tmp_path: Path) -> None:
    mirror = mirrored(entries_of(3), tmp_path / "mirror")
    note = (mirror / "checkpoint").read_text()
    witnesses = {name: Ed25519PrivateKey.generate() for name in ("one.example", "two.example")}
    trusted = [f"--witness={witness_key(key, name).text()}" for name, key in witnesses.items()]
    options = ("--log-key", KEY.text(), "--state", tmp_path / "state", *trusted)
    (mirror / "checkpoint").write_text(
        f"{note}{cosign(note, witnesses['one.example'], 'one.example', 1)}\n"
    )
    done = trueprint("monitor", mirror, *options)
    assert done.exit_code == 3, done.output
    assert "cosigned by 1 of 2 witnesses" in done.output
    assert trueprint("monitor", mirror, *options, "--quorum", 1).exit_code == 0
    assert trueprint("monitor", mirror, *options, "--quorum", 1, "--max-age", 60).exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("monitor", "{mirror}"), "give the key of the log"),
        (("monitor", "{mirror}", "--log-key", "nonsense"), "--log-key"),
        (("monitor", "{mirror}", "--log-key", KEY.text(), "--against", "{other}"), "no receipt"),
        (("monitor", "{mirror}", "--log-key", KEY.text(), "--against", "/nowhere"), "No such file"),
        (("verify-fork", "{other}"), "not evidence"),
        (("verify-fork", "/nowhere"), "No such file"),
    ],
)
def test_wrong_usage_is_said_in_a_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"{\xff")
    mirror = mirrored(entries_of(3), tmp_path / "mirror")
    given = [part.format(mirror=mirror, other=other) for part in arguments]
    state = ("--state", tmp_path / "state") if given[0] == "monitor" else ()
    done = trueprint(*given, *state)
    assert done.exit_code == 2, done.output
    assert says in done.output


def test_a_log_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = trueprint("monitor", tmp_path / "nothing", "--state", tmp_path, "--log-key", KEY.text())
    assert done.exit_code == 3
    assert "is not there" in done.output


def test_who_follows_a_log_goes_over_to_its_next_key_also_where_they_missed_that_both_signed(
    world: World, tmp_path: Path
) -> None:
    old = world.operator.log_state().log_key
    look = ("monitor", world.url, "--state", tmp_path / "state", "--mirror", tmp_path / "mirror")
    assert trueprint(*look, "--log-key", old).exit_code == 0
    rotate_log(world)
    retire_log(world)
    new = world.operator.log_state().log_key
    keys = tmp_path / "keys.json"
    keys.write_text(world.operator.log_keys().model_dump_json())
    gone_over = trueprint(*look)
    assert gone_over.exit_code == 0, gone_over.output
    assert f"the log changed its key, as both keys say: {new}" in gone_over.output
    assert "changed its key" not in trueprint(*look, "--log-key", new).output
    copied = ("monitor", tmp_path / "mirror", "--state", tmp_path / "other", "--log-key", old)
    not_told = trueprint(*copied)
    assert not_told.exit_code == 3
    assert "not signed by the expected key" in not_told.output
    assert trueprint(*copied, "--log-keys", keys).exit_code == 0


def test_another_log_of_the_same_name_is_said_to_be_one(tmp_path: Path) -> None:
    first = mirrored(entries_of(3), tmp_path / "first")
    state = tmp_path / "state"
    assert trueprint("monitor", first, "--state", state, "--log-key", KEY.text()).exit_code == 0
    other = Ed25519PrivateKey.generate()
    note = sign_checkpoint(parse_checkpoint_unverified((first / "checkpoint").read_text()), other)
    (first / "checkpoint").write_text(note)
    told = trueprint("monitor", first, "--state", state)
    assert told.exit_code == 3
    assert f"the key that is remembered is {KEY.text()}, in {state}" in told.output
    assert "--state" in told.output
    key = verifier_key(other, KEY.name).text()
    asked = trueprint("monitor", first, "--state", state, "--log-key", key)
    assert asked.exit_code == 2
    assert KEY.text() in asked.output


def test_a_fork_is_proved_by_the_mirror_where_the_log_hides_what_it_served(tmp_path: Path) -> None:
    served = mirrored(entries_of(700), tmp_path / "served")
    options = ("--state", tmp_path / "state", "--mirror", tmp_path / "mirror", "--log-key", KEY.text())
    assert trueprint("monitor", served, *options).exit_code == 0
    shutil.rmtree(served)
    mirrored([*entries_of(299), b"another"], served)
    done = trueprint("monitor", served, *options, "--json")
    assert done.exit_code == 3
    [wrong] = json.loads(done.stdout)["wrong"]
    assert wrong["fault"] == "forked"
    assert trueprint("verify-fork", wrong["evidence"], "--log-key", KEY.text()).exit_code == 0


def test_a_checkpoint_that_could_not_be_followed_is_kept_until_it_is_explained(tmp_path: Path) -> None:
    served, state = mirrored(entries_of(300), tmp_path / "served"), tmp_path / "state"
    options = ("--state", state, "--log-key", KEY.text())
    assert trueprint("monitor", served, *options).exit_code == 0
    honest = (served / "checkpoint").read_text()
    hidden = note_over([*entries_of(400)[:350], b"another"])
    (served / "checkpoint").write_text(hidden)  # and none of its tiles
    first = trueprint("monitor", served, *options)
    assert first.exit_code == 3
    assert "is looked at again" in first.output
    [kept] = state.glob("shown-*")
    assert kept.read_text() == hidden
    (served / "checkpoint").write_text(honest)
    assert "went back" in trueprint("monitor", served, *options).output
    mirrored(entries_of(400), served)
    later = trueprint("monitor", served, *options)
    assert later.exit_code == 3
    assert "forked" in later.output
    assert len(list(state.glob("fork-*.json"))) == 1
    kept.write_text(note_over(entries_of(400)[:351]))  # one that the log has
    assert trueprint("monitor", served, *options).exit_code == 0
    assert list(state.glob("shown-*")) == []


def test_no_entry_is_read_below_a_checkpoint_that_too_few_witnesses_cosigned(tmp_path: Path) -> None:
    served = mirrored(entries_of(300), tmp_path / "served")
    shutil.rmtree(served / "tile")
    key = witness_key(Ed25519PrivateKey.generate(), "one.example").text()
    options = ("--state", tmp_path / "state", "--log-key", KEY.text(), f"--witness={key}")
    done = trueprint("monitor", served, *options)
    assert done.exit_code == 3
    assert "too few witnesses" in done.output
    assert "not served" not in done.output


def test_each_evidence_of_one_look_has_a_file_of_its_own(tmp_path: Path) -> None:
    honest = mirrored(entries_of(9), tmp_path / "honest")
    claims = []
    for name in (b"one", b"two"):
        forked = mirrored([*entries_of(8), name], tmp_path / name.decode())
        claims += ["--against", forked / "checkpoint"]
    state = ("--state", tmp_path / "state", "--log-key", KEY.text())
    done = trueprint("monitor", honest, *state, *claims, "--json")
    assert done.exit_code == 3, done.output
    evidence = {wrong["evidence"] for wrong in json.loads(done.stdout)["wrong"]}
    assert len(evidence) == 2
    for path in evidence:
        assert trueprint("verify-fork", path, "--log-key", KEY.text()).exit_code == 0

"""`trueprint` as people type it, against a folder of its own; the real descriptor, real processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from typer.testing import CliRunner

from sdk.answers import verify_answer
from sdk.cli import app
from sdk.keys import save_private_key
from sdk.models import MatchAnswer, Role
from tests.pictures import DATA, encoded, flat, picture
from tests.portraits import swapped
from tests.world import World

TRUEPRINT = Path(sys.executable).with_name("trueprint")


def run(*arguments: object, expect: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **settings}
    done = subprocess.run(
        [TRUEPRINT, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def record_of(line: dict[str, Any]) -> str:
    """Returns the id of the registered record."""
    record: str = line["answer"]["record"]["id"]
    return record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    originals, uploads = tmp_path / "originals", tmp_path / "uploads"
    originals.mkdir()
    uploads.mkdir()
    for name in ("coffee", "cat", "astronaut"):
        (originals / f"{name}.png").write_bytes(encoded(name, "PNG"))
    (originals / "plain.png").write_bytes(flat())
    mirrored = picture("coffee").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    (uploads / "q1.jpg").write_bytes(encoded(mirrored, quality=60))
    (uploads / "q2.jpg").write_bytes(encoded("rocket"))
    (uploads / "q3.jpg").write_bytes(encoded("cat")[:2000])
    return tmp_path


@pytest.mark.slow
def test_register_match_audit_and_evaluate_in_a_folder(folder: Path, home: Path) -> None:
    set_up = run("register", folder / "originals", "--home", home, "--json", expect=1)
    assert f"A new registry is set up in {home}." in set_up.stderr
    first = lines(set_up)
    assert [line["answer"] and line["answer"]["already_registered"] for line in first] == [False] * 3 + [
        None
    ]
    assert first[3]["error"]["code"] == "insufficient_detail"
    again = lines(run("register", folder / "originals", "--home", home, "--json", expect=1))
    assert [record_of(line) for line in again[:3]] == [record_of(line) for line in first[:3]]
    assert again[3] == first[3]

    answers = {
        Path(line["file"]).name: line
        for line in lines(run("match", folder / "uploads", "--home", home, "--json", expect=1))
    }
    for line in answers.values():
        assert set(line) == {"file", "answer", "error"}
    answer = answers["q1.jpg"]["answer"]
    match = answer["matches"][0]
    assert (match["record"]["label"], match["record"]["class"]) == ("coffee.png", "authentic")
    assert match["operations"][0]["type"] == "mirrored"
    assert set(match["operations"][0]) >= {"type", "region", "degree"}
    assert match["evidence"]["inliers"] > 20
    assert answers["q2.jpg"]["answer"]["verdict"]["kind"] == "not_in_registry"
    assert answers["q3.jpg"]["error"]["code"] == "undecodable_media"

    assert "clean" in run("audit", "--home", home).stdout
    here = run("doctor").stdout
    assert "faiss-" in here
    assert "keeps it from memory and computing time without end" in here
    assert "only `trueprint serve` hides it" in here
    assert lines(run("doctor", "--json"))[0]["isolation"][0]["name"] == "name_spaces"
    assert "PostgreSQL" in run("doctor", "--home", home).stdout
    words = run("match", folder / "uploads" / "q1.jpg", "--home", home, expect=10).stdout
    assert "Mirrored left to right" in words

    twin = folder / "originals" / "coffee-again.png"  # the same bytes under another name
    twin.write_bytes((folder / "originals" / "coffee.png").read_bytes())
    truth = folder / "truth.csv"
    truth.write_text("query,ref,transforms\nq1,coffee,hflip\nq2,,\n")
    evaluated = run("eval", folder / "originals", folder / "uploads", truth, "--json")  # throwaway
    report = lines(evaluated)[0]
    assert (report["queries"], report["positives"], report["references_refused"]) == (2, 1, 1)
    assert report["micro_average_precision"] == 1
    assert report["false_matches"] == 0
    assert report["by_transform"] == {"hflip": {"positives": 1, "found": 1}}


def test_a_changed_picture_is_compared_shown_and_kept_as_a_picture(world: World, folder: Path) -> None:
    original, upload = folder / "originals" / "astronaut.png", folder / "uploads" / "swap.jpg"
    upload.write_bytes(encoded(swapped()))
    desk = world.enrol("Daily Example", Role.RESEARCHER)
    key = folder / "desk.pem"
    save_private_key(desk.key, key)
    here = ["--url", world.url, "--api-key", desk.api_key.secret]
    record = record_of(lines(run("register", original, "--sign-with", key, *here, "--json"))[0])
    answer = lines(run("match", upload, *here, "--json", expect=10))[0]["answer"]
    assert verify_answer(MatchAnswer.model_validate(answer), world.operator.jwks())
    matched = answer["matches"][0]
    assert matched["operations"][0]["type"] == "face_swap"
    assert matched["uncertain"] == []
    words = run("compare", upload, *here, expect=10).stdout
    assert "face swap (strong, very likely) at" in words
    assert "another person's" in words
    sheet, turning = folder / "sheet.png", folder / "turning.gif"
    run("compare", upload, record, "--out", sheet, *here, expect=10)
    found = lines(run("compare", upload, record, "--out", turning, "--json", *here, expect=10))[0]
    assert (found["relation"], found["record"]["id"]) == ("derivative", record)
    assert (sheet.read_bytes()[:4], turning.read_bytes()[:4]) == (b"\x89PNG", b"GIF8")
    assert (
        ".png, .gif, .pdf or .mp4"
        in run("compare", upload, "--out", folder / "x.bmp", *here, expect=2).stderr
    )
    unrelated = run("compare", folder / "uploads" / "q2.jpg", *here).stdout
    assert "Not in this registry" in unrelated
    unknown = run("compare", upload, "0" * 36, *here, expect=4).stderr
    assert "unknown_record" in unknown

    signed = ["--derived-from", record, "--sign-with", key, *here]
    declared = run("register", upload, "--class", "known_fake", *signed).stdout
    assert f"derived from {record}: confirmed: face swap" in declared
    coffee = folder / "originals" / "coffee.png"
    false = run("register", coffee, *signed).stdout
    assert "NOT confirmed by the comparison" in false


def test_keys_receipts_and_a_server_by_address(world: World, folder: Path) -> None:
    key, public, receipt = folder / "key.pem", folder / "key.jwk", folder / "receipt.json"
    assert "Key id" in run("keygen", key, "--name", "Desk").stdout
    assert "never overwritten" in run("keygen", key, "--name", "Desk", expect=2).stderr
    assert '"d"' not in public.read_text()  # the private number of RFC 7518
    admin = ["--url", world.url, "--api-key", world.operator_secret]
    nobody = ["enrol", "--name", "Nobody", "--contact", "a@b.org"]
    assert "--public-key" in run(*nobody, *admin, expect=2).stderr
    assert "JWK form" in run(*nobody, "--public-key", key, *admin, expect=4).stderr
    assert [publisher.name for publisher in world.operator.list_publishers()] == ["Operator"]
    bare = folder / "bare.jwk"
    bare.write_text(json.dumps({**json.loads(public.read_text()), "proof": None}))
    assert "keygen --name" in run(*nobody, "--public-key", bare, *admin, expect=4).stderr
    assert "Nobody" not in str(world.operator.list_publishers())
    enrolled = lines(
        run("enrol", "--name", "Desk", "--contact", "a@b.org", "--public-key", public, "--json", *admin)
    )[0]
    acts = lines(run("acts", "--type", "enrol_publisher", "--json", *admin))
    assert acts[0]["object"] == enrolled["id"]
    shown = run("acts", "--limit", "2", *admin).stdout
    assert "not a name" in run("acts", "--publisher", "Daily Example", *admin, expect=2).stderr
    assert "issue api key" in shown
    assert enrolled["api_key"].rpartition("_")[2] not in shown
    desk = ["--url", world.url, "--api-key", enrolled["api_key"]]
    kept = folder / "receipts"
    cat = folder / "originals" / "cat.png"
    done = lines(run("register", cat, "--sign-with", key, "--json", "--receipts", kept, *desk))[0]
    record = record_of(done)
    pinned = "--media", cat, "--publisher-key", public
    assert run("verify", kept / f"{record}.json", *pinned).stdout.count("ok ") == 5
    assert not done["answer"]["already_registered"]
    assert "Byte for byte" in run("match", folder / "originals" / "cat.png", *desk, expect=10).stdout
    on_device = run("match", folder / "originals" / "cat.png", "--on-device", *desk, expect=10).stdout
    assert "Only fingerprints were compared" in on_device

    whole = world.operator.receipt(record)
    receipt.write_text(whole.model_dump_json())
    log_key = world.operator.log_state().log_key
    said = run("verify", receipt, "--log-key", log_key, "--media", folder / "originals" / "cat.png").stdout
    assert said.count("ok ") == 5
    receipt.write_text(whole.model_copy(update={"salt": whole.salt[:-4] + "AAA="}).model_dump_json())
    assert "does not hold" in run("verify", receipt, expect=3).stderr
    assert (
        "neither a file nor a key id" in run("verify", receipt, "--publisher-key", "junk", expect=2).stderr
    )
    receipt.write_text("{}")
    assert "not a receipt" in run("verify", receipt, expect=3).stdout
    wrong_key = run("match", folder / "uploads", "--url", world.url, "--api-key", "wrong_key_x", expect=4)
    assert wrong_key.stderr.count("API key is not known") == 1  # not once for every file
    world.audit()


def test_names_of_strangers_are_printed_as_they_are(world: World, tmp_path: Path) -> None:
    label = "[/bold] [red]:smile: \\"
    desk = world.enrol(label)
    world.register(desk, encoded("cat"), label)
    odd = tmp_path / os.fsdecode(b"[b] caf\xe9.png")  # Latin-1, as old archives have it
    odd.write_bytes(encoded("cat", "PNG"))
    key = tmp_path / "desk.pem"
    save_private_key(desk.key, key)
    access = ["--url", world.url, "--api-key", desk.api_key.secret]
    assert label in run("match", odd, *access, expect=10).stdout
    line = lines(run("match", odd, *access, "--json", expect=10))[0]
    assert line["file"] == str(odd)
    registered = lines(run("register", odd, "--sign-with", key, "--json", *access))[0]
    assert registered["answer"]["record"]["label"] == "[b] caf?.png"
    assert "known" in run("register", odd, "--sign-with", key, *access).stdout
    world.audit()


def test_a_server_that_cannot_start_says_why_in_a_line(world: World, tmp_path: Path) -> None:
    home = tmp_path / "home"
    taken = str(httpx2.URL(world.url).port)
    refusals: list[tuple[list[str], dict[str, str], str]] = [
        (["--port", taken], {}, f"cannot listen on 127.0.0.1, port {taken}: Address already in use\n"),
        (["--port", "99999"], {}, "port 99999: there is no such port\n"),
        (["--host", "no-such-host.invalid"], {}, "cannot listen on no-such-host.invalid"),
        # Port 0 is any that is free, and not that of the settings.
        (["--port", "0"], {"TRUEPRINT_PORT": taken, "TRUEPRINT_DATABASE_URL": "nonsense"}, "is no address"),
        ([], {"TRUEPRINT_DATABASE_URL": "mysql://a/b"}, "must be PostgreSQL"),
        ([], {"TRUEPRINT_DATABASE_URL": "postgresql://a:secret@127.0.0.1:9/b"}, "no database answers at"),
    ]
    for arguments, settings, says in refusals:
        port = arguments or ["--port", "0"]
        done = run("serve", *port, expect=4, TRUEPRINT_HOME=str(home), **settings)
        assert says in done.stderr
        assert ("[start_refused]" in done.stderr) == ("DATABASE_URL" in str(settings))
        assert "Traceback" not in done.stderr
        assert "secret" not in done.stderr
    assert not home.exists()


@pytest.mark.slow
def test_a_terminated_command_stops_the_database_it_started(home: Path) -> None:
    # Not `serve`: its server stops cleanly by itself.
    running = home / "pg" / "postmaster.pid"
    command = [str(TRUEPRINT), "register", str(DATA), "--home", str(home), "--json", "--jobs", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as registering:
        assert registering.stdout is not None
        assert registering.stdout.readline()
        assert running.exists()
        registering.terminate()
        registering.stdout.read()
    assert registering.returncode == 128 + signal.SIGTERM
    assert not running.exists()
    assert "clean" in run("audit", "--home", home).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["match", "nothing.jpg", "--url", "http://127.0.0.1:9"], 2, "does not exist"),
        (["audit"], 2, "--home"),
        (["doctor", "--url", "http://127.0.0.1:9"], 4, "no answer from"),
        (["audit", "--url", "http://127.0.0.1:9"], 4, "no answer from"),
        (["doctor", "--url", "http://127.0.0.1:9", "--api-key", "clé"], 4, "other characters"),
        (["verify", "nothing.json"], 3, "the receipt does not hold"),
        (["audit", "--home", __file__], 2, "is a file"),
        (["register", __file__, "--receipts", __file__, "--url", "http://127.0.0.1:9"], 2, "is a file"),
        (["serve", "--home", __file__], 2, "is a file"),
        (
            ["compare", __file__, "--out", "no/such/x.png", "--url", "http://127.0.0.1:9"],
            2,
            "no folder no/such",
        ),
        (["no-such-command"], 2, "No such command"),
    ],
)
def test_wrong_usage_is_said_in_a_line(arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments, expect=code)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_used_is_named_and_its_value_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEPRINT_INDEX", "nowhere")
    monkeypatch.setenv("TRUEPRINT_SEARCH_SECRET", "too-short")
    done = CliRunner().invoke(app, ["serve", "--home", str(tmp_path)])
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert "TRUEPRINT_INDEX cannot be used" in said
    assert "auto, cpu, gpu" in said
    assert "TRUEPRINT_SEARCH_SECRET" in said
    assert "too-short" not in said


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_setting_that_has_another_name_now_is_refused_with_the_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if where == "environment":
        monkeypatch.setenv("TRUEPRINT_MATCHERS", "http://one:8101")
    else:
        Path(".env").write_text("TRUEPRINT_MATCHERS=http://one:8101\n")
    done = CliRunner().invoke(app, ["serve", "--home", str(tmp_path)])
    assert done.exit_code == 2
    assert "TRUEPRINT_MATCHERS is now called TRUEPRINT_SEARCH_NODES" in " ".join(done.output.split())


@pytest.mark.parametrize("command", ["audit", "doctor"])
def test_a_home_that_refuses_to_start_is_said_in_a_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEPRINT_INDEX", "nowhere")
    done = run(command, "--home", tmp_path / "home", expect=4)
    assert "TRUEPRINT_INDEX cannot be used: must be one of" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["match FILE", "compare FILE", "audit", "doctor", "migrate"])
def test_a_command_that_only_asks_makes_no_registry_in_a_mistyped_folder(
    command: str, tmp_path: Path
) -> None:
    file, nowhere = tmp_path / "coffee.jpg", tmp_path / "nowhere"
    file.write_bytes(encoded("coffee"))
    done = run(*command.replace("FILE", str(file)).split(), "--home", nowhere, expect=4)
    said = " ".join(done.stderr.split())
    assert f"there is no registry in {nowhere}: check the folder, or make one there with" in said
    assert f"`trueprint serve --home {nowhere}`" in said
    assert "Traceback" not in said
    assert not nowhere.exists()


def test_a_folder_without_a_registry_stays_as_it_was(tmp_path: Path) -> None:
    run("audit", "--home", tmp_path, expect=4)
    assert list(tmp_path.iterdir()) == []

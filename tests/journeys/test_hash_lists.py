"""A list of hashes that others keep: imported, found again, and never more than a suspicion."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagehash
import pytest
from PIL import Image
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from registry.settings import Settings
from sdk.cli import app
from sdk.errors import BadRequest
from sdk.keys import save_private_key
from sdk.local import local_query, local_registration
from sdk.models import (
    FingerprintQuery,
    FingerprintValue,
    MatchAnswer,
    MatchRelation,
    Registration,
    Role,
    Strength,
    VerdictKind,
)
from sdk.records import AssetClass, BadStatement, new_statement
from sdk.verify import BadReceipt, verify_receipt
from tests.pictures import encoded, flat, picture
from tests.world import DatabaseServer, Party, World

ALL = "ahash64.v1, dhash64.v1,whash64.v1,colorhash.v1,crop-resistant.v1"
LIBRARY: dict[str, Callable[[Image.Image], object]] = {
    "ahash64.v1": imagehash.average_hash,
    "dhash64.v1": imagehash.dhash,
    "whash64.v1": imagehash.whash,
    "crop-resistant.v1": imagehash.crop_resistant_hash,
}


@pytest.fixture
def listed(database_server: DatabaseServer, home: Path) -> Iterator[World]:
    with World(database_server, home, hash_lists=ALL) as world:
        yield world


def value_of(name: str, kind: str = "dhash64.v1") -> str:
    return str(LIBRARY[kind](picture(name)))


def register_value(party: Party, text: str, label: str = "listed", **more: Any) -> Registration:
    asset_class = more.pop("asset_class", AssetClass.AUTHENTIC)
    values = [FingerprintValue(value=text, **more)]
    request = local_registration(values, party.publisher.issuer, asset_class, None, label, party.key)
    return party.client.register_fingerprints(request)


def ask(party: Party, *texts: str) -> MatchAnswer:
    values = tuple(FingerprintValue(value=text) for text in texts)
    return party.client.match_fingerprints(FingerprintQuery(fingerprints=values))


def write_list(path: Path, *rows: list[str]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def import_list(world: World, party: Party, path: Path, *options: str) -> Result:
    key = path.with_suffix(".pem")
    if not key.exists():
        save_private_key(party.key, key)
    here = ["--url", world.url, "--api-key", party.api_key.secret, "--sign-with", str(key)]
    return CliRunner().invoke(app, ["register-hashes", str(path), *here, *options])


def test_a_list_is_imported_and_a_copy_found_while_a_stranger_is_not(listed: World, tmp_path: Path) -> None:
    desk = listed.enrol("Fact check", Role.RESEARCHER)
    path = write_list(
        tmp_path / "fakes.csv",
        ["kind", "value", "label", "class"],
        ["dhash64.v1", value_of("coffee"), "a staged cup", "known_fake"],
        ["crop-resistant.v1", value_of("motorcycle", "crop-resistant.v1"), "", "known_fake"],
    )
    imported = import_list(listed, desk, path, "--json")
    assert imported.exit_code == 0, imported.output
    records = [json.loads(line)["answer"]["record"] for line in imported.stdout.splitlines()]
    assert [record["label"] for record in records] == ["a staged cup", "fakes.csv, line 3"]

    copy = encoded(picture("coffee").resize((300, 200)), quality=40)
    answer = desk.client.match(copy)
    assert answer.verdict.kind is VerdictKind.POSSIBLE_MATCH
    match = answer.matches[0]
    assert (match.record.id, match.strength) == (records[0]["id"], Strength.WEAK)
    assert match.relation is MatchRelation.POSSIBLY_RELATED
    assert not match.verified
    assert "Only hashes of lists that others keep were compared" in match.explanation
    assert match.evidence is not None
    assert match.evidence.found_by == ("dhash64.v1",)
    assert match.evidence.hash_list_distances["dhash64.v1"] <= 8
    cut = picture("motorcycle")
    cut = cut.crop((0, 0, cut.width * 9 // 10, cut.height))
    assert [one.record.id for one in desk.client.match(encoded(cut)).matches] == [records[1]["id"]]
    assert desk.client.match(encoded("cat")).verdict.kind is VerdictKind.NOT_IN_REGISTRY
    listed.audit()


def test_a_weak_match_is_compared_as_it_is_matched_and_that_it_is_no_picture_is_said(
    listed: World, tmp_path: Path
) -> None:
    desk = listed.enrol("Fact check", Role.RESEARCHER)
    register_value(desk, f"dhash64.v1:{value_of('coffee')}")
    file, sheet = tmp_path / "copy.jpg", tmp_path / "sheet.png"
    file.write_bytes(encoded(picture("coffee").resize((300, 200)), quality=40))
    here = ["--url", listed.url, "--api-key", desk.api_key.secret]
    compared = CliRunner().invoke(app, ["compare", str(file), *here])
    assert compared.exit_code == 10, compared.output
    assert "Only hashes of lists that others keep were compared" in compared.stdout
    drawn = CliRunner().invoke(app, ["compare", str(file), "--out", str(sheet), *here])
    assert drawn.exit_code == 1
    assert drawn.stdout == compared.stdout
    assert "not written" in drawn.stderr
    assert "no picture of the record is kept here" in drawn.stderr
    assert not sheet.exists()


def test_a_list_that_is_sent_again_keeps_its_records(listed: World, tmp_path: Path) -> None:
    desk = listed.enrol("Fact check")
    names = ["coffee", "cat", "astronaut", "rocket"]
    rows = [["dhash64.v1", value_of(name)] for name in names]
    path = write_list(tmp_path / "list.csv", ["kind", "value"], *rows[:2], rows[0])
    first = import_list(listed, desk, path, "--class", "authentic", "--json", "--jobs", "1")
    again = import_list(
        listed,
        desk,
        write_list(path, ["kind", "value"], *rows, rows[3]),
        "--class",
        "authentic",
        "--json",
        "--jobs",
        "4",
    )
    answers = [[json.loads(line)["answer"] for line in done.stdout.splitlines()] for done in (first, again)]
    assert [answer["already_registered"] for answer in answers[0]] == [False, False, True]
    ids = [[answer["record"]["id"] for answer in of_run] for of_run in answers]
    assert ids[0] == [ids[1][0], ids[1][1], ids[1][0]]
    assert len(set(ids[1])) == 4
    assert listed.operator.status().records == 4
    listed.audit()


def test_bad_rows_are_named_by_their_line_and_the_others_registered(listed: World, tmp_path: Path) -> None:
    desk = listed.enrol("Fact check")
    path = write_list(
        tmp_path / "list.csv",
        ["Kind", "value", "quality", "class"],
        ["dhash64.v1", "c4cc72dcfcfc7ca", "", "authentic"],
        ["dhash64.v1", value_of("coffee"), "", "stolen"],
        ["dhash64.v1", value_of("coffee"), "many", "authentic"],
        ["dhash64.v1", "0000000000000000", "", "authentic"],
        ["dhash64.v1", value_of("coffee")],
        ["md5", "d41d8cd98f00b204e9800998ecf8427e", "", "authentic"],
        ["dhash64.v1", value_of("coffee"), "", "authentic"],
    )
    done = import_list(listed, desk, path, "--json")
    assert done.exit_code == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"].rpartition(":")[2] for line in lines] == ["2", "3", "4", "5", "6", "7", "8"]
    codes = [line["error"]["code"] if line["error"] else None for line in lines]
    assert codes[:3] == ["invalid_fingerprint", "client", "client"]
    assert codes[3:] == ["insufficient_detail", "client", "invalid_fingerprint", None]
    assert "give it in the row or by --class" in lines[1]["error"]["detail"]
    people = import_list(listed, desk, path)
    assert f"{path}:2: " in people.output
    assert "0 registered, 1 known, 6 refused" in people.output
    for content in ("value\n1\n", "kind,value,lable\n", "kind,value,kind\n", "", 'kind,value\n"a\n'):
        path.write_text(content)
        refused = import_list(listed, desk, path)
        assert refused.exit_code == 1
        assert "list.csv" in str(refused.exception)


def test_a_list_of_pdq_values_needs_no_setting_and_confirms_as_ever(world: World, tmp_path: Path) -> None:
    desk = world.enrol("Fact check")
    file = tmp_path / "coffee.png"
    file.write_bytes(encoded("coffee", "PNG"))
    pdq = next(value for value in local_query(file).fingerprints if value.value.startswith("pdq"))
    path = write_list(
        tmp_path / "list.csv",
        ["kind", "value", "quality", "sha256"],
        ["pdq.v1", pdq.value.partition(":")[2], str(pdq.quality), "AB" * 32],
        ["pdq.v1", pdq.value.partition(":")[2], "", "cd" * 32],
    )
    done = import_list(world, desk, path, "--class", "authentic", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[1]["error"]["code"] == "insufficient_detail"
    match = desk.client.match(encoded("coffee", quality=60)).matches[0]
    assert match.record.id == lines[0]["answer"]["record"]["id"]
    assert match.strength is not Strength.WEAK
    query = FingerprintQuery(fingerprints=(pdq,), digest_sha256="ab" * 32)
    match = desk.client.match_fingerprints(query).matches[0]
    assert match.relation is MatchRelation.SAME_PICTURE, "a digest in a list is a claim"
    assert match.strength is Strength.MODERATE


def test_where_the_setting_is_off_such_values_are_refused_with_its_name(world: World) -> None:
    desk = world.enrol("Fact check")
    for use in (ask, register_value):
        with pytest.raises(BadRequest, match="TRUEPRINT_HASH_LISTS") as error:
            use(desk, f"dhash64.v1:{value_of('coffee')}")
        assert error.value.code == "invalid_fingerprint"
    world.register(desk, encoded("coffee"))
    assert "dhash64.v1" not in desk.client.match(encoded("coffee")).computed.kinds
    assert not {"dhash64.v1", "crop-resistant.v1"} & set(world.operator.status().fingerprints)


def test_registered_pictures_get_these_hashes_and_are_found_by_them(listed: World) -> None:
    desk = listed.enrol("Daily Example")
    record = listed.register(desk, encoded("coffee"), preview=False).record
    listed.register(desk, encoded("cat"))
    kinds = listed.operator.status().fingerprints
    assert {kind: kinds[kind] for kind in ("ahash64.v1", "dhash64.v1", "whash64.v1", "colorhash.v1")} == {
        "ahash64.v1": 2, "dhash64.v1": 2, "whash64.v1": 2, "colorhash.v1": 2,
    }  # fmt: skip
    assert kinds["crop-resistant.v1"] > 2
    for kind in LIBRARY:
        answer = ask(desk, f"{kind}:{value_of('coffee', kind)}")
        assert [match.record.id for match in answer.matches] == [record.id], kind
        assert answer.verdict.kind is VerdictKind.POSSIBLE_MATCH
    assert ask(desk, f"dhash64.v1:{value_of('rocket')}").verdict.kind is VerdictKind.NOT_IN_REGISTRY


def test_where_pictures_can_be_compared_a_hash_decides_nothing(listed: World) -> None:
    desk = listed.enrol("Daily Example")
    record = listed.register(desk, encoded("coffee")).record
    register_value(desk, f"dhash64.v1:{value_of('cat')}")
    sure = desk.client.match(encoded("coffee", quality=60)).matches
    assert [(match.record.id, match.verified) for match in sure] == [(record.id, True)]
    listed.tamper(  # another picture's hash beside the picture that is kept
        "UPDATE fingerprint SET value = :value WHERE kind = 'dhash64.v1' AND record_id = :record",
        value=bytes.fromhex(value_of("astronaut")),
        record=record.id,
    )
    listed.restart()
    asked = listed.again(desk).client.match(encoded("astronaut"))
    assert asked.verdict.kind is VerdictKind.NOT_IN_REGISTRY


def test_a_value_that_plain_pictures_share_is_neither_registered_nor_found(listed: World) -> None:
    desk = listed.enrol("Daily Example")
    for text in ("dhash64.v1:" + 16 * "0", "ahash64.v1:" + 16 * "f", "colorhash.v1:07000000000"):
        with pytest.raises(BadRequest) as error:
            register_value(desk, text)
        assert error.value.code == "insufficient_detail"
        assert ask(desk, text).verdict.kind is VerdictKind.NOT_IN_REGISTRY
    one_segment = value_of("motorcycle", "crop-resistant.v1").partition(",")[0]
    with pytest.raises(BadRequest) as error:
        register_value(desk, f"crop-resistant.v1:{one_segment}")
    assert error.value.code == "insufficient_detail"
    assert desk.client.match(flat()).verdict.kind is VerdictKind.NOT_FINGERPRINTABLE


def test_one_value_of_a_kind_and_only_upright(listed: World) -> None:
    desk = listed.enrol("Daily Example")
    text = f"dhash64.v1:{value_of('coffee')}"
    with pytest.raises(BadRequest, match="one value of each kind"):
        ask(desk, text, f"dhash64.v1:{value_of('cat')}")
    with pytest.raises(BadRequest, match="upright"):
        register_value(desk, text, orientation=3)


def test_a_record_of_fingerprints_alone_names_no_file_and_verifies(listed: World) -> None:
    desk = listed.enrol("Daily Example")
    answer = register_value(desk, f"dhash64.v1:{value_of('coffee')}")
    verified = verify_receipt(answer.receipt)
    assert verified.statement.digest_sha256 is None
    assert verified.statement.fingerprints_sha256 is not None
    assert verified.steps[-1] == "5. the record names no file: it is about fingerprints alone"
    with pytest.raises(BadReceipt, match="names no file"):
        verify_receipt(answer.receipt, media=encoded("coffee"))
    assert value_of("coffee") not in answer.receipt.model_dump_json()
    again = register_value(desk, f"dhash64.v1:{value_of('coffee')}", "by another name")
    assert again.record == answer.record
    other = listed.enrol("Another desk")
    assert not register_value(other, f"dhash64.v1:{value_of('coffee')}").already_registered
    desk.client.withdraw(answer.record.id)
    assert not register_value(desk, f"dhash64.v1:{value_of('coffee')}").already_registered
    listed.audit()


def test_a_statement_about_nothing_is_refused() -> None:
    with pytest.raises(BadStatement, match="a digest of the file, or of fingerprints"):
        new_statement("did:web:example.org", AssetClass.AUTHENTIC, None, "nothing")
    with pytest.raises(ValidationError, match="dhash65"):
        Settings(hash_lists="dhash64.v1,dhash65")


def test_hashes_are_computed_on_the_device_where_they_are_asked_for(listed: World, tmp_path: Path) -> None:
    desk = listed.enrol("Daily Example")
    register_value(desk, f"ahash64.v1:{value_of('coffee', 'ahash64.v1')}")
    file = tmp_path / "coffee.jpg"
    file.write_bytes(encoded("coffee"))
    here = [str(file), "--url", listed.url, "--api-key", desk.api_key.secret]
    asked = CliRunner().invoke(app, ["match", *here, "--on-device", "--hash-list", "ahash64.v1"])
    assert asked.exit_code == 10, asked.output
    assert "a person should look" in asked.output
    assert CliRunner().invoke(app, ["match", *here, "--on-device"]).exit_code == 0
    wrong = CliRunner().invoke(app, ["match", *here, "--on-device", "--hash-list", "ahash"])
    assert wrong.exit_code == 2
    assert CliRunner().invoke(app, ["match", *here, "--hash-list", "ahash64.v1"]).exit_code == 2

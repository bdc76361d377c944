"""What is installed, built and shipped: locked by digest, under allowed licences, and made as said."""

import hashlib
import json
from pathlib import Path

import pytest

from indexer.fingerprints.lite0 import IMAGENET_SHA256
from tests import licences, locks, wheel

WEIGHTS = Path(__file__).parents[1] / "indexer" / "weights"
STATEMENTS = sorted(WEIGHTS.glob("*.provenance.json"))


def test_the_locks_are_what_the_project_and_its_constraints_say() -> None:
    assert locks.differences() == []


def test_a_lock_that_is_behind_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in locks.LOCKS.glob("*.txt"):
        text = file.read_text().replace("alembic==1.", "alembic==0.")
        (tmp_path / file.name).write_text(text.replace("jinja2==", "ninja2=="))
    monkeypatch.setattr(locks, "LOCKS", tmp_path)
    told = " ".join(locks.differences())
    assert "alembic 0.20.1, constraints.txt says otherwise" in told
    assert "locks/production.txt lacks jinja2" in told


def test_a_lock_without_a_hash_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in locks.LOCKS.glob("*.txt"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "torch.txt").write_text("torch==2.13.0\n")
    monkeypatch.setattr(locks, "LOCKS", tmp_path)
    assert locks.differences() == ["locks/torch.txt: torch has no hash"]


def test_every_licence_is_allowed() -> None:
    assert licences.refused() == []


def test_a_licence_that_is_not_allowed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences, "ALLOWED", licences.ALLOWED - {"LGPL-3.0-only"})
    refused = licences.refused()
    assert [sentence.partition(":")[0] for sentence in refused] == [
        "psycopg",
        "psycopg-binary",
        "psycopg-pool",
    ]


def test_two_builds_of_the_wheel_have_one_digest(tmp_path: Path) -> None:
    one, another = wheel.build_twice(tmp_path)
    assert wheel.digest(one) == wheel.digest(another)


def test_every_shipped_weight_has_a_statement_of_where_it_comes_from() -> None:
    said = {
        subject["name"]: subject["digest"]["sha256"]
        for statement in STATEMENTS
        for subject in json.loads(statement.read_text())["subject"]
    }
    shipped = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in WEIGHTS.iterdir()
        if file.suffix in {".safetensors", ".onnx", ".json"} and file not in STATEMENTS
    }
    assert said == shipped


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda path: path.name)
def test_a_statement_says_recipe_data_licence_and_card(statement: Path) -> None:
    told = json.loads(statement.read_text())
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert told["predicateType"] == "https://slsa.dev/provenance/v1"
    definition = told["predicate"]["buildDefinition"]
    made = definition["externalParameters"]
    assert statement.name.startswith(made["kind"])
    card = (WEIGHTS / made["card"]).read_text()
    assert made["licence"] in card
    assert f"{made['learned_from']:,}" in card
    assert made["recipe"]
    for source in definition["resolvedDependencies"]:
        if "digest" in source:
            assert source["digest"]["sha256"] == IMAGENET_SHA256
            assert IMAGENET_SHA256 in card
        else:
            assert source["annotations"]["licences"]

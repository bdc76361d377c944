"""`trueprint policy` in a terminal: what it says of mistakes, and what it leaves as it was."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sdk import gate_calls
from sdk.cli import app
from sdk.cli.output import CHECK_FAILED
from sdk.models import Role, Scope
from tests.pictures import encoded
from tests.world import Party, World

FAILING = """\
pack: chat
version: 1.1.0
title: A pack with a case that fails
summary: It cannot be switched on.
rules: []
cases:
  - {name: Everything is refused, then: refuse}
"""


@pytest.fixture
def platform(world: World) -> Party:
    return world.enrol("Chat", Role.PLATFORM)


def run(world: World, platform: Party, *words: str) -> Result:
    here = ["--url", world.url, "--api-key", platform.api_key.secret]
    return CliRunner().invoke(app, ["policy", *words, *here])


def test_a_setting_that_cannot_be_is_said_in_one_line(world: World, platform: Party) -> None:
    for address in ("nonsense", "http://chat.example/appeal"):
        done = run(world, platform, "settings", "--dispute-url", address)
        assert done.exit_code == 2
        assert done.stderr.split("\n")[0].endswith("dispute_url: must be an https address, or empty")


def test_a_file_whose_cases_fail_is_not_kept(world: World, platform: Party, tmp_path: Path) -> None:
    path = tmp_path / "chat.yaml"
    path.write_text(FAILING)
    done = run(world, platform, "activate", str(path), "--why", "to try it")
    assert done.exit_code != 0
    assert "1 of its cases fail" in done.stderr.replace("\n", " ")
    assert "chat" not in {pack.name for pack in platform.client.send(gate_calls.list_packs())}


def test_a_file_that_is_no_text_is_said_in_one_line(world: World, platform: Party, tmp_path: Path) -> None:
    path = tmp_path / "latin1.yaml"
    path.write_bytes("title: Retouché".encode("latin-1"))
    for command in (["check"], ["test"]):
        done = CliRunner().invoke(app, ["policy", *command, str(path)])
        assert (done.exit_code, done.exception.__class__) == (CHECK_FAILED, SystemExit)
        assert "is no text in UTF-8" in done.stderr.replace("\n", " ")
    assert "is no text in UTF-8" in run(world, platform, "add", str(path)).stderr.replace("\n", " ")


def test_a_list_says_that_there_is_more(world: World, platform: Party) -> None:
    platform.client.send(gate_calls.activate("label-only", "first"))
    for name in ("cat", "rocket"):
        platform.client.gate(encoded(name))
    here = ["--url", world.url, "--api-key", platform.api_key.secret, "--json"]
    some = CliRunner().invoke(app, ["decisions", "list", "--limit", "1", *here])
    assert len(some.stdout.splitlines()) == 1
    assert "there are more: give a larger --limit" in some.stderr
    every = CliRunner().invoke(app, ["decisions", "list", "--limit", "2", *here])
    assert (len(every.stdout.splitlines()), every.stderr) == (2, "")


def test_a_shadow_that_has_seen_nothing_yet_runs_all_the_same(world: World, platform: Party) -> None:
    platform.client.send(gate_calls.activate("label-only", "first"))
    assert "no pack runs, or ran" in run(world, platform, "shadow").stderr.replace("\n", " ")
    assert run(world, platform, "shadow", "newsroom").exit_code == 0
    done = run(world, platform, "shadow")
    assert done.exit_code == 0
    assert done.stdout == "newsroom@1.0.0 runs in the shadow\nIt saw no upload in the last 30 days.\n"
    platform.client.gate(encoded("cat"))
    assert "1 decision since" in run(world, platform, "shadow").stdout
    assert run(world, platform, "shadow", "meta-label").exit_code == 0
    done = run(world, platform, "shadow")
    assert done.stdout == "meta-label@1.0.0 runs in the shadow\nIt saw no upload in the last 30 days.\n"
    assert run(world, platform, "shadow", "--end").exit_code == 0
    assert "1 decision since" in run(world, platform, "shadow").stdout
    newest = platform.client.send(gate_calls.list_activations())[0]
    assert newest.why == "it has run long enough"


def test_a_platform_is_enrolled_with_what_the_gate_needs(world: World) -> None:
    operator = ["--url", world.url, "--api-key", world.operator_secret, "--contact", "desk@chat.example"]
    words = ["enrol", "--name", "Chat", "--role", "platform", *operator]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "match, read_decisions" in done.stdout.replace("\n", " ")
    words = ["enrol", "--name", "Board", "--role", "platform", "--scope", Scope.GATE, *operator]
    assert "It may: gate\n" in CliRunner().invoke(app, words).stdout

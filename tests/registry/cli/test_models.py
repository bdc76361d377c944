"""`trueprint models` as an operator types it; the weights come from a server on this machine."""

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from indexer.fingerprints import models
from indexer.fingerprints.kinds import DESCRIPTOR, DESCRIPTOR_V1, SSCD
from indexer.fingerprints.models import SSCD_MIXUP
from sdk.cli import app

CONTENT = b"weights" * 100_000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sscd_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/sscd.pt"
        digest = hashlib.sha256(CONTENT).hexdigest()
        here = replace(SSCD_MIXUP, url=url, sha256=digest, file_bytes=len(CONTENT))
        monkeypatch.setitem(models.CATALOGUE, SSCD.name, here)
        yield
        server.shutdown()


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["models", *arguments], input=answer)


def listed(home: Path) -> dict[str, dict[str, Any]]:
    done = run("list", "--home", str(home), "--json")
    assert done.exit_code == 0
    return {row["kind"]: row for row in json.loads(done.stdout)["models"]}


@pytest.mark.usefixtures("sscd_here")
def test_a_licence_is_shown_before_anything_is_fetched(tmp_path: Path) -> None:
    refused = run("pull", SSCD.name, "--home", str(tmp_path), answer="n\n")
    assert refused.exit_code == 2
    assert "MIT" in refused.stdout
    assert SSCD_MIXUP.licence_url is not None
    assert SSCD_MIXUP.licence_url in refused.stdout
    assert not listed(tmp_path)[SSCD.name]["present"]
    accepted = run("pull", SSCD.name, "--home", str(tmp_path), answer="y\n")
    assert accepted.exit_code == 0
    assert listed(tmp_path)[SSCD.name]["present"]
    assert (tmp_path / "models" / "sscd.v1.pt").read_bytes() == CONTENT
    assert "is here" in run("pull", SSCD.name, "--home", str(tmp_path)).stdout


@pytest.mark.usefixtures("sscd_here")
def test_another_file_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(models.CATALOGUE[SSCD.name], sha256="0" * 64)
    monkeypatch.setitem(models.CATALOGUE, SSCD.name, other)
    refused = run("pull", SSCD.name, "--home", str(tmp_path), "--yes")
    assert refused.exit_code == 4
    assert "pinned is 000" in refused.stderr
    assert not listed(tmp_path)[SSCD.name]["present"]


def test_the_chosen_descriptor_is_remembered_and_must_be_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listed(tmp_path)[DESCRIPTOR.name]["in_use"]
    assert run("use", DESCRIPTOR_V1.name, "--home", str(tmp_path)).exit_code == 0
    assert listed(tmp_path)[DESCRIPTOR_V1.name]["in_use"]
    absent = run("use", SSCD.name, "--home", str(tmp_path))
    assert absent.exit_code == 4
    assert "trueprint models pull sscd.v1" in absent.stderr
    unknown = run("use", "nope.v1", "--home", str(tmp_path))
    assert unknown.exit_code == 2
    assert DESCRIPTOR.name in unknown.stderr
    assert listed(tmp_path)[DESCRIPTOR_V1.name]["in_use"]
    monkeypatch.setenv("TRUEPRINT_DESCRIPTOR", DESCRIPTOR_V1.name)
    contradicted = run("use", DESCRIPTOR.name, "--home", str(tmp_path))
    assert contradicted.exit_code == 2
    assert "TRUEPRINT_DESCRIPTOR" in contradicted.stderr


def test_a_file_that_is_no_model_is_refused_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "odd.onnx"
    file.write_bytes(b"no model")
    refused = run("add", str(file), "--kind", "odd.v1", "--side", "64", "--home", str(tmp_path / "home"))
    assert refused.exit_code == 4
    assert "odd.onnx" in refused.stderr
    assert "odd.v1" not in listed(tmp_path / "home")

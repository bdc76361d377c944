import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from sdk.add_checkpoint import MAXIMUM_REQUEST_BYTES, SIZE_MEDIA_TYPE
from sdk.cli import app
from sdk.cosignature import parse_witness_key, verify_cosignatures
from sdk.witness.state import name_of
from tests.witnesses import SmallLog, serving_witness, witness

LOG = SmallLog()
TRUEPRINT = Path(sys.executable).with_name("trueprint")


def keygen(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["witness-keygen", *arguments])
    return result.stdout if result.exit_code == 0 else f"{result.exit_code}: {result.stderr}"


def test_a_log_asks_over_http_and_anybody_reads_what_was_cosigned_last(tmp_path: Path) -> None:
    made = witness(tmp_path / "state", LOG.vkey)
    with serving_witness(made) as url, httpx2.Client(base_url=url) as client:
        checkpoint = f"/{name_of(LOG.origin)}/checkpoint"
        assert client.get(checkpoint).status_code == 404
        answer = client.post("/add-checkpoint", content=LOG.request(0, 3).body())
        assert answer.status_code == 200
        assert len(verify_cosignatures(LOG.note(3) + answer.text, [made.key])) == 1
        behind = client.post("/add-checkpoint", content=LOG.request(0, 4).body())
        assert (behind.status_code, behind.headers["content-type"], behind.text) == (
            409,
            SIZE_MEDIA_TYPE,
            "3\n",
        )
        assert client.get(checkpoint).text == LOG.note(3) + answer.text
        assert client.get(f"/{name_of('another.example')}/checkpoint").status_code == 404
        assert made.key.text() in client.get("/").text
        assert client.get("/add-checkpoint").status_code == 405
        large = client.post("/add-checkpoint", content=bytes(MAXIMUM_REQUEST_BYTES + 1))
        assert large.status_code == 413


@contextmanager
def running(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    files = ("--key", str(tmp_path / "key"), "--logs", str(tmp_path / "logs"))
    command = [str(TRUEPRINT), "witness", *files, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("Witness"))
        try:
            yield line.split()[-1], process
        finally:
            process.kill()


@pytest.mark.slow
def test_the_command_cosigns_survives_a_kill_and_ends_when_it_is_told(tmp_path: Path) -> None:
    vkey = keygen(str(tmp_path / "key"), "--name", "witness.example/w1").strip()
    (tmp_path / "logs").write_text(f"logs/v0\nvkey {LOG.vkey.text()}\n")
    with running(tmp_path) as (url, process):
        for old, size in ((0, 3), (3, 7)):
            answer = httpx2.post(f"{url}add-checkpoint", content=LOG.request(old, size).body())
            assert len(verify_cosignatures(LOG.note(size) + answer.text, [parse_witness_key(vkey)])) == 1
        os.kill(process.pid, signal.SIGKILL)
    with running(tmp_path) as (url, process):
        fork = SmallLog(mark="other").request(3, 7)
        assert httpx2.post(f"{url}add-checkpoint", content=fork.body()).text == "7\n"
        process.terminate()
        assert process.wait(timeout=30) == 128 + signal.SIGTERM


def test_what_keygen_cannot_do_is_said_and_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file = str(tmp_path / "key")
    assert keygen(file, "--name", "witness example").startswith("2: ")
    vkey = keygen(file, "--name", "witness.example/w1").strip()
    assert parse_witness_key(vkey).name == "witness.example/w1"
    assert "exists" in keygen(file, "--name", "witness.example/w1")
    assert "No such file" in keygen(str(tmp_path / "no" / "key"), "--name", "witness.example/w1")


def test_a_witness_that_cannot_start_says_why(tmp_path: Path) -> None:
    key, logs = str(tmp_path / "key"), str(tmp_path / "logs")

    def start() -> str:
        result = CliRunner().invoke(app, ["witness", "--key", key, "--logs", logs, "--port", "0"])
        assert result.exit_code == 1 or isinstance(result.exception, SystemExit)
        return result.stderr

    assert "No such file" in start()
    keygen(key, "--name", "witness.example/w1")
    assert "logs" in start()
    Path(logs).write_text("logs/v0\n")
    (tmp_path / "key.state").rmdir()
    assert "make a new key" in start().replace("\n", " ")

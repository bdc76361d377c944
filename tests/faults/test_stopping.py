"""SIGTERM ends the service in time whatever runs, and what was accepted goes on at the next start."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.pictures import encoded
from tests.videos import original

PROGRAM = Path(sys.executable).with_name("trueprint")
READY_WITHIN_S = 120.0
TEN_SECONDS = 10.0
NAMES = ("coffee", "cat")


@contextmanager
def serving(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx2.Client]]:
    """The service as an operator runs it, and a client with the operator's key."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = os.environ | {"TRUEPRINT_HOME": str(home), "TRUEPRINT_DECODER_WORKERS": "1"}
    command = [str(PROGRAM), "serve", "--port", str(port)]
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                deadline = time.monotonic() + READY_WITHIN_S
                while not is_ready(http):
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                key = (home / "keys" / "operator.key").read_text().strip()
                http.headers["authorization"] = f"Bearer {key}"
                yield process, http
        finally:
            process.kill()


def is_ready(http: httpx2.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx2.HTTPError:
        return False


def decoders_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "indexer.media.worker" in child.cmdline()]


def another_thread_of(process: subprocess.Popen[bytes]) -> int:
    """Not the main one: the system may hand a signal for the process to any of them."""
    return next(thread.id for thread in psutil.Process(process.pid).threads() if thread.id != process.pid)


@pytest.mark.slow
def test_sigterm_ends_everything_and_jobs_go_on(home: Path) -> None:
    clip, picture = {"media": ("clip.mp4", original(*NAMES))}, {"media": ("coffee.jpg", encoded("coffee"))}
    with serving(home) as (process, http):
        http.post("/v1/match", files=picture).raise_for_status()
        job = http.post("/v1/match", files=clip, headers={"Prefer": "wait=0"}).json()
        for decoder in decoders_of(process):  # from here on nothing that is decoded ever ends
            decoder.send_signal(signal.SIGSTOP)

        def hang() -> None:
            with suppress(httpx2.HTTPError):
                http.post("/v1/match", files=picture)

        uploads = [threading.Thread(target=hang) for _ in range(3)]
        for upload in uploads:
            upload.start()
        with http.stream("GET", job["events"]) as events:
            assert events.status_code == 200
            os.kill(another_thread_of(process), signal.SIGTERM)
            process.wait(TEN_SECONDS)
        for upload in uploads:
            upload.join()
        assert process.returncode == 128 + signal.SIGTERM
    with serving(home) as (_, http):
        deadline = time.monotonic() + READY_WITHIN_S
        while (state := http.get(f"/v1/jobs/{job['id']}").json())["status"] not in ("done", "failed"):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert state["status"] == "done"


@pytest.mark.slow
def test_what_is_being_answered_at_a_sigterm_is_answered(home: Path) -> None:
    picture = {"media": ("coffee.jpg", encoded("coffee"))}
    answered: list[int] = []
    with serving(home) as (process, http):
        http.post("/v1/match", files=picture).raise_for_status()
        decoders = decoders_of(process)
        for decoder in decoders:
            decoder.send_signal(signal.SIGSTOP)
        upload = threading.Thread(
            target=lambda: answered.append(http.post("/v1/match", files=picture).status_code)
        )
        upload.start()
        time.sleep(1.0)  # it waits for a decoder by now
        process.terminate()
        time.sleep(0.7)  # of the two seconds that what is being answered has
        for decoder in decoders:
            decoder.send_signal(signal.SIGCONT)
        upload.join()
        process.wait(TEN_SECONDS)
    assert answered == [200]
    assert process.returncode == 128 + signal.SIGTERM

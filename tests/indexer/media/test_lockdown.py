"""A decoder that an upload took over gets nothing, whatever it tries, and the server goes on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from indexer.media import kernel, privileges
from tests.indexer.media.taken_over import ATTEMPTS, SECRET

pytestmark = pytest.mark.skipif(kernel.architecture() is None, reason="the layers are those of Linux")

ANY_USER = 1000
MEMORY = (
    "write the server's memory",
    "write the server's memory by process_vm_writev",
    "read the server's memory by process_vm_readv",
    "trace the server",
    "take the server's socket",
)
FILES = ("read a key file", "list a folder", "write a file")
# What each layer stops by itself: as root, and as a user.
BY_ITSELF: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "name_spaces": (
        ("connect to the server", "connect to an abstract socket"),
        (*MEMORY, "connect to the server", "connect to an abstract socket"),
    ),
    "empty_root": ((*FILES, "ask about a file", "run a program"),) * 2,
    "another_user": ((*FILES, *MEMORY, "limit the server", "signal the server", "become root"), ()),
    "no_rights": (("mount", "change the root", "bpf"),) * 2,
    "landlock": ((*FILES, *MEMORY, "run a program"),) * 2,
    "no_new_descriptors": (
        (
            *FILES,
            "take the server's socket",
            "connect to the server",
            "make two sockets",
            "make a file in memory",
            "write the server's memory",
        ),
    )
    * 2,
    "system_calls": (tuple(name for name in ATTEMPTS if name != "raise its own limits"),) * 2,
}


class Started:
    """The stand-in server, in a process of its own."""

    def __init__(self, folder: Path, uid: int, hidden: str = "") -> None:
        folder.chmod(0o700)
        os.chown(folder, uid, uid)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.indexer.media.taken_over", str(folder), str(uid), hidden],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server has gone"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def try_(self, layer: str, attempt: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps((layer, attempt)) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def started(uid: int, hidden: str = "") -> Iterator[Started]:
    # Not pytest's folder, which it closes to other users whenever it begins anew.
    with TemporaryDirectory() as folder:
        server = Started(Path(folder), uid, hidden)
        yield server
        server.close()


@pytest.fixture(scope="module", params=["as it runs here", "as a user"])
def server(request: pytest.FixtureRequest) -> Iterator[Started]:
    if request.param == "as a user" and privileges.why_no_other_user():
        pytest.skip("the tests cannot change users")
    with started(os.getuid() if "here" in request.param else ANY_USER) as running:
        yield running


def got_nothing(answer: dict[str, Any]) -> bool:
    killed = answer["status"] == -signal.SIGSYS and not answer["said"]
    return killed or (answer["status"] == 0 and str(answer["said"]).startswith("refused"))


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_decoder_that_was_taken_over_gets_nothing(server: Started, attempt: str) -> None:
    answer = server.try_("all", attempt)
    assert got_nothing(answer), answer
    assert (answer["secret"], answer["files"]) == (SECRET.decode(), ["key"])


@pytest.mark.parametrize("attempt", ["read a key file", "write a file", "start a process", *MEMORY[:1]])
def test_without_the_lock_down_it_gets_what_it_wants(server: Started, attempt: str) -> None:
    answer = server.try_("none", attempt)
    assert answer["said"].startswith("got"), answer


@pytest.mark.parametrize("layer", BY_ITSELF)
def test_each_layer_holds_by_itself_what_it_is_said_to_stop(
    server: Started, layer: str, request: Any
) -> None:
    is_root = os.getuid() == 0 and "user" not in request.node.callspec.params["server"]
    attempts = BY_ITSELF[layer][0 if is_root else 1]
    answers = {attempt: server.try_(layer, attempt) for attempt in attempts}
    if missing := {answer["said"] for answer in answers.values() if answer["said"].startswith("no layer")}:
        pytest.skip(f"not on this machine: {missing.pop()}")
    assert not {name: answer for name, answer in answers.items() if not got_nothing(answer)}


THREADED = """
import json, threading
from indexer.media.limits import WorkerLimits
from indexer.media.lockdown import lock_down
go = threading.Event()
other = threading.Thread(target=lambda: go.wait() and open("/etc/passwd").read())
other.start()
layers = lock_down(WorkerLimits())
print(json.dumps({layer.name: layer.why_not for layer in layers}))
import errno
threading.excepthook = lambda failed: print(failed.exc_value.errno == errno.EACCES)
go.set()
other.join()
"""


def test_a_thread_that_ran_before_it_is_told_and_held_by_what_holds_for_all() -> None:
    child = subprocess.run([sys.executable, "-c", THREADED], check=True, capture_output=True, text=True)
    layers, is_refused = child.stdout.splitlines()
    why_not = json.loads(layers)
    for name in ("name_spaces", "no_rights", "landlock"):
        assert "threads were running" in why_not[name] or "no name spaces" in why_not[name]
    assert why_not["system_calls"] is None
    assert is_refused == "True"


def test_the_decoders_are_loaded_without_leaving_a_thread() -> None:
    load = "from indexer.media import kernel, warming, worker; warming.load_decoders()"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.run(
        [sys.executable, "-c", f"{load}; print(kernel.threads())"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert child.stdout == "1\n"


def test_what_is_hidden_is_closed_to_its_own_user() -> None:
    if os.getuid() == 0 and privileges.why_no_other_user():
        pytest.skip("nothing is closed to root")
    with started(os.getuid() or ANY_USER, "hidden") as hidden:
        answers = {attempt: hidden.try_("none", attempt) for attempt in MEMORY}
    assert not {name: answer for name, answer in answers.items() if not got_nothing(answer)}

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from registry.errors import BadWitnesses
from registry.log import witness_client
from registry.log.witness_client import Answer, Contradicted, NotAnswered, OtherSize, ask
from registry.log.witness_file import read_policy, require_this_log
from sdk.add_checkpoint import SIZE_MEDIA_TYPE
from sdk.cosignature import CLOCKS_DIFFER_S, Cosignature, cosign
from sdk.witness_policy import NamedWitness
from tests.witnesses import SmallLog, serving, signer

LOG, SIGNER = SmallLog(), signer()
REQUEST, RESUBMITTED = LOG.request(3, 9), LOG.request(9, 9)
NOW = 1_767_225_600


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_client, "time", lambda: float(NOW))


def line(at: int = NOW, number: int = 1, note: str = REQUEST.note) -> bytes:
    who = signer(number)
    return cosign(note, who.private_key, who.name, at).encode() + b"\n"


@dataclass
class Scripted:
    """A server that answers as it is told, in pieces."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        encoded = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def scripted() -> Iterator[tuple[Scripted, str]]:
    script = Scripted()
    with ExitStack() as stack:
        yield script, stack.enter_context(serving(script))


def asked(url: str, resubmitted: bool = False) -> Answer:
    async def once() -> Answer:
        async with httpx2.AsyncClient(timeout=5.0) as client:
            witness = NamedWitness("w", SIGNER.key, f"{url}/prefix/")
            return await ask(client, witness, RESUBMITTED if resubmitted else REQUEST)

    return asyncio.run(once())


SIZE = {"content-type": SIZE_MEDIA_TYPE}
TEXT = {"content-type": "text/plain"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "says"),
    [
        (200, TEXT, b"", "no line of the key"),
        (200, TEXT, b"nonsense\n", "its answer does not hold"),
        (200, TEXT, b"\xff\n", "is no cosignature"),
        (200, TEXT, line()[:-9] + b"AAAA\n", "its answer does not hold"),
        (200, TEXT, line(note=LOG.note(8)), "does not verify"),
        (200, TEXT, line(number=2), "no line of the key"),
        (200, TEXT, line(NOW - CLOCKS_DIFFER_S - 60), "its clock"),
        (200, TEXT, line(NOW + CLOCKS_DIFFER_S + 60), "its clock"),
        (200, TEXT, line() + b"x" * 20_000, "too long"),
        (400, TEXT, b"", "cannot read"),
        (403, TEXT, b"", "does not trust"),
        (404, TEXT, b"", "does not know"),
        (409, TEXT, b"8\n", "names no size"),
        (409, SIZE, b"8", "names no size"),
        (409, SIZE, b"08\n", "names no size"),
        (409, SIZE, b"99999999999999999999\n", "names no size"),
        (429, TEXT, b"", "not cosign now"),
        (500, TEXT, b"", "not cosign now"),
        (302, {"location": "/add-checkpoint"}, b"", "status 302"),
    ],
)
def test_what_is_no_cosignature_does_not_count(
    scripted: tuple[Scripted, str], status: int, headers: dict[str, str], body: bytes, says: str
) -> None:
    script, url = scripted
    script.status, script.headers, script.pieces = status, headers, (body,)
    answer = asked(url)
    assert isinstance(answer, NotAnswered)
    assert says in answer.why


@pytest.mark.parametrize(
    ("status", "headers", "body", "resubmitted", "answer"),
    [
        (409, SIZE, b"8\n", False, OtherSize(8)),
        (409, {"content-type": f"{SIZE_MEDIA_TYPE}; charset=utf-8"}, b"8\n", False, OtherSize(8)),
        (409, SIZE, b"12\n", True, OtherSize(12)),
        (409, SIZE, b"3\n", False, Contradicted("it cosigned another tree of 3 entries")),
        (409, SIZE, b"9\n", True, Contradicted("it cosigned another tree of 9 entries")),
        (409, TEXT, b"the roots differ", True, Contradicted("it cosigned another tree of 9 entries")),
    ],
)
def test_a_409_is_another_size_or_a_fork(
    scripted: tuple[Scripted, str],
    status: int,
    headers: dict[str, str],
    body: bytes,
    resubmitted: bool,
    answer: Answer,
) -> None:
    script, url = scripted
    script.status, script.headers, script.pieces = status, headers, (body,)
    assert asked(url, resubmitted) == answer


def test_a_422_is_a_fork_and_a_line_of_the_key_among_others_is_a_cosignature(
    scripted: tuple[Scripted, str],
) -> None:
    script, url = scripted
    script.status, script.headers, script.pieces = 422, TEXT, (b"",)
    assert isinstance(asked(url), Contradicted)
    script.status, script.pieces = 200, (line(number=2), line()[:20], line()[20:])
    answer = asked(url)
    assert isinstance(answer, Cosignature)
    assert (answer.key, answer.at) == (SIGNER.key, NOW)


def test_a_long_answer_is_cut_and_a_server_that_is_not_there_is_named(
    scripted: tuple[Scripted, str],
) -> None:
    script, url = scripted
    script.status, script.headers, script.pieces = 200, TEXT, (b"x" * 1000,) * 100
    assert asked(url) == NotAnswered("its answer is too long")
    with serving(Scripted()) as gone:
        pass
    answer = asked(gone)
    assert isinstance(answer, NotAnswered)
    assert "cannot be reached" in answer.why


WITNESS = f"witness w {SIGNER.key.text()}"
OTHER = SmallLog("other.example", 2).vkey.text()
MANY = "".join(f"witness w{n} {signer(n).key.text()} https://w.example/{n}\n" for n in range(16))


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (None, "No such file"),
        ("quorum w", "line 1: 'w' is named before"),
        ("quorum none", "leave the file out"),
        (f"{WITNESS}\nquorum w", "has no address"),
        (f"{WITNESS} ftp://w.example\nquorum w", "has no address"),
        (f"{WITNESS} https://user@w.example\nquorum w", "has no address"),
        (f"{WITNESS} https://w.example/?a=b\nquorum w", "has no address"),
        (f"{WITNESS} https:///x\nquorum w", "has no address"),
        (f"log {OTHER}\n{WITNESS} https://w.example/\nquorum w", "none is this one"),
        (f"{MANY}quorum w0", "has room for 15"),
    ],
)
def test_a_policy_that_cannot_be_lived_by_is_refused(tmp_path: Path, policy: str | None, says: str) -> None:
    file = tmp_path / "witnesses"
    if policy is not None:
        file.write_text(policy)
    with pytest.raises(BadWitnesses, match=says):
        require_this_log(read_policy(file), [LOG.vkey])


def test_a_policy_that_names_this_log_and_where_its_witnesses_are_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "witnesses"
    file.write_text(f"log {OTHER}\nlog {LOG.vkey.text()}\n{WITNESS} https://w.example/\nquorum w")
    policy = read_policy(file)
    require_this_log(policy, [LOG.vkey])
    require_this_log(policy, [LOG.vkey, SmallLog(seed=3).vkey])  # a successor that it does not name yet
    assert policy.is_met([SIGNER.key])

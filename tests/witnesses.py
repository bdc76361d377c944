"""Witnesses for tests: logs that are signed by seeds, and witnesses of ours that can be asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette

from sdk.add_checkpoint import AddCheckpoint
from sdk.checkpoint import Checkpoint, VerifierKey, sign_checkpoint, verifier_key
from sdk.merkle import leaf_hash, root_of
from sdk.tiles import consistency_proof
from sdk.witness.cosigning import Witness
from sdk.witness.keys import WitnessSigner
from sdk.witness.logs import WatchedLog
from sdk.witness.server import create_app, listen
from sdk.witness.state import State, create_state
from tests.waiting import soon


class SmallLog:
    """A log of up to 256 entries, all in memory, that can show any of its sizes, or another tree."""

    def __init__(self, origin: str = "log.example", seed: int = 1, mark: str = "") -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.origin = origin
        self.leaves = [leaf_hash(f"{mark}{number}".encode()) for number in range(256)]

    @property
    def vkey(self) -> VerifierKey:
        return verifier_key(self.key, self.origin)

    def note(self, size: int) -> str:
        return sign_checkpoint(Checkpoint(self.origin, size, root_of(self.leaves[:size])), self.key)

    def request(self, old: int, size: int) -> AddCheckpoint:
        tile = b"".join(self.leaves)
        proof = consistency_proof(lambda level, number: tile, old, size)
        return AddCheckpoint(old, tuple(proof), self.note(size))


def signer(number: int = 1) -> WitnessSigner:
    key = Ed25519PrivateKey.from_private_bytes(bytes([100 + number]) * 32)
    return WitnessSigner(f"witness.example/w{number}", key)


def witness(folder: Path, *keys: VerifierKey, number: int = 1) -> Witness:
    """A witness for the logs with these keys; it goes on where one with this folder ended."""
    if not folder.exists():
        create_state(folder)
    return Witness(signer(number), {key.name: WatchedLog(key.name, key) for key in keys}, State(folder))


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serves on a free port of the loopback; yields the address."""
    with listen("127.0.0.1", 0) as listener:
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert soon(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving_witness(made: Witness) -> Iterator[str]:
    with serving(create_app(made)) as url:
        yield url

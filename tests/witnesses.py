"""Witnesses for tests: logs that are signed by seeds, and witnesses of ours that can be asked."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.operate.bootstrap import open_log
from registry.storage import db
from sdk.add_checkpoint import AddCheckpoint
from sdk.bounded_connections import listen
from sdk.checkpoint import Checkpoint, VerifierKey, sign_checkpoint, verifier_key
from sdk.merkle import leaf_hash, root_of
from sdk.tiles import consistency_proof
from sdk.witness.cosigning import Answer, Witness
from sdk.witness.keys import WitnessSigner
from sdk.witness.logs import WatchedLog
from sdk.witness.server import create_app
from sdk.witness.state import State, create_state
from tests.waiting import soon
from tests.world import DatabaseServer, World


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
def serving(app: ASGIApp) -> Iterator[str]:
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


class FrontedWitness:
    """A witness that can be made to answer something else, or nothing until it is let go."""

    def __init__(self, made: Witness) -> None:
        self.made, self._app = made, create_app(made)
        self.instead: Answer | None = None
        self.hangs = False
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        while self.hangs:
            await asyncio.sleep(0.01)
        if self.instead is None:
            await self._app(scope, receive, send)
            return
        headers = {"Content-Type": self.instead.media_type}
        await Response(self.instead.body, self.instead.status, headers)(scope, receive, send)


GONE = Answer(503, "not now")


class WitnessedWorld(World):
    """A registry whose log three witnesses cosign, two of which are enough."""

    def __init__(self, server: DatabaseServer, home: Path, **settings: Any) -> None:
        self.server, self._policy = server, home / "policy"
        super().__init__(server, home, witnesses=self._policy, witness_timeout_s=5.0, **settings)
        log = open_log(self.settings)
        with db.transaction(self.engine) as session:
            self.log_key = log.current_key(session)
        self.witnesses = [
            FrontedWitness(witness(home / f"w{number}", self.log_key, number=number)) for number in range(3)
        ]
        self.witness_keys = [signer(number).key for number in range(3)]
        self._serving = ExitStack()
        self.urls = [self._serving.enter_context(serving(fronted)) for fronted in self.witnesses]
        self.write_policy()

    def __exit__(self, *error: object) -> None:
        for fronted in self.witnesses:
            fronted.hangs = False
        super().__exit__(*error)
        self._serving.close()

    def write_policy(self, quorum: str = "2") -> None:
        lines = [
            f"witness w{number} {key.text()} {url}/"
            for number, (key, url) in enumerate(zip(self.witness_keys, self.urls, strict=True))
        ]
        self._policy.write_text("\n".join((*lines, f"group g {quorum} w0 w1 w2", "quorum g", "")))

    def answer_instead(self, answer: Answer | None, *numbers: int) -> None:
        for number in numbers:
            self.witnesses[number].instead = answer

    def copied(self, home: Path) -> World:
        """Another registry from a copy of everything that this one has now; this one must be stopped."""
        self.engine.dispose()
        shutil.copytree(self.settings.home, home, dirs_exist_ok=True)
        copy = World.__new__(World)
        name = self.engine.url.database
        assert name is not None
        url = self.server.new_database(template=name)
        copy.settings = self.settings.model_copy(update={"home": home, "database_url": url})
        copy.engine = db.connect(url)
        copy.operator_secret, copy._clients = self.operator_secret, []
        return copy

    def checkpoint(self) -> str:
        return httpx2.get(f"{self.url}/log/checkpoint").text


@contextmanager
def serving_witness(made: Witness) -> Iterator[str]:
    with serving(create_app(made)) as url:
        yield url

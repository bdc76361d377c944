"""Two API nodes and two search nodes on one database, as processes; one of each is killed under load."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from sdk.client import Client
from sdk.errors import SdkError
from sdk.local import local_registration
from sdk.models import FingerprintQuery, FingerprintRegistration, FingerprintValue
from sdk.records import AssetClass
from tests.waiting import soon
from tests.world import Party, World

SECRET = "known to all nodes of this registry"
READY_WITHIN_S = 60.0
PROGRAM = Path(sys.executable).with_name("trueprint")
LEAST, CLIENTS = 7, 3  # registrations between one death and the next


class Node:
    """One process of the registry."""

    def __init__(self, world: World, role: str, search_nodes: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [str(PROGRAM), "serve", "--role", role, "--port", str(self.port)]
        self._said = world.settings.home / f"{role}-{self.port}.log"
        self._env = os.environ | {
            "TRUEPRINT_HOME": str(world.settings.home),
            "TRUEPRINT_DATABASE_URL": str(world.settings.database_url),
            "TRUEPRINT_SEARCH_SECRET": SECRET,
            "TRUEPRINT_SEARCH_NODES": search_nodes,
            "TRUEPRINT_DECODER_WORKERS": "1",
        }

    @contextmanager
    def running(self) -> Iterator["Node"]:
        with (
            self._said.open("ab") as said,
            subprocess.Popen(self._command, env=self._env, stderr=said) as self._process,
        ):
            try:
                yield self
            finally:
                self._process.send_signal(signal.SIGINT)

    def wait(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, self._said.read_text()
                assert time.monotonic() < deadline, "the node does not listen"
                time.sleep(0.1)

    def kill(self) -> None:
        self._process.kill()


class Load:
    """Registers random fingerprints on one node, and asks for them on another."""

    def __init__(self, desk: Party, nodes: list[Node]) -> None:
        self.desk, self.nodes = desk, nodes
        self.acknowledged: dict[str, str] = {}  # record by fingerprint
        self.wrong: list[str] = []
        self.stopping = threading.Event()
        self._seen = 0

    def goes_on(self) -> bool:
        """Whether so many were acknowledged since it last did."""
        if len(self.acknowledged) < self._seen + LEAST:
            return False
        self._seen = len(self.acknowledged)
        return True

    def run(self) -> None:
        with ExitStack() as stack:
            secret = self.desk.api_key.secret
            clients = [stack.enter_context(Client(node.url, secret)) for node in self.nodes]
            while not self.stopping.is_set():
                code = f"pdq.v1:{secrets.token_hex(32)}"
                request = self._request(code)
                register = partial(_register, request=request)
                find = partial(find_by, code=code)
                record = self._until_answered(clients, register)
                found = self._until_answered(clients[::-1], find)
                if record is None or found != record:
                    self.wrong.append(f"{record} was acknowledged, then {found} was found")
                else:
                    self.acknowledged[code] = record

    def _request(self, code: str) -> FingerprintRegistration:
        value = FingerprintValue(value=code, quality=100)
        digest, issuer = secrets.token_hex(32), self.desk.publisher.issuer
        return local_registration([value], issuer, AssetClass.AUTHENTIC, digest, "a picture", self.desk.key)

    def _until_answered(self, clients: list[Client], call: Callable[[Client], str | None]) -> str | None:
        """As a client with two addresses does: the other one when the first is gone."""
        for client in clients:
            try:
                return call(client)
            except SdkError as error:
                reason = f"{type(error).__name__}: {error}"
        self.wrong.append(reason)
        return None


def _register(client: Client, request: FingerprintRegistration) -> str:
    return client.register_fingerprints(request).record.id


def find_by(client: Client, code: str) -> str | None:
    values = (FingerprintValue(value=code, quality=100),)
    matches = client.match_fingerprints(FingerprintQuery(fingerprints=values)).matches
    return matches[0].record.id if matches else None


@pytest.mark.slow
def test_a_search_node_and_an_api_node_die_under_load_and_nothing_is_lost(world: World) -> None:
    desk = world.enrol("Daily Example")
    with ExitStack() as stack:
        search_nodes = [stack.enter_context(Node(world, "search").running()) for _ in range(2)]
        addresses = ",".join(node.url for node in search_nodes)
        nodes = [stack.enter_context(Node(world, "api", addresses).running()) for _ in range(2)]
        for node in (*search_nodes, *nodes):
            node.wait()
        load = Load(desk, nodes)
        threads = [threading.Thread(target=load.run) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for victim in (search_nodes[0], nodes[0]):
            assert soon(load.goes_on)
            victim.kill()
        assert soon(load.goes_on)
        load.stopping.set()
        for thread in threads:
            thread.join()
        assert load.wrong == []
        with Client(nodes[1].url, desk.api_key.secret) as client:
            for code, record in load.acknowledged.items():
                assert find_by(client, code) == record
            layers = {layer.name: layer.holds for layer in client.status().isolation}
            assert layers["hidden_server"] == (sys.platform == "linux")
        stack.enter_context(search_nodes[0].running())  # it comes back where it was
        search_nodes[0].wait()
        with Client(nodes[1].url, world.operator_secret) as operator:
            assert operator.audit().findings == ()
    world.audit()

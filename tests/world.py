"""The rig of all tests that need a registry: a migrated database, the real app over real HTTP, real keys,
the real SDK client. Only the descriptor is a stand-in: small, seeded, fast."""

import hashlib
import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from joserfc.jwk import ECKey
from sqlalchemy import create_engine, text

from indexer.fingerprints.embedding import ByCutting, Embedder
from indexer.fingerprints.kinds import DESCRIPTOR, PDQ, Kind, Vectors
from indexer.index.port import Index
from indexer.media.images import Pixels
from registry.app import create_app, running_services
from registry.cli.home import listening
from registry.index.local import LocalIndex
from registry.operate.bootstrap import initialise
from registry.services import Services
from registry.settings import Settings
from registry.storage import db
from sdk import models
from sdk.client import Client
from sdk.keys import generate_key, public_jwk
from sdk.models import NewApiKey, NewPublisher, Role, Scope
from sdk.possession import prove_possession
from sdk.records import AssetClass, Statement, new_statement, sign_statement

TEMPLATE = "template_trueprint"
OF_THE_GATE = (
    Scope.GATE,
    Scope.READ_DECISIONS,
    Scope.REVIEW_DECISIONS,
    Scope.WRITE_POLICIES,
    Scope.ACTIVATE_POLICIES,
)
ROLE_SCOPES = {
    Role.PUBLISHER: (Scope.REGISTER, Scope.MATCH),
    Role.PLATFORM: (Scope.MATCH, *OF_THE_GATE),
    Role.RESEARCHER: (Scope.REGISTER, Scope.MATCH, Scope.PUBLISH_FAKE, Scope.EVIDENCE),
    Role.REVIEWER: (Scope.MATCH, Scope.REVIEW, Scope.EVIDENCE),
    Role.OPERATOR: tuple(Scope),
}


class SeededEmbedder(ByCutting):
    """Projects a small grey thumbnail by a fixed random matrix: only near copies are near."""

    device = "test"

    def __init__(self, kind: Kind = DESCRIPTOR) -> None:
        self.kind = kind.name
        self._projection = np.random.default_rng(5).normal(size=(16 * 16, kind.size))

    def embed(self, frames: list[Pixels]) -> Vectors:
        rows = []
        for frame in frames:
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            small = cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
            vector = (small - small.mean() + 1e-3) @ self._projection
            rows.append(vector / np.linalg.norm(vector))
        return np.array(rows, np.float32)


class DatabaseServer:
    """Makes databases by the dozen, each a copy of one migrated template."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = itertools.count(1)

    def make_template(self) -> None:
        self._administer(f"CREATE DATABASE {TEMPLATE}")
        engine = db.connect(self._url_of(TEMPLATE))
        db.migrate(engine)
        engine.dispose()

    def new_database(self, *, template: str = TEMPLATE) -> str:
        name = f"t{next(self._numbers)}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url_of(name)

    def _administer(self, statement: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _url_of(self, name: str) -> str:
        return self.url.replace("/postgres?", f"/{name}?")


def own_index(services: Services, kind: Kind = PDQ) -> Index:
    """Returns the index of one kind that this process holds."""
    assert isinstance(services.index, LocalIndex)
    return services.index.by_kind[kind.name]


@dataclass(frozen=True)
class Party:
    """An enrolled organisation with everything that it needs to act."""

    publisher: models.Publisher
    key: ECKey
    client: Client
    api_key: models.IssuedApiKey

    def statement(
        self, content: bytes, label: str, asset_class: AssetClass = AssetClass.AUTHENTIC, **more: Any
    ) -> Statement:
        digest = hashlib.sha256(content).hexdigest()
        return new_statement(self.publisher.issuer, asset_class, digest, label, **more)

    def sign(self, statement: Statement) -> str:
        return sign_statement(statement, self.key)


class World:
    """A registry that can be used, broken, stopped and started again."""

    embedder: Embedder | None = SeededEmbedder()  # None: the one that the settings name

    def __init__(self, server: DatabaseServer, home: Path, **settings: Any) -> None:
        self.settings = Settings(
            home=home,
            database_url=server.new_database(),
            blob_url=None,
            decoder_workers=1,
            nightly_audit="off",
            **settings,
        )
        assert self.settings.database_url is not None
        self.engine = db.connect(self.settings.database_url)
        secret = initialise(self.settings, self.engine)
        assert secret is not None
        self.operator_secret = secret
        self._running = ExitStack()
        self._clients: list[Client] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.engine.dispose()

    def start(self) -> None:
        self._running = ExitStack()
        self.services: Services = self._running.enter_context(
            running_services(self.settings, self.engine, self.embedder)
        )
        self.url = self._running.enter_context(listening(create_app(self.services)))
        self.operator = self.client(self.operator_secret)

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()
        self._running.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def client(self, api_key: str | None = None) -> Client:
        client = Client(self.url, api_key)
        self._clients.append(client)
        return client

    def again(self, party: Party) -> Party:
        """Returns the same party after a restart, at the new address."""
        return Party(party.publisher, party.key, self.client(party.api_key.secret), party.api_key)

    def enrol(self, name: str, role: Role = Role.PUBLISHER, scopes: Sequence[Scope] | None = None) -> Party:
        publisher = self.operator.enrol(NewPublisher(name=name, contact="desk@example.org", role=role))
        key = generate_key()
        self.operator.add_key(publisher.id, public_jwk(key), prove_possession(key, publisher.id))
        wanted = tuple(scopes or ROLE_SCOPES[role])
        issued = self.operator.issue_api_key(NewApiKey(publisher=publisher.id, scopes=wanted))
        return Party(publisher, key, self.client(issued.secret), issued)

    def register(
        self,
        party: Party,
        content: bytes,
        label: str = "a picture",
        asset_class: AssetClass = AssetClass.AUTHENTIC,
        *,
        preview: bool = True,
        idempotency_key: str | None = None,
        **more: Any,
    ) -> models.Registration:
        statement = party.statement(content, label, asset_class, preview_allowed=preview, **more)
        return party.client.register(content, party.sign(statement), idempotency_key=idempotency_key)

    def tamper(self, statement: str, **values: Any) -> None:
        """Does what somebody with the database's password could do."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def audit(self) -> None:
        """Checks that an audit finds nothing; every journey ends here."""
        report = self.operator.audit()
        assert report.findings == ()
        assert report.clean

"""A registry that is made to be broken: its settings, and a publisher who can sign and call."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from joserfc.jwk import ECKey
from sqlalchemy import create_engine, text

from indexer.fingerprints.embedding import ByCutting
from indexer.fingerprints.kinds import DESCRIPTOR, Vectors
from indexer.media.images import Pixels
from registry.cli.home import throwaway_home
from registry.operate.bootstrap import initialise, open_log
from registry.records.acts import LOCAL_OPERATOR
from registry.records.publishers import add_key, enrol, issue_api_key
from registry.settings import Settings
from registry.storage import db
from registry.storage.embedded import EmbeddedDatabase
from sdk.keys import generate_key, load_private_key, public_jwk, save_private_key
from sdk.models import NewApiKey, NewPublisher, NewPublisherKey, Role, Scope
from sdk.possession import prove_possession

SIGNING_KEY, ACKNOWLEDGED, CASE = "publisher.pem", "acknowledged.jsonl", "case.json"


class EvenEmbedder(ByCutting):
    """A descriptor that costs nothing: a fixed vector for each mean brightness."""

    device = "bench"
    kind = DESCRIPTOR.name

    def embed(self, frames: list[Pixels]) -> Vectors:
        """See `Embedder`."""
        rows = [
            np.random.default_rng(int(frame.mean() * 16)).normal(size=DESCRIPTOR.size) for frame in frames
        ]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


@dataclass(frozen=True)
class Site:
    """Where it is, and who acts; passed to processes as JSON."""

    settings_json: str
    api_key_id: str
    api_key: str
    publisher_id: str
    issuer: str
    folder: str  # what the benchmark keeps, beside the registry's home

    @property
    def settings(self) -> Settings:
        """The registry's settings."""
        return Settings.model_validate_json(self.settings_json)

    @property
    def key(self) -> ECKey:
        """The publisher's signing key."""
        return load_private_key(Path(self.folder) / SIGNING_KEY)

    def path(self, name: str) -> Path:
        """A file that the benchmark keeps."""
        return Path(self.folder) / name

    def to_json(self) -> str:
        """Returns it as text."""
        return json.dumps(asdict(self))


@contextmanager
def embedded_database() -> Iterator[tuple[Path, str]]:
    """A folder for everything, and the address of an embedded PostgreSQL in it."""
    with throwaway_home() as home:
        home.mkdir(parents=True)
        home.chmod(0o755)
        database = EmbeddedDatabase(home / "pg")
        try:
            yield home, database.url
        finally:
            database.stop()


def new_database(url: str) -> str:
    """Makes an empty database beside the one at `url`, and returns its address."""
    name = f"faults_{secrets.token_hex(4)}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.replace("/postgres?", f"/{name}?")


def settings_of(home: Path, url: str) -> Settings:
    """Settings of a registry in `home` whose database is at `url`."""
    return Settings(home=home, database_url=url, blob_url=None, decoder_workers=1, video_workers=0)


def make_site(folder: Path, url: str) -> Site:
    """Sets a registry up, with one publisher that may do everything."""
    home = folder / f"home-{secrets.token_hex(4)}"
    home.mkdir()
    settings = settings_of(home / "registry", new_database(url))
    assert settings.database_url is not None
    engine = db.connect(settings.database_url)
    settings.home.mkdir()
    initialise(settings, engine)
    key = generate_key()
    save_private_key(key, home / SIGNING_KEY)
    log = open_log(settings)
    with db.transaction(engine) as session:
        new = NewPublisher(name="Daily Example", contact="desk@example.org", role=Role.OPERATOR)
        publisher = enrol(session, LOCAL_OPERATOR, new)
        enrolled = NewPublisherKey(jwk=public_jwk(key), proof=prove_possession(key, publisher.id))
        add_key(session, log, LOCAL_OPERATOR, publisher, enrolled)
        issued, secret = issue_api_key(
            session, LOCAL_OPERATOR, NewApiKey(publisher=publisher.id, scopes=tuple(Scope))
        )
        session.flush()
        site = Site(
            settings.model_dump_json(), issued.id, secret, publisher.id, publisher.issuer, str(home)
        )
    with db.transaction(engine) as session:
        log.publish(session)
    engine.dispose()
    return site

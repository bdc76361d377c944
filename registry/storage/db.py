"""Opens the database, migrates it, and runs transactions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlmodel import Session

from registry.errors import NotMigrated, StartRefused, UnsafeDatabase
from registry.storage.liveness import lend_living_connections
from registry.storage.timestamps import read_every_time

POOL_SIZE = 10
LOCK_TIMEOUT = "30s"
CONNECTED_WITHIN_S = 5  # else the database is said to be frozen
# Where a link is cut, neither side is told. A server that waits for a node that is gone keeps its locks,
# the log's among them, and a node that waits for an answer waits for hours: both sides ask, and give up.
LINK_SILENT_S, LINK_ASKED_EVERY_S, LINK_ASKED_TIMES = 5, 2, 3
LINK_GONE_AFTER_S = LINK_SILENT_S + LINK_ASKED_EVERY_S * LINK_ASKED_TIMES
FREE_WITHIN_S = 10.0  # a connection of the pool; else there is said to be none
# Of the server's side of a connection, and of ours; on a unix socket those about links mean nothing.
SERVER_SETTINGS = {
    "lock_timeout": LOCK_TIMEOUT,
    "timezone": "UTC",
    "tcp_keepalives_idle": LINK_SILENT_S,
    "tcp_keepalives_interval": LINK_ASKED_EVERY_S,
    "tcp_keepalives_count": LINK_ASKED_TIMES,
    "tcp_user_timeout": 1000 * LINK_GONE_AFTER_S,
}
CLIENT_SETTINGS = {
    "keepalives_idle": str(LINK_SILENT_S),
    "keepalives_interval": str(LINK_ASKED_EVERY_S),
    "keepalives_count": str(LINK_ASKED_TIMES),
    "tcp_user_timeout": str(1000 * LINK_GONE_AFTER_S),
}
# What a crash must not undo: PostgreSQL's own settings, checked at every start.
DURABILITY_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")


def connect(url: str, pool_size: int = POOL_SIZE) -> Engine:
    """Makes an engine that waits for locks at most 30 seconds. Raises StartRefused.

    `pool_size`: connections that are kept; in need as many more are opened.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartRefused("TRUEPRINT_DATABASE_URL is no address: postgresql://user@host/name") from None
    if parsed.get_backend_name() != "postgresql":
        raise StartRefused(f"the database must be PostgreSQL, not {parsed.get_backend_name()}")
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_use_lifo=True,  # the few that are in use stay warm; the others are asked before they are lent
        pool_timeout=FREE_WITHIN_S,
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items()),
            "connect_timeout": CONNECTED_WITHIN_S,
            "client_encoding": "utf8",  # whatever the database or the environment says
            **CLIENT_SETTINGS,
        },
    )
    event.listen(engine, "connect", lambda connection, _: read_every_time(connection))
    lend_living_connections(engine)
    return engine


def conninfo(engine: Engine) -> str:
    """Returns the address of the engine's database as libpq reads it, for connections outside its pool."""
    url = engine.url.set(drivername="postgresql").update_query_dict(CLIENT_SETTINGS)
    return url.render_as_string(hide_password=False)


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Opens a session in one transaction: committed at the end, rolled back on any error.

    What `after_commit` was given runs in order once the commit is durable.
    """
    with Session(engine, expire_on_commit=False) as session:
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
        for action in session.info.get("after_commit", ()):
            action()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Opens a session that only reads, without a transaction: three ways to the database less.

    Each statement sees what was committed before it, as in a transaction (READ COMMITTED). Nothing may be
    added to it: what it flushed would not be undone by an error.
    """
    with Session(_without_transactions(engine), autoflush=False, expire_on_commit=False) as session:
        session.info["reads"] = True
        yield session


@lru_cache(maxsize=4)  # making one costs more than a statement
def _without_transactions(engine: Engine) -> Engine:
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """Opens a session that reads the database as it is at its first query, whatever others write."""
    with Session(
        engine.execution_options(isolation_level="REPEATABLE READ"), expire_on_commit=False
    ) as session:
        yield session
        session.rollback()


@contextmanager
def sole_holder(engine: Engine, lock: int) -> Iterator[bool]:
    """Tells whether the caller alone, of all processes on this database, holds the lock meanwhile."""
    with transaction(engine) as session:
        yield bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": lock}))


def release(session: Session) -> None:
    """Gives the connection back until the next query: nobody holds one while decoding or comparing.

    Does nothing once something was written or locked. Before that nothing changes for the caller, because
    every query sees what was committed before it (READ COMMITTED).
    """
    pending = session.new or session.dirty or session.deleted
    if not pending and not session.info.get("unfinished"):
        session.commit()


def keep_connection(session: Session) -> None:
    """From now on `release` does nothing: the transaction holds a lock, or wrote something."""
    session.info["unfinished"] = True


@event.listens_for(Session, "after_flush")
def _keep_what_was_flushed(session: Session, _: object) -> None:
    keep_connection(session)


@event.listens_for(Session, "before_flush")
def _refuse_what_reads(session: Session, _context: object, _rows: object) -> None:
    assert not session.info.get("reads"), "a session of `reading` writes nothing"


def settle(session: Session) -> None:
    """Commits now what would be committed at the end, and does what waits for that; the session goes on.

    For what is answered with something that only follows from the commit.
    """
    session.commit()
    session.info.pop("unfinished", None)
    for action in session.info.pop("after_commit", ()):
        action()


def after_commit(session: Session, action: Callable[[], None]) -> None:
    """Runs `action` once this session's transaction is committed, and only then."""
    session.info.setdefault("after_commit", []).append(action)


def migration_folder() -> Path:
    """Returns where the migrations lie: beside the packages in a checkout, here in a wheel."""
    checkout = Path(__file__).parents[2] / "alembic"
    return checkout if (checkout / "env.py").exists() else Path(__file__).parent / "migrations"


def alembic_config(engine: Engine) -> Config:
    """Configures Alembic for our migrations and this database."""
    config = Config()
    config.set_main_option("script_location", str(migration_folder()))
    config.attributes["engine"] = engine
    return config


def is_empty(engine: Engine) -> bool:
    """Tells whether the database holds no tables at all."""
    with engine.connect() as connection:
        count = connection.scalar(
            text("SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()")
        )
        return not count


def migrate(engine: Engine) -> None:
    """Brings the database to the newest migration."""
    command.upgrade(alembic_config(engine), "head")


def make_tables(connection: Connection, migration: str) -> None:
    """Makes the tables of a migration in an empty database, in the caller's transaction.

    Raises NotMigrated: this program does not know that migration.
    """
    config = alembic_config(connection.engine)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if migration not in known:
        raise NotMigrated(
            f"it is at migration {migration}, which this program does not know: use a newer one"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, migration)


def revision(engine: Engine) -> str | None:
    """The migration that the database is at; None: none."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_reachable(engine: Engine) -> None:
    """Raises StartRefused unless the database answers."""
    try:
        with engine.connect():
            pass
    except OperationalError as error:
        where = engine.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0]
        raise StartRefused(f"no database answers at {where}: {reason}") from error


def require_migrated(engine: Engine) -> None:
    """Raises NotMigrated unless the database is at the newest migration."""
    scripts = ScriptDirectory.from_config(alembic_config(engine))
    head = scripts.get_current_head()
    current = revision(engine)
    if current is None and is_empty(engine):
        raise NotMigrated("the database is empty; set it up with `trueprint serve --init`")
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise NotMigrated(
            f"the database is at migration {current}, which is newer than this program ({head}): "
            "use the program that migrated it, or a newer one"
        )
    if current != head:
        raise NotMigrated(
            f"the database is at migration {current or 'none'}, this program needs {head}; when you have "
            "a backup, run `trueprint migrate` for the same --home or database"
        )


def require_durable(engine: Engine) -> None:
    """Raises UnsafeDatabase where an acknowledged write could be lost in a crash."""
    with engine.connect() as connection:
        for setting in DURABILITY_SETTINGS:
            value = connection.scalar(text(f"SHOW {setting}"))
            if value != "on":
                raise UnsafeDatabase(f"PostgreSQL runs with {setting} = {value}; it must be on")


def describe(engine: Engine) -> str:
    """Says in words which PostgreSQL this is, and where."""
    with engine.connect() as connection:
        version = connection.scalar(text("SHOW server_version"))
    where = "unix socket" if "host" in engine.url.query else (engine.url.host or "local")
    return f"PostgreSQL {version} ({where})"

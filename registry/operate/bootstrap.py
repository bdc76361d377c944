"""Sets up a new registry: its tables, its keys, its log and its operator.

A registry that exists is left alone: a key that is missing there is an error at start and never made anew.
"""

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Engine

from registry.errors import LogRolledBack
from registry.log.transparency_log import Log, create_log, has_log, load_log_key, read_note
from registry.records.acts import LOCAL_OPERATOR, append_act
from registry.records.publishers import enrol, issue_api_key
from registry.settings import ANSWER_KEY, LOG_KEY, WEBHOOK_KEY, WEBHOOK_KEY_BYTES, Settings
from registry.storage import db
from registry.storage.secret_file import make_secret_file
from sdk.checkpoint import BadCheckpoint, parse_checkpoint_unverified
from sdk.durable_files import write_secret_once
from sdk.keys import generate_key, save_private_key
from sdk.models import ActType, NewApiKey, NewPublisher, Role, Scope


def initialise(
    settings: Settings, engine: Engine, keep: Callable[[str], None] = lambda _: None
) -> str | None:
    """Migrates an empty database, makes keys, log and operator; returns the operator's new API key.

    `keep` is handed that key before the registry is there: it is shown once, and nobody makes another.
    Does nothing to a database that has a log. Raises LogRolledBack where a database was lost.
    """
    if db.is_empty(engine):
        _require_new(settings.checkpoint_file)
        db.migrate(engine)
    db.require_migrated(engine)
    with db.transaction(engine) as session:
        if has_log(session):
            return None
        _require_new(settings.checkpoint_file)
        settings.key_folder.mkdir(parents=True, exist_ok=True)
        settings.key_folder.chmod(0o700)
        private_key = _make_log_key(settings.key_folder / LOG_KEY)
        if not (settings.key_folder / ANSWER_KEY).exists():
            save_private_key(generate_key(), settings.key_folder / ANSWER_KEY)
        make_secret_file(settings.key_folder / WEBHOOK_KEY, WEBHOOK_KEY_BYTES)
        log = Log(settings.log_origin, private_key, settings.checkpoint_file)
        create_log(session, log, private_key)
        new = NewPublisher(name="Operator", contact="operator@localhost", role=Role.OPERATOR)
        append_act(session, LOCAL_OPERATOR, ActType.SET_UP, log_key=log.key.text())
        operator = enrol(session, LOCAL_OPERATOR, new)
        scopes = tuple(Scope)
        _, secret = issue_api_key(session, LOCAL_OPERATOR, NewApiKey(publisher=operator.id, scopes=scopes))
        session.flush()
        keep(secret)
        log.publish(session)
    return secret


def migrate_and_note(engine: Engine) -> None:
    """Brings the database to the newest migration, and notes that as an act. Raises NotMigrated."""
    before = db.revision(engine)
    db.migrate(engine)
    db.require_migrated(engine)
    after = db.revision(engine)
    with db.transaction(engine) as session:
        if before != after and has_log(session):
            append_act(session, LOCAL_OPERATOR, ActType.MIGRATE, before=before, after=after)


def _require_new(checkpoint_file: Path) -> None:
    """An empty database beside a published checkpoint is a lost database, not a new registry."""
    if checkpoint_file.exists():
        try:
            size = parse_checkpoint_unverified(read_note(checkpoint_file)).size
        except BadCheckpoint as error:
            raise LogRolledBack(f"{checkpoint_file}: {error}") from error
        if size:
            raise LogRolledBack(
                f"a checkpoint over {size} entries was published, but the database is empty"
            )


def _make_log_key(path: Path) -> Ed25519PrivateKey:
    if path.exists():  # left by a start that was killed before its commit
        return load_log_key(path)
    key = Ed25519PrivateKey.generate()
    write_secret_once(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key

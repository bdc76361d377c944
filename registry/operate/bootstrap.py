"""Sets up a new registry: its tables, its keys, its log and its operator.

A registry that exists is left alone: a key that is missing there is an error at start and never made anew.
"""

from collections.abc import Callable

from sqlalchemy import Engine

from registry.errors import LogRolledBack, MissingKey, StartRefused
from registry.log.answer_signer import AnswerSigner
from registry.log.key_ring import KeyRing
from registry.log.log_keys import LogKeys
from registry.log.signers import Algorithm, Signer
from registry.log.transparency_log import Log, create_log, has_log, read_note
from registry.log.witness_file import read_policy
from registry.log.witnessing import Witnesses
from registry.records.acts import LOCAL_OPERATOR, append_act
from registry.records.publishers import enrol, issue_api_key
from registry.settings import ANSWER_KEY, LOG_KEY, WEBHOOK_KEY, WEBHOOK_KEY_BYTES, Settings
from registry.storage import db
from registry.storage.secret_file import make_secret_file
from sdk.checkpoint import BadCheckpoint, parse_checkpoint_unverified
from sdk.models import ActType, NewApiKey, NewPublisher, Role, Scope


def initialise(
    settings: Settings,
    engine: Engine,
    keep: Callable[[str], None] = lambda _: None,
    *,
    new_log: bool = False,
) -> str | None:
    """Migrates an empty database, makes keys, log and operator; returns the operator's new API key.

    `keep` is handed that key before the registry is there: it is shown once, and nobody makes another.
    `new_log`: the operator says that no other log has this name and key. Does nothing to a database that
    has a log. Raises LogRolledBack where a database was lost, StartRefused where one may be elsewhere.
    """
    if db.is_empty(engine):
        _require_new(settings, new_log=new_log)
        db.migrate(engine)
    db.require_migrated(engine)
    with db.transaction(engine) as session:
        if has_log(session):
            return None
        _require_new(settings, new_log=new_log)
        settings.key_folder.mkdir(parents=True, exist_ok=True)
        settings.key_folder.chmod(0o700)
        log_signer = _first_key(log_ring(settings))
        answer_signer = _first_key(answer_ring(settings))
        make_secret_file(settings.key_folder / WEBHOOK_KEY, WEBHOOK_KEY_BYTES)
        log = open_log(settings)
        create_log(session, log, log_signer.public_key)
        AnswerSigner(answer_ring(settings)).begin(session, answer_signer)
        new = NewPublisher(name="Operator", contact="operator@localhost", role=Role.OPERATOR)
        append_act(session, LOCAL_OPERATOR, ActType.SET_UP, log_key=log.key.text())
        operator = enrol(session, LOCAL_OPERATOR, new)
        scopes = tuple(Scope)
        _, secret = issue_api_key(session, LOCAL_OPERATOR, NewApiKey(publisher=operator.id, scopes=scopes))
        session.flush()
        keep(secret)
        log.publish(session)
    return secret


def take_as_published(settings: Settings, engine: Engine) -> None:
    """Publishes the log's head as it is, for the operator whose file of the checkpoint is lost.

    Raises LogRolledBack: the file is there, and the log does not continue it.
    """
    db.require_migrated(engine)
    settings.home.mkdir(parents=True, exist_ok=True)
    log = open_log(settings)
    with db.transaction(engine) as session:
        if has_log(session):
            log.keys.adopt(session)
            log.require_sound(session, checkpoint_lost=True)
            log.publish(session)


def migrate_and_note(engine: Engine) -> None:
    """Brings the database to the newest migration, and notes that as an act. Raises NotMigrated."""
    before = db.revision(engine)
    db.migrate(engine)
    db.require_migrated(engine)
    after = db.revision(engine)
    with db.transaction(engine) as session:
        if before != after and has_log(session):
            append_act(session, LOCAL_OPERATOR, ActType.MIGRATE, before=before, after=after)


def _require_new(settings: Settings, *, new_log: bool) -> None:
    """An empty database beside a published checkpoint is a lost database, not a new registry.

    A key that this folder does not hold may be that of a log whose checkpoint is in another folder.
    """
    named = settings.log_origin != Settings.model_fields["log_origin"].default
    if settings.log_keys and named and not new_log:
        raise StartRefused(
            "the database is empty, but TRUEPRINT_LOG_KEYS and TRUEPRINT_LOG_ORIGIN name a log that may be "
            f"elsewhere: a second log under {settings.log_origin} would contradict it. If no log of that "
            "name was ever begun, say so once with `trueprint serve --init --new-log`; if one was, give "
            "its database, or restore it from a backup; for trials unset both"
        )
    checkpoint_file = settings.checkpoint_file
    if checkpoint_file.exists():
        try:
            size = parse_checkpoint_unverified(read_note(checkpoint_file)).size
        except BadCheckpoint as error:
            raise LogRolledBack(f"{checkpoint_file}: {error}") from error
        if size:
            raise LogRolledBack(
                f"a checkpoint over {size} entries was published, but the database is empty"
            )


def _first_key(ring: KeyRing) -> Signer:
    """The key that a new registry begins with: one that is there already, or a new file."""
    there = ring.signers()
    if there:
        return there[0]  # where keys are files, left by a start that was killed before its commit
    if not ring.makes_files:
        raise MissingKey(ring.missing())
    return ring.make_first()


def log_ring(settings: Settings) -> KeyRing:
    """Where the log's private keys are."""
    references = (settings.log_keys or "").split()
    return KeyRing(settings.key_folder, LOG_KEY, Algorithm.ED25519, references)


def answer_ring(settings: Settings) -> KeyRing:
    """Where the private keys are that sign answers."""
    references = (settings.answer_keys or "").split()
    return KeyRing(settings.key_folder, ANSWER_KEY, Algorithm.ES256, references)


def witnesses_of(settings: Settings) -> Witnesses | None:
    """Who cosigns this log; None: nobody. Raises BadWitnesses."""
    if settings.witness_policy_file is None:
        return None
    policy = read_policy(settings.witness_policy_file)
    return Witnesses(policy, settings.witness_timeout_s, settings.cosigned_every_s)


def open_log(settings: Settings) -> Log:
    """The log by its settings; its keys are known once a session was looked at."""
    keys = LogKeys(settings.log_origin, log_ring(settings))
    return Log(keys, settings.checkpoint_file, witnessed=settings.witness_policy_file is not None)

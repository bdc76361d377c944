"""Who may sign, with which keys and when; who may ask, with which API keys and scopes."""

import hashlib
import hmac
import secrets
import string
import uuid
from datetime import UTC, datetime, timedelta

import rfc8785
from sqlalchemy import Engine, text, update
from sqlmodel import Session, col, func, or_, select

from registry.errors import (
    DuplicateKey,
    DuplicatePublisher,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotProven,
    UnknownApiKey,
    UnknownKey,
    UnknownPublisher,
)
from registry.log.transparency_log import Log
from registry.records.access import SCOPES_OF_ROLE
from registry.records.acts import Actor, append_act
from registry.records.look_alikes import look_alike
from registry.storage.db import reading, transaction
from registry.storage.direct import execute
from registry.storage.models import ApiKey, Publisher, PublisherKey, Record
from registry.storage.models.columns import now
from sdk.dids import KEY as DID_KEY
from sdk.dids import did_key_of
from sdk.keys import BadKey, import_public_key, public_jwk
from sdk.models import ActType, DidStatus, KeyValidity, NewApiKey, NewPublisher, NewPublisherKey, Role
from sdk.possession import BadProof, verify_possession

SECRET_PREFIX = "trueprint"
ALPHABET = string.ascii_letters + string.digits
ID_LENGTH, SECRET_LENGTH = 10, 32  # 32 of 62 characters: 190 bits
LAST_USED_RESOLUTION = timedelta(minutes=1)
ENROLMENT = "enrolment"  # type of the log entry that commits to a key and to whose it is
ENROLMENT_LOCK = 0x656E_726F_6C6C  # "enroll": two that look alike do not come at the same time
COORDINATE = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"  # 32 bytes in base64url, as they are written here
# Straight on the driver: every request asks this.
_API_KEY_COLUMNS = tuple(ApiKey.model_fields)
_API_KEY = f"SELECT {', '.join(_API_KEY_COLUMNS)} FROM {ApiKey.__tablename__} WHERE id = %(id)s"


def enrol(session: Session, by: Actor, new: NewPublisher) -> Publisher:
    """Adds an organisation.

    Raises DuplicatePublisher: its name or DID is, or looks like, another's; or its name is another's id.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ENROLMENT_LOCK})
    for other in session.exec(select(Publisher)):
        if new.did and other.did and new.did.casefold() == other.did.casefold():
            raise DuplicatePublisher(f"{new.did} belongs to another publisher here")
        if new.name.casefold() == other.id:
            raise DuplicatePublisher("the name is the id of another publisher here")
        if look_alike(new.name, other.name):
            raise DuplicatePublisher(
                f"the name is, or looks like, that of another publisher here: {other.name}"
            )
    publisher = Publisher(
        id=str(uuid.uuid4()), name=new.name, contact=new.contact, did=new.did, role=new.role.value
    )
    session.add(publisher)
    session.flush()
    append_act(session, by, ActType.ENROL_PUBLISHER, publisher.id, role=publisher.role)
    return publisher


def get_publisher(session: Session, publisher_id: str) -> Publisher:
    """Returns an organisation. Raises UnknownPublisher."""
    publisher = session.get(Publisher, publisher_id)
    if publisher is None:
        raise UnknownPublisher(f"no publisher has the id {publisher_id[:60]!r}")
    return publisher


def did_status(session: Session, publisher: Publisher) -> DidStatus | None:
    """Whether the publisher's identifier is proven; None where it has none."""
    if publisher.did is None:
        return None
    if not publisher.did.startswith(DID_KEY):
        return DidStatus.UNPROVEN
    keys = keys_of(session, publisher)
    proven = any(did_key_of(key.jwk) == publisher.did for key in keys)
    return DidStatus.PROVEN if proven else DidStatus.UNPROVEN


def add_key(
    session: Session, log: Log, by: Actor, publisher: Publisher, new: NewPublisherKey
) -> PublisherKey:
    """Enrols a signing key, commits to it in the log. Raises InvalidRequest, NotProven, DuplicateKey."""
    try:
        key = import_public_key(new.jwk)
        verify_possession(new.proof, key, (publisher.id, publisher.name))
    except BadKey as error:
        raise InvalidRequest(str(error)) from error
    except BadProof as error:
        raise NotProven(str(error)) from error
    public = public_jwk(key)
    if _is_enrolled(session, public["kid"]):
        raise DuplicateKey("every key belongs to one publisher and is enrolled once")
    if (publisher.did or "").startswith(DID_KEY) and did_key_of(public) != publisher.did:
        raise InvalidRequest("a did:key is one key: this publisher signs with that one and no other")
    row = PublisherKey(kid=public["kid"], publisher_id=publisher.id, jwk=public)
    _commit(session, log, row, publisher)
    append_act(
        session, by, ActType.ADD_SIGNING_KEY, row.kid, publisher=publisher.id, log_index=row.log_index
    )
    return row


def commit_to_keys(session: Session, log: Log) -> None:
    """Commits in the log to the keys that were enrolled before names were committed to.

    A row that loses its entry does not become one of these unseen: an audit finds the entry left over.
    """
    before = select(PublisherKey, Publisher).join(Publisher).where(col(PublisherKey.log_index).is_(None))
    if session.exec(before).first() is None:
        return
    log.lock(session)  # another process may be doing the same
    for key, publisher in session.exec(before.order_by(col(PublisherKey.valid_from))).all():
        _commit(session, log, key, publisher)


def enrolment_of(key: PublisherKey, publisher: Publisher) -> bytes:
    """What the log commits to of a key: itself, since when, and whose it is, as others read that (JCS)."""
    return rfc8785.dumps(
        {
            "kid": key.kid,
            "jwk": key.jwk,
            "validFrom": key.valid_from.astimezone(UTC).isoformat(),
            "publisher": publisher.id,
            "name": publisher.name,
            "did": publisher.did,
            "role": publisher.role,
        }
    )


def _commit(session: Session, log: Log, key: PublisherKey, publisher: Publisher) -> None:
    key.log_index, key.salt = log.append(session, ENROLMENT, enrolment_of(key, publisher))
    session.add(key)
    session.flush()


def _is_enrolled(session: Session, kid: str) -> bool:
    """Whether this key was ever enrolled here, in whatever spelling."""
    if session.get(PublisherKey, kid) is not None:
        return True
    # Rows from before keys had one spelling: the database tells them from the others.
    x, y = (col(PublisherKey.jwk)[name].astext for name in ("x", "y"))
    misspelt = or_(~x.regexp_match(COORDINATE), ~y.regexp_match(COORDINATE))
    rows = session.exec(select(PublisherKey).where(misspelt))
    return any(import_public_key(row.jwk).thumbprint() == kid for row in rows)


def rotate_key(
    session: Session, log: Log, by: Actor, publisher: Publisher, old_kid: str, wanted: NewPublisherKey
) -> PublisherKey:
    """Adds a key and lets the old one sign nothing new from now on; what it signed stays valid.

    Raises UnknownKey; InvalidRequest: the old key was retired or revoked; and what `add_key` raises.
    """
    old = _locked_key(session, log, old_kid, publisher)
    if old.valid_until or old.revoked_at:
        raise InvalidRequest("the old key signs nothing any more")
    new = add_key(session, log, by, publisher, wanted)
    old.valid_until = _end_of(session, old)
    session.add(old)
    log.append(session, "key", f"retire {old.kid} {old.valid_until.isoformat()}".encode())
    append_act(session, by, ActType.ROTATE_SIGNING_KEY, old.kid, publisher=publisher.id, new_key=new.kid)
    return new


def revoke_key(session: Session, log: Log, by: Actor, publisher: Publisher, kid: str) -> PublisherKey:
    """Declares a key compromised: nothing that it signs from now on is believed."""
    key = _locked_key(session, log, kid, publisher)
    if key.revoked_at is None:
        key.revoked_at = _end_of(session, key)
        session.add(key)
        log.append(session, "key", f"revoke {key.kid} {key.revoked_at.isoformat()}".encode())
        append_act(session, by, ActType.REVOKE_SIGNING_KEY, key.kid, publisher=publisher.id)
    return key


def _locked_key(session: Session, log: Log, kid: str, publisher: Publisher) -> PublisherKey:
    """The key as it is now. Until the transaction ends nothing is registered under it or done to it."""
    key = get_key(session, kid, publisher)
    log.lock(session)
    session.refresh(key)  # whoever held the lock may have retired or revoked it
    return key


def _end_of(session: Session, key: PublisherKey) -> datetime:
    """Now, or just after the last record that the key signed, where the clock was set back since."""
    last = session.exec(select(func.max(Record.registered_at)).where(Record.kid == key.kid)).one()
    return now() if last is None else max(now(), last + timedelta(microseconds=1))


def get_key(session: Session, kid: str, publisher: Publisher | None = None) -> PublisherKey:
    """Returns a signing key. Raises UnknownKey, also for a key of somebody else."""
    key = session.get(PublisherKey, kid)
    if key is None or (publisher is not None and key.publisher_id != publisher.id):
        raise UnknownKey(f"no signing key has the id {kid[:60]!r}")
    return key


def keys_of(session: Session, publisher: Publisher) -> list[PublisherKey]:
    """Returns all keys, oldest first, retired and revoked ones too."""
    mine = select(PublisherKey).where(PublisherKey.publisher_id == publisher.id)
    return list(session.exec(mine.order_by(col(PublisherKey.valid_from))))


def key_validity(key: PublisherKey, at: datetime) -> KeyValidity:
    """Tells whether this key was valid at that time, and why or why not."""
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    if at < key.valid_from:
        valid, reason = False, f"the key was enrolled at {key.valid_from.isoformat()}"
    elif key.revoked_at and at >= key.revoked_at:
        valid, reason = False, f"the key was revoked at {key.revoked_at.isoformat()}"
    elif key.valid_until and at >= key.valid_until:
        valid, reason = False, f"the key was retired at {key.valid_until.isoformat()}"
    else:
        valid, reason = True, "the key was enrolled and neither retired nor revoked"
    return KeyValidity(kid=key.kid, at=at, valid=valid, reason=reason)


def validity_now(key: PublisherKey) -> KeyValidity:
    """Whether it may sign now: what was done to it counts, also where the clock was set back since."""
    done = (key.valid_from, key.valid_until, key.revoked_at)
    return key_validity(key, max(now(), *(moment for moment in done if moment is not None)))


def issue_api_key(session: Session, by: Actor, new: NewApiKey) -> tuple[ApiKey, str]:
    """Issues an API key; returns it with its secret, which is not kept. Raises NotAllowed."""
    publisher = get_publisher(session, new.publisher)
    excess = set(new.scopes) - SCOPES_OF_ROLE[Role(publisher.role)]
    if excess:
        raise NotAllowed(f"a {publisher.role} cannot have {', '.join(sorted(excess))}")
    key_id = "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))
    random_part = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    secret = f"{SECRET_PREFIX}_{key_id}_{random_part}"
    row = ApiKey(
        id=key_id,
        publisher_id=publisher.id,
        # A fast digest is right for a secret of 190 random bits.
        secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
        scopes=sorted({scope.value for scope in new.scopes}),
        expires_at=now() + timedelta(days=new.expires_in_days),
    )
    session.add(row)
    session.flush()
    append_act(
        session,
        by,
        ActType.ISSUE_API_KEY,
        row.id,
        publisher=publisher.id,
        scopes=row.scopes,
        expires_at=row.expires_at.isoformat(),
    )
    return row, secret


def authenticate(engine: Engine, secret: str) -> ApiKey:
    """Returns the API key behind a secret, and notes its use by the minute. Raises NotAuthenticated.

    The row belongs to no session: it is read and noted before, and apart from, what the caller does.
    """
    with reading(engine) as session:
        row = _key_of(session, secret)
    if row is None:
        raise NotAuthenticated("this API key is not known here")
    moment = now()
    if row.revoked_at is not None:
        raise NotAuthenticated("this API key was revoked")
    if row.expires_at <= moment:
        raise NotAuthenticated("this API key has expired")
    if row.last_used_at is None or moment - row.last_used_at > LAST_USED_RESOLUTION:
        with transaction(engine) as session:
            mine = update(ApiKey).where(col(ApiKey.id) == row.id)
            session.execute(mine.values(last_used_at=moment))
    return row


def _key_of(session: Session, secret: str) -> ApiKey | None:
    parts = secret.split("_")
    # What a form sends may hold characters that no text in the database can.
    if len(parts) != 3 or not (secret.isascii() and parts[1].isalnum()):
        return None
    found = execute(session, _API_KEY, {"id": parts[1]}).fetchone()
    if found is None:
        return None
    row = ApiKey(**dict(zip(_API_KEY_COLUMNS, found, strict=True)))
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return row if hmac.compare_digest(row.secret_sha256, digest) else None


def is_usable(api_key: ApiKey) -> bool:
    """Whether requests with this key are answered: it is neither revoked nor expired."""
    return api_key.revoked_at is None and api_key.expires_at > now()


def revoke_api_key(session: Session, by: Actor, key_id: str) -> ApiKey:
    """Revokes an API key at once. Raises UnknownApiKey."""
    row = session.get(ApiKey, key_id)
    if row is None:
        raise UnknownApiKey(f"no API key has the id {key_id[:40]!r}")
    if row.revoked_at is None:
        row.revoked_at = now()
        session.add(row)
        append_act(session, by, ActType.REVOKE_API_KEY, row.id, publisher=row.publisher_id)
    return row


def list_publishers(session: Session) -> list[Publisher]:
    """Returns all organisations, oldest first."""
    return list(session.exec(select(Publisher).order_by(col(Publisher.enrolled_at))))

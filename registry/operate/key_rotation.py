"""Rotates the registry's own keys: the log's in two steps, that of answers in one with a date.

Each step is one transaction: its note, the log's entry that commits to it, and the head, signed by the keys
that count from then on. A process that dies leaves the step done or not begun; a key that was made for a
step that did not happen is the one that the next attempt takes.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlmodel import Session

from registry.errors import NotCosigned, RotationRefused
from registry.log.answer_signer import AnswerSigner, jwk_of, keys_of_answers
from registry.log.key_ring import KeyRing
from registry.log.log_keys import changes_of
from registry.log.signers import Signer
from registry.log.transparency_log import Log, head_of
from registry.log.witnessed_checkpoints import Head, committed_head
from registry.records.acts import LOCAL_OPERATOR, append_act
from registry.storage.models import AnswerKey, LogKeyChange
from sdk import answer_keys, log_keys
from sdk.answer_keys import AnswerKeySuccession
from sdk.checkpoint import VerifierKey, signature_line, split_note
from sdk.log_keys import RETIREMENT, SUCCESSION, KeyChange
from sdk.models import ActType


def rotate_log_key(session: Session, log: Log) -> KeyChange:
    """Gives the log's key a successor; from the next entry on, both sign. The caller commits and publishes.

    The new key is the one in the ring that never was the log's, or a new file. Raises RotationRefused,
    MissingKey.
    """
    log.lock(session)
    old = log.current_key(session)
    size = head_of(session, anew=True).size
    if len(log.keys.active(size + 1)) > 1:
        raise RotationRefused("a rotation is under way: retire the old key first")
    ring = log.keys.ring
    if ring is None:
        raise RotationRefused("there is no private key of the log here")
    known = {period.key.public_key for period in log.keys.periods}
    signer = _spare(ring, lambda spare: spare.public_key in known, str(len(known) + 1))
    new = VerifierKey(log.origin, signer.public_key)
    change = KeyChange(SUCCESSION, log.origin, old, new, size, _now())
    note = change.signed([(old, log.keys.signer(old).sign), (new, signer.sign)])
    _store(session, log, note)
    append_act(session, LOCAL_OPERATOR, ActType.ROTATE_LOG_KEY, new.key_id.hex(), old=old.key_id.hex())
    return change


def retire_log_key(
    session: Session, log: Log, require_cosigned: Callable[[Head], None] = lambda _: None
) -> KeyChange:
    """Has the old key sign nothing from the next entry on. The caller commits and publishes.

    `require_cosigned` raises NotCosigned where witnesses do not cosign a head: they are shown the present
    one, signed by the new key alone. Raises RotationRefused: there is but one key, or they do not trust it.
    """
    log.lock(session)
    new = log.current_key(session)
    size = head_of(session, anew=True).size
    active = log.keys.active(size + 1)
    if len(active) < 2:
        retired = [period for period in log.keys.periods if period.last is not None]
        since = f": {retired[-1].key.text()} was retired already" if retired else ": rotate it first"
        raise RotationRefused(f"one key alone signs the log{since}")
    head = committed_head(session)
    body = split_note(head.note)[0]
    note = f"{body}\n{signature_line(new, log.keys.signer(new).sign(body.encode()))}"
    try:
        require_cosigned(replace(head, note=note))
    except NotCosigned as error:
        raise RotationRefused(
            f"nothing could be registered any more, since too few witnesses trust the new key: {error}"
        ) from error
    change = KeyChange(RETIREMENT, log.origin, active[0], new, size, _now())
    _store(session, log, change.signed([(new, log.keys.signer(new).sign)]))
    append_act(session, LOCAL_OPERATOR, ActType.RETIRE_LOG_KEY, active[0].key_id.hex())
    return change


def _store(session: Session, log: Log, note: str) -> None:
    row = LogKeyChange(number=len(changes_of(session)), note=note)
    session.add(row)
    session.flush()
    # The entry's own checkpoint is the first that the keys of after this note sign.
    row.log_index, row.salt = log.append(session, log_keys.ENTRY_TYPE, note.encode())
    session.add(row)
    session.flush()


def rotate_answer_key(
    session: Session, log: Log, answers: AnswerSigner, published_for: timedelta
) -> AnswerKey:
    """Publishes a key that signs answers once it has been published for that long. The caller commits.

    Raises RotationRefused, MissingKey.
    """
    log.lock(session)
    known = keys_of_answers(session)
    now = _now()
    old = known[-1]
    if old.signs_from is not None and old.signs_from > now:
        raise RotationRefused(
            f"a rotation is under way: the next key signs from {old.signs_from.isoformat()} on"
        )
    kids = {row.kid for row in known}
    signer = _spare(answers.ring, lambda spare: jwk_of(spare)["kid"] in kids, str(len(known) + 1))
    jwk = jwk_of(signer)
    said = AnswerKeySuccession(log.origin, old.kid, jwk, now + published_for, now)
    statement = said.signed(answers.signer(old.kid).sign)
    row = AnswerKey(
        kid=jwk["kid"], jwk=jwk, published_at=now, signs_from=said.signs_from, statement=statement
    )
    row.log_index, row.salt = log.append(session, answer_keys.ENTRY_TYPE, statement.encode())
    session.add(row)
    session.flush()
    append_act(
        session, LOCAL_OPERATOR, ActType.ROTATE_ANSWER_KEY, row.kid, signs_from=said.signs_from.isoformat()
    )
    return row


def _spare(ring: KeyRing, is_known: Callable[[Signer], bool], stem: str) -> Signer:
    """The key of the ring that was never used, or a new file. Raises RotationRefused, MissingKey."""
    if ring.makes_files:
        ring.give_to_owner()  # also what an attempt left that was killed
    spare = [signer for signer in ring.signers() if not is_known(signer)]
    if len(spare) > 1:
        raise RotationRefused(
            f"{len(spare)} keys of {ring.name} were never used: leave the one that is next"
        )
    if spare:
        return spare[0]
    if not ring.makes_files:
        raise RotationRefused(
            f"make the next key where those of {ring.name} are, and name it in the settings"
        )
    owner = ring.folder.stat().st_uid
    if os.geteuid() not in (0, owner):  # once committed, a key that the service cannot read stops the log
        raise RotationRefused(
            f"the registry could not read a key that this user makes in {ring.folder}: run this as the "
            f"owner of that folder (user id {owner}), or as root"
        )
    return ring.make(stem)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)

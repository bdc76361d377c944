"""Checks the histories of the registry's own keys: each note is signed, and the log commits to it."""

from itertools import pairwise

from sqlalchemy import text
from sqlmodel import Session, select

from registry.log.answer_signer import keys_of_answers
from registry.log.log_keys import changes_of
from registry.operate.findings import Findings
from registry.storage.models import LogEntry
from sdk import answer_keys, log_keys
from sdk.answer_keys import BadSuccession, verify_succession
from sdk.records import commitment, log_entry


def check_keys(session: Session) -> Findings:
    """Yields what is wrong, and a sentence. Notes about the log's keys are verified with its checkpoint."""
    committed: set[int] = set()
    changes = changes_of(session)
    for change in changes:
        if change.note is not None:
            what = f"note {change.number} about the log's keys"
            yield from _check(
                session, what, log_keys.ENTRY_TYPE, change.note, change.log_index, change.salt
            )
            committed.add(-1 if change.log_index is None else change.log_index)
    keys = keys_of_answers(session)
    for old, new in pairwise(keys):
        what = f"the statement about answer key {new.kid}"
        try:
            said = verify_succession(new.statement or "", old.jwk)
        except BadSuccession as error:
            yield "keys", f"{what}: {error}"
            continue
        if (said.successor, said.signs_from) != (new.jwk, new.signs_from):
            yield "keys", f"{what} says something else than its row"
        yield from _check(
            session, what, answer_keys.ENTRY_TYPE, new.statement or "", new.log_index, new.salt
        )
        committed.add(-1 if new.log_index is None else new.log_index)
    for entry_type in (log_keys.ENTRY_TYPE, answer_keys.ENTRY_TYPE):
        kind = text("position(:kind IN entry) > 0").bindparams(kind=f'"type":"{entry_type}"'.encode())
        for index in session.exec(select(LogEntry.index).where(kind)):
            if index not in committed:
                yield "keys", f"log entry {index} has no note about a key"


def _check(
    session: Session, what: str, entry_type: str, note: str, index: int | None, salt: bytes | None
) -> Findings:
    entry = None if index is None else session.get(LogEntry, index)
    if entry is None or salt is None:
        yield "keys", f"no log entry commits to {what}"
    elif entry.entry != log_entry(entry_type, commitment(salt, note.encode())):
        yield "keys", f"{what} is not what log entry {index} commits to"

"""Follows the chain of administrative acts from its first row, and to where the log commits to it."""

from sqlalchemy import text
from sqlmodel import Session, col, select

from registry.operate.check_rows import OF_TYPE
from registry.operate.findings import STREAM_ROWS, Findings
from registry.records.acts import act_of
from registry.storage.models import Act as ActRow
from registry.storage.models import LogEntry
from registry.storage.models.columns import CLOCKS_DIFFER_BY, now
from sdk.acts import ENTRY_TYPE, FIRST_PREVIOUS, digest_of, head_content
from sdk.models import Act, ActType
from sdk.records import commitment, log_entry


def check_acts(session: Session) -> Findings:
    """Compares every act with its digest, the act before and the log. The log tells of an end cut off."""
    rows = session.exec(
        select(ActRow).order_by(col(ActRow.number)).execution_options(yield_per=STREAM_ROWS)
    )
    number, previous = 0, FIRST_PREVIOUS
    committed = 0  # how many acts the log commits to, as far as the rows say
    latest, too_late = now() + CLOCKS_DIFFER_BY, 0
    for row in rows:
        if row.number != number:
            yield "act", f"act {number} is missing"
            number = row.number
        elif row.previous.hex() != previous:
            yield "act", f"act {number} does not follow the act before it"
        too_late += row.at > latest
        previous, number = row.digest.hex(), number + 1
        try:
            act = act_of(row)
            holds = digest_of(act) == act.digest
        except ValueError:
            holds = False
        if not holds:
            yield "act", f"act {row.number} is not what its digest covers"
        elif act.type is ActType.COMMIT_ACTS:
            yield from _check_commitment(session, act)
            committed = act.number
        session.expunge(row)
    if too_late:
        yield "clock", f"{too_late} acts are of a time that has not come yet"
    yield from _unnoted_commitments(session, committed)


def _check_commitment(session: Session, act: Act) -> Findings:
    """The act before is the head that the log entry commits to."""
    content = head_content(act.number, act.previous)
    index, salt = act.details.get("log_index"), _octets(act.details.get("salt"))
    if type(index) is not int or salt is None:
        yield "act", f"act {act.number} does not say which log entry commits to the acts before it"
        return
    entry = session.exec(select(LogEntry.entry).where(LogEntry.index == index)).first()
    if entry != log_entry(ENTRY_TYPE, commitment(salt, content)):
        yield "act", f"log entry {index} does not commit to the acts before act {act.number}"


def _octets(told: object) -> bytes | None:
    """The bytes that an act tells in hexadecimal; None: it tells something else."""
    try:
        return bytes.fromhex(told) if isinstance(told, str) else None
    except ValueError:
        return None


def _unnoted_commitments(session: Session, committed: int) -> Findings:
    """Entries of the log that commit to acts of which nothing is left."""
    found = text(
        "SELECT index FROM log_entry WHERE " + OF_TYPE + " AND NOT EXISTS (SELECT 1 FROM act "
        "WHERE act.type = :act AND act.object = CAST(log_entry.index AS varchar)) ORDER BY index"
    )
    named = {"kind": f'"type":"{ENTRY_TYPE}"'.encode(), "act": ActType.COMMIT_ACTS.value}
    for (index,) in session.connection().execute(found, named):
        yield "act", f"log entry {index} commits to acts that are gone; {committed} are left of such"

"""Compares rows with the acts that changed them: what was withdrawn, erased, retired or revoked stays so.

What is done by an act and undone in the database would else be believed: a revoked key would sign again.
"""

from sqlalchemy import text
from sqlmodel import Session

from registry.operate.findings import Findings
from sdk.models import ActType

# Kind, what is looked for, and a sentence about its id and the number of the act.
UNDONE = (
    (
        "record",
        "SELECT record.id, number FROM act JOIN record ON record.id = object "
        f"WHERE type IN ('{ActType.WITHDRAW_RECORD}', '{ActType.ERASE_RECORD}') AND status = 'active'",
        "record {} is active, and act {} took it away",
    ),
    (
        "erasure",
        "SELECT record.id, number FROM act JOIN record ON record.id = object "
        f"WHERE type = '{ActType.ERASE_RECORD}' AND status <> 'erased'",
        "record {} is not erased, and act {} erased it",
    ),
    (
        "publisher",
        "SELECT kid, number FROM act JOIN publisher_key ON kid = object "
        f"WHERE type = '{ActType.REVOKE_SIGNING_KEY}' AND revoked_at IS NULL",
        "key {} is not revoked, and act {} revoked it",
    ),
    (
        "publisher",
        "SELECT kid, number FROM act JOIN publisher_key ON kid = object "
        f"WHERE type = '{ActType.ROTATE_SIGNING_KEY}' AND valid_until IS NULL",
        "key {} is not retired, and act {} retired it",
    ),
    (
        "api_key",
        "SELECT api_key.id, number FROM act JOIN api_key ON api_key.id = object "
        f"WHERE type = '{ActType.REVOKE_API_KEY}' AND revoked_at IS NULL",
        "API key {} is not revoked, and act {} revoked it",
    ),
)
# A registry that is older than the acts has withdrawn records of which none tells.
UNTOLD = (
    "SELECT id, status FROM record WHERE status <> 'active' "
    f"AND EXISTS (SELECT 1 FROM act WHERE number = 0 AND type = '{ActType.SET_UP}') "
    "AND NOT EXISTS (SELECT 1 FROM act WHERE object = record.id "
    f"AND type IN ('{ActType.WITHDRAW_RECORD}', '{ActType.ERASE_RECORD}'))"
)

# The last review of a record counts; with the record erased, its row goes.
REVIEWS = (
    "WITH last AS (SELECT DISTINCT ON (object) object, number, publisher_id, "
    "details ->> 'confirmed' AS said FROM act "
    f"WHERE type = '{ActType.REVIEW_FAKE}' ORDER BY object, number DESC) "
    "SELECT COALESCE(record_id, object), number FROM fake_review FULL JOIN last ON record_id = object "
    "WHERE CASE WHEN record_id IS NULL THEN object IN (SELECT id FROM record WHERE status <> 'erased') "
    "ELSE record_id IN (SELECT id FROM record WHERE status = 'erased') "
    "OR reviewer_id IS DISTINCT FROM publisher_id OR CAST(confirmed AS text) IS DISTINCT FROM said END"
)


def check_done(session: Session) -> Findings:
    """Yields what was done by an act and is not so, and what is so without an act."""
    connection = session.connection()
    for kind, query, sentence in UNDONE:
        for what, number in connection.execute(text(query)):
            yield kind, sentence.format(what, number)
    for record_id, number in connection.execute(text(REVIEWS)):
        told = "no act tells of one" if number is None else f"act {number} says otherwise"
        yield "record", f"record {record_id} has not the review that was given: {told}"
    for record_id, status in connection.execute(text(UNTOLD)):
        yield "record", f"record {record_id} is {status}, and no act says so"

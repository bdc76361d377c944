"""Follows every organisation's chain of decisions, and compares it with the rows that look-ups use.

1. Entries follow one another, and each digest covers what the entry says. 2. A body is what its entry
commits to, or its time is over: then a `forgotten` entry says so. 3. The row of a decision says what its
newest entry says. 4. An activation names a pack that is there, whose text is what its digest is of.
"""

import json

from sqlalchemy import text
from sqlmodel import Session, col, select

from registry.gate.chain import FORGOTTEN, link_of
from registry.gate.packs import digest_of
from registry.operate.findings import STREAM_ROWS, Findings
from registry.storage.models import DecisionEntry, PolicyPack
from registry.storage.models.columns import CLOCKS_DIFFER_BY, now
from sdk.decisions import FIRST_PREVIOUS, commitment_to, entry_digest

KIND = "decision"
# Rows that say something else than their newest entry, or that name none.
STRAY = """
SELECT decision.id FROM decision LEFT JOIN decision_entry
ON decision_entry.publisher_id = decision.publisher_id AND decision_entry.number = decision.number
AND decision_entry.decision_id = decision.id
WHERE decision_entry.body IS NULL OR decision_entry.state <> decision.state
OR (decision_entry.body::jsonb ->> 'outcome') IS DISTINCT FROM decision.outcome
OR (decision_entry.body::jsonb ->> 'content_ref') IS DISTINCT FROM decision.content_ref
OR (decision_entry.body::jsonb ->> 'uploader') IS DISTINCT FROM decision.uploader
OR coalesce((decision_entry.body::jsonb ->> 'dry_run')::boolean, false) <> decision.is_dry_run
OR EXISTS (SELECT 1 FROM decision_entry AS later WHERE later.decision_id = decision.id
           AND later.publisher_id = decision.publisher_id AND later.number > decision.number)
ORDER BY decision.id
"""
# Decisions of which something was deleted before any entry said that their time is over.
DELETED = """
WITH over AS (SELECT publisher_id, max((body::jsonb ->> 'first_number_up_to')::bigint) AS up_to
FROM decision_entry WHERE state = 'forgotten' AND body IS NOT NULL GROUP BY publisher_id)
SELECT decision_id FROM decision_entry LEFT JOIN over USING (publisher_id) WHERE decision_id IS NOT NULL
GROUP BY publisher_id, decision_id
HAVING bool_or(body IS NULL) AND min(number) > coalesce(max(up_to), -1) ORDER BY decision_id
"""
# Decisions that entries tell of, whose time is not over, and that have no row.
LOST = """
SELECT DISTINCT decision_id FROM decision_entry WHERE body IS NOT NULL AND decision_id IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM decision WHERE decision.id = decision_entry.decision_id) ORDER BY decision_id
"""
GROUNDLESS = """
SELECT publisher_id, number FROM policy_activation WHERE NOT EXISTS (SELECT 1 FROM policy_pack
WHERE policy_pack.publisher_id = policy_activation.publisher_id
AND policy_pack.sha256 = policy_activation.sha256) ORDER BY publisher_id, number
"""


def check_decisions(session: Session) -> Findings:
    """Runs every step."""
    yield from _check_chains(session)
    for (name,) in session.connection().execute(text(STRAY)):
        yield KIND, f"the row of decision {name} does not say what its newest entry says"
    for (name,) in session.connection().execute(text(DELETED)):
        yield KIND, f"decision {name} has lost what it says, before its time was over"
    for (name,) in session.connection().execute(text(LOST)):
        yield KIND, f"decision {name} has entries and no row"
    for row in session.exec(select(PolicyPack).execution_options(yield_per=STREAM_ROWS)):
        if digest_of(row.text) != row.sha256:
            yield KIND, f"the text of policy pack {row.sha256} is not what its digest is of"
    for platform, number in session.connection().execute(text(GROUNDLESS)):
        yield KIND, f"activation {number} of {platform} names a policy pack that is gone"


def _check_chains(session: Session) -> Findings:
    entries = select(DecisionEntry).order_by(col(DecisionEntry.publisher_id), col(DecisionEntry.number))
    platform, number, previous = "", 0, FIRST_PREVIOUS
    latest, too_late = now() + CLOCKS_DIFFER_BY, 0
    for entry in session.exec(entries.execution_options(yield_per=STREAM_ROWS)):
        if entry.publisher_id != platform:
            platform, number, previous = entry.publisher_id, 0, FIRST_PREVIOUS
        if entry.number != number:
            yield KIND, f"{_name(platform, number)} is missing"
        elif entry.previous.hex() != previous:
            yield KIND, f"{_name(platform, number)} does not follow the entry before it"
        if entry_digest(link_of(entry)) != entry.digest:
            yield KIND, f"{_name(platform, entry.number)} is not what its digest covers"
        if flaw := _flaw_of_body(entry):
            yield KIND, f"{_name(platform, entry.number)} {flaw}"
        too_late += entry.at > latest
        number, previous = entry.number + 1, entry.digest.hex()
        session.expunge(entry)
    if too_late:
        yield "clock", f"{too_late} entries of decisions are of a time that has not come yet"


def _flaw_of_body(entry: DecisionEntry) -> str | None:
    if entry.body is None or entry.salt is None:
        return None if entry.decision_id is not None else "has lost what it says"
    if commitment_to(entry.body, entry.salt) != entry.commitment:
        return "does not say what it commits to"
    if entry.state == FORGOTTEN:
        return None
    told = json.loads(entry.body)
    said = (told.get("number"), told.get("previous"), told.get("id"), told.get("state"))
    if said != (entry.number, entry.previous.hex(), entry.decision_id, entry.state):
        return "is of another decision, or of another place in the chain"
    return None


def _name(platform: str, number: int) -> str:
    return f"entry {number} of the decisions of {platform}"

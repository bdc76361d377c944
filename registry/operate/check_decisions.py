"""Follows every organisation's chain of decisions, and compares it with the rows that look-ups use.

1. Entries follow one another, and each digest covers what the entry says. 2. A body is what its entry
commits to and this registry signed, or its time is over: then a `forgotten` entry and an act say so. 3. The
row of a decision says what its first and its newest entry say. 4. Chains are what they were when an audit
noted where they end. 5. Packs are what their digests are of and what their texts say, and those that are
named are there; packs, activations and settings are what the acts say. 6. The database still refuses to
change entries.

The acts do not tell why a pack was switched on nor what was rolled back, and of a wish to end that two
people are asked for only that its key changed the settings: of these, more is not compared.
"""

from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from registry.gate.chain import FORGOTTEN, link_of
from registry.gate.pack_text import BadPackText, PackText
from registry.gate.packs import digest_of
from registry.log.answer_signer import keys_of_answers
from registry.operate.findings import STREAM_ROWS, Findings
from registry.storage.faults import is_unreadable
from registry.storage.models import DecisionEntry, PolicyPack
from registry.storage.models.columns import CLOCKS_DIFFER_BY, now
from sdk.decisions import (
    FIRST_PREVIOUS,
    BadDecision,
    commitment_to,
    entry_digest,
    verify_decision,
)
from sdk.models import Decision

KIND = "decision"
# PostgreSQL cannot read the JSON of a NUL, which a body of an older version may hold.
SAID = r"""(CASE WHEN position('\u0000' IN BODY) = 0 THEN BODY
ELSE regexp_replace(BODY, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g') END)::jsonb"""


def json_of(body: str) -> str:
    """SQL for the JSON in a column of bodies."""
    return SAID.replace("BODY", body)


# Rows that say something else than their first and their newest entry.
STRAY = f"""
SELECT decision.id FROM decision
LEFT JOIN decision_entry AS first ON first.publisher_id = decision.publisher_id
AND first.number = decision.first_number AND first.decision_id = decision.id
LEFT JOIN decision_entry AS newest ON newest.publisher_id = decision.publisher_id
AND newest.number = decision.number AND newest.decision_id = decision.id
CROSS JOIN LATERAL (SELECT {json_of("first.body")} AS began, {json_of("newest.body")} AS is_now) AS said
WHERE began IS NULL OR is_now IS NULL
OR (first.at, first.api_key_id, began ->> 'policy', began ->> 'content_ref', began ->> 'uploader',
    began ->> 'content', began ->> 'idempotency_key', began ->> 'request_sha256', began ->> 'job',
    coalesce((began ->> 'dry_run')::boolean, false),
    split_part(began #>> '{{links,explain}}', '/decisions/', 2))
   IS DISTINCT FROM (decision.at, decision.api_key_id, pack_sha256, content_ref, uploader, content,
    idempotency_key, request_sha256, job_id, is_dry_run, address)
OR (is_now ->> 'policy', is_now ->> 'content_ref', is_now ->> 'uploader', is_now ->> 'content',
    is_now ->> 'on_failure', coalesce((is_now ->> 'dry_run')::boolean, false))
   IS DISTINCT FROM (began ->> 'policy', began ->> 'content_ref', began ->> 'uploader', began ->> 'content',
    began ->> 'on_failure', coalesce((began ->> 'dry_run')::boolean, false))
OR (newest.state, is_now ->> 'outcome', is_now #>> '{{rule,rule}}', is_now #>> '{{evidence,verdict}}',
    coalesce((is_now #>> '{{review,confirmed}}')::boolean, false),
    CASE WHEN (is_now -> 'facts' ->> 'match.sure')::boolean THEN is_now #>> '{{evidence,record}}' END)
   IS DISTINCT FROM (decision.state, outcome, rule_id, verdict, is_confirmed, record_id)
OR EXISTS (SELECT 1 FROM decision_entry AS other WHERE other.decision_id = decision.id
           AND other.publisher_id = decision.publisher_id
           AND (other.number > decision.number OR other.number < decision.first_number))
ORDER BY decision.id
"""
# Decisions of which something was deleted before any entry said that their time is over.
DELETED = f"""
WITH over AS (SELECT publisher_id, max(({json_of("body")} ->> 'first_number_up_to')::bigint) AS up_to
FROM decision_entry WHERE state = 'forgotten' AND body IS NOT NULL GROUP BY publisher_id)
SELECT decision_id FROM decision_entry LEFT JOIN over USING (publisher_id) WHERE decision_id IS NOT NULL
GROUP BY publisher_id, decision_id
HAVING bool_or(body IS NULL) AND min(number) > coalesce(max(up_to), -1) ORDER BY decision_id
"""
# Entries that say otherwise than their bodies whether a statement is owed.
MISSTATED = f"""
SELECT publisher_id, number FROM decision_entry WHERE body IS NOT NULL
AND is_stated <> (({json_of("body")} #> '{{statement,dsa}}') IS NOT NULL) ORDER BY publisher_id, number
"""
# Decisions that entries tell of, whose time is not over, and that have no row.
LOST = """
SELECT DISTINCT decision_id FROM decision_entry WHERE body IS NOT NULL AND decision_id IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM decision WHERE decision.id = decision_entry.decision_id) ORDER BY decision_id
"""
# Entries that say that others were deleted, without an act that did it.
UNDONE = f"""
SELECT publisher_id, number FROM decision_entry WHERE state = 'forgotten' AND NOT EXISTS (
SELECT 1 FROM act WHERE type = 'forget_decisions' AND object = decision_entry.publisher_id
AND details ->> 'entry' = decision_entry.number::text
AND details ->> 'first_number_up_to' = {json_of("decision_entry.body")} ->> 'first_number_up_to')
ORDER BY publisher_id, number
"""
# Where a chain ended when an audit noted it, and another entry stands now, or none.
REWRITTEN = """
SELECT object, details ->> 'number' FROM act WHERE type = 'note_decisions' AND NOT EXISTS (
SELECT 1 FROM decision_entry WHERE publisher_id = object AND number::text = details ->> 'number'
AND encode(digest, 'hex') = details ->> 'digest') ORDER BY act.number
"""
GROUNDLESS = """
SELECT publisher_id, number FROM policy_activation WHERE NOT EXISTS (SELECT 1 FROM policy_pack
WHERE policy_pack.publisher_id = policy_activation.publisher_id
AND policy_pack.sha256 = policy_activation.sha256) ORDER BY publisher_id, number
"""
# Activations that no act asked for, and that are in effect, or not, otherwise than the acts say.
UNASKED = """
SELECT publisher_id, number FROM policy_activation AS row WHERE NOT EXISTS (
SELECT 1 FROM act WHERE type IN ('switch_policy', 'ask_for_policy') AND act.publisher_id = row.publisher_id
AND act.api_key_id = row.asked_by AND object = row.sha256 AND details ->> 'mode' = row.mode
AND details ->> 'activation' = row.number::text AND abs(extract(epoch FROM act.at - row.asked_at)) < 60)
OR (row.effective_at IS NOT NULL) <> EXISTS (
SELECT 1 FROM act WHERE type = 'switch_policy' AND act.publisher_id = row.publisher_id
AND act.api_key_id = coalesce(row.confirmed_by, row.asked_by) AND object = row.sha256
AND details ->> 'activation' = row.number::text
AND abs(extract(epoch FROM act.at - coalesce(row.effective_at, act.at))) < 60)
ORDER BY publisher_id, number
"""
# Acts that switched something on, of which no row is left.
DROPPED = """
SELECT act.publisher_id, details ->> 'activation' FROM act WHERE type IN ('switch_policy', 'ask_for_policy')
AND NOT EXISTS (SELECT 1 FROM policy_activation AS row WHERE row.publisher_id = act.publisher_id
AND row.number::text = details ->> 'activation') ORDER BY act.number
"""
# Packs that decisions were taken by: whoever is told of a rule can no longer read it.
MISSED = """
SELECT DISTINCT publisher_id, pack_sha256 FROM decision WHERE NOT EXISTS (SELECT 1 FROM policy_pack
WHERE policy_pack.publisher_id = decision.publisher_id AND sha256 = pack_sha256) ORDER BY 1, 2
"""
UNADDED = """
SELECT publisher_id, sha256 FROM policy_pack AS row WHERE NOT EXISTS (
SELECT 1 FROM act WHERE type = 'add_policy' AND act.publisher_id = row.publisher_id AND object = row.sha256
AND act.api_key_id = row.added_by AND abs(extract(epoch FROM act.at - row.added_at)) < 60)
ORDER BY publisher_id, sha256
"""
TAKEN_AWAY = """
SELECT act.publisher_id, object FROM act WHERE type = 'add_policy' AND NOT EXISTS (
SELECT 1 FROM policy_pack AS row WHERE row.publisher_id = act.publisher_id AND row.sha256 = object)
ORDER BY act.number
"""
# Settings that are not what the last act made of them. A row is only ever made by one.
MISSET = """
WITH last AS (SELECT DISTINCT ON (object) object, details FROM act WHERE type = 'change_gate'
ORDER BY object, number DESC)
SELECT coalesce(row.publisher_id, object) FROM gate_settings AS row FULL JOIN last
ON row.publisher_id = object WHERE row.publisher_id IS NULL OR object IS NULL
OR (two_people::text, retention_days::text, dispute_url) IS DISTINCT FROM
   (details ->> 'two_people', details ->> 'retention_days', details ->> 'dispute_url')
OR one_person_asked_by IS NOT NULL AND NOT (two_people AND EXISTS (
    SELECT 1 FROM act WHERE type = 'change_gate' AND act.object = row.publisher_id
    AND api_key_id = one_person_asked_by AND act.details ->> 'two_people' = 'true'))
ORDER BY 1
"""
# As migration 0014 makes them: enabled, without a condition, for these events (pg_trigger.h), calling a
# function with that body.
GUARD_MD5 = "c2ec64f6dfed1fec50610390ef327cb3"
UNGUARDED = f"""
SELECT wanted.name FROM (VALUES ('decision_entry_is_append_only', 27),
('decision_entry_is_never_emptied', 34)) AS wanted (name, events) WHERE NOT EXISTS (
SELECT 1 FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgrelid = 'decision_entry'::regclass AND tgname = wanted.name AND tgtype = events
AND tgenabled IN ('O', 'A') AND tgqual IS NULL AND tgattr = ''
AND proname = 'decision_entry_is_append_only' AND md5(prosrc) = '{GUARD_MD5}') ORDER BY 1
"""
# What somebody added could drop, hide or change what is stored, and no entry would tell.
ADDED = """
SELECT name, of::regclass::text FROM (
SELECT tgname AS name, tgrelid AS of FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT rulename, ev_class FROM pg_rewrite
UNION ALL SELECT polname, polrelid FROM pg_policy) AS added
WHERE of IN ('decision_entry'::regclass, 'decision'::regclass, 'policy_pack'::regclass,
             'policy_activation'::regclass, 'gate_settings'::regclass)
AND name NOT IN ('decision_entry_is_append_only', 'decision_entry_is_never_emptied') ORDER BY 1, 2
"""
OF_ROWS = (
    (STRAY, "the row of decision {0} does not say what its entries say"),
    (DELETED, "decision {0} has lost what it says, before its time was over"),
    (LOST, "decision {0} has entries and no row"),
    (MISSTATED, "entry {1} of the decisions of {0} says otherwise than its body whether it is stated"),
    (UNDONE, "entry {1} of the decisions of {0} says that others were deleted, and no act did that"),
    (REWRITTEN, "the decisions of {0} are not what they were up to entry {1} when an audit noted it"),
    (GROUNDLESS, "activation {1} of {0} names a policy pack that is gone"),
    (UNASKED, "activation {1} of {0} is not what the acts say"),
    (DROPPED, "activation {1} of {0} is gone"),
    (MISSED, "policy pack {1} of {0} is gone, and decisions name it"),
    (UNADDED, "policy pack {1} of {0} was not added as the acts say"),
    (TAKEN_AWAY, "policy pack {1} of {0} is gone, and an act added it"),
    (MISSET, "the settings of the gate of {0} are not what the acts say"),
    (
        UNGUARDED,
        "the database does not refuse to change entries of decisions: {0} is missing, off or another",
    ),
    (ADDED, "the trigger, rule or row policy {0} on {1} is none of this registry's"),
)


UNREADABLE = "what an entry says is no JSON; rows of decisions were not compared with it"


def check_decisions(session: Session) -> Findings:
    """Runs every step."""
    yield from _check_chains(session)
    for row in session.exec(select(PolicyPack).execution_options(yield_per=STREAM_ROWS)):
        if flaw := _flaw_of_pack(row):
            yield KIND, flaw
        session.expunge(row)
    for found, sentence in OF_ROWS:
        try:
            with session.begin_nested():  # what cannot be read ends this statement, and not the audit
                rows = session.connection().execute(text(found)).all()
        except DBAPIError as error:
            if not is_unreadable(error):
                raise
            yield KIND, UNREADABLE
            continue
        for told in rows:
            yield KIND, sentence.format(*told)


def _flaw_of_pack(row: PolicyPack) -> str | None:
    """What is wrong with a pack's row.

    The text is read and not checked as a new one is: an older version may have taken what this one refuses.
    """
    if digest_of(row.text) != row.sha256:
        return f"the text of policy pack {row.sha256} is not what its digest is of"
    try:
        said = PackText(row.text.encode()).value
    except BadPackText:
        return f"the text of policy pack {row.sha256} is none"
    if (row.name, row.version) != (said.get("pack"), said.get("version")):
        return f"policy pack {row.sha256} is called otherwise than its text says"
    told = str(said.get("title")).strip(), _count(said.get("rules")), _count(said.get("cases"))
    if (row.title, row.rules, row.cases) != told:
        return f"policy pack {row.sha256} has another title, or other numbers, than its text says"
    return None


def _count(listed: object) -> int:
    return len(listed) if isinstance(listed, list) else 0


def _check_chains(session: Session) -> Findings:
    entries = select(DecisionEntry).order_by(col(DecisionEntry.publisher_id), col(DecisionEntry.number))
    keys = {"keys": [key.jwk for key in keys_of_answers(session)]}
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
        if flaw := _flaw_of_body(entry, keys):
            yield KIND, f"{_name(platform, entry.number)} {flaw}"
        too_late += entry.at > latest
        number, previous = entry.number + 1, entry.digest.hex()
        session.expunge(entry)
    if too_late:
        yield "clock", f"{too_late} entries of decisions are of a time that has not come yet"


def _flaw_of_body(entry: DecisionEntry, keys: dict[str, Any]) -> str | None:
    if entry.body is None and entry.salt is None:
        return None if entry.decision_id is not None else "has lost what it says"
    if entry.body is None or entry.salt is None:
        return "has lost a part of what it says"
    if commitment_to(entry.body, entry.salt) != entry.commitment:
        return "does not say what it commits to"
    if entry.state == FORGOTTEN:
        return None
    try:
        decision = Decision.model_validate_json(entry.body)
        verify_decision(decision, keys)
    except (ValueError, BadDecision):
        return "is not what this registry signed"
    said = (decision.platform, decision.number, decision.previous, decision.id, decision.state.value)
    stands = (entry.publisher_id, entry.number, entry.previous.hex(), entry.decision_id, entry.state)
    if said != stands or (decision.at, decision.api_key) != (entry.at, entry.api_key_id):
        return "is of another decision, or of another place in the chain"
    return None


def _name(platform: str, number: int) -> str:
    return f"entry {number} of the decisions of {platform}"

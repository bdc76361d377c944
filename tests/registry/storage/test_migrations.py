"""Migrations of databases that hold something already."""

import json
from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Engine, text

from registry.storage import db
from tests.world import DatabaseServer

BEFORE_THE_WORDS = "0006"
PROBLEM = {"type": "urn:trueprint:problem:{}", "title": "t", "status": 422, "detail": "d", "fields": []}
ROWS = """
INSERT INTO publisher VALUES ('p', 'Agency', 'desk@example.org', NULL, 'researcher', now());
INSERT INTO api_key VALUES
  ('k', 'p', '00', '{evidence,match,publish-fake,register}', now(), now(), NULL, NULL);
INSERT INTO publisher_key VALUES ('kid', 'p', '{"kty": "EC"}', now(), NULL, NULL);
INSERT INTO record (id, publisher_id, kid, jws, salt, log_index, digest_sha256, asset_class, label, status,
                    intimate, registered_at) VALUES
  ('original', 'p', 'kid', 'jws', 'salt', 0, 'd0', 'authentic', 'harbour', 'active', false, now()),
  ('fake', 'p', 'kid', 'jws', 'salt', 1, 'd1', 'known_fake', 'harbour?', 'active', false, now());
INSERT INTO contest VALUES ('fake', 'original', '2026-03-01T12:00:00Z');
INSERT INTO edge VALUES ('fake', 'derived_from', 'original', 'confirmed', '{face_swap,re-encoded}');
INSERT INTO job (id, kind, api_key_id, status, progress, attempts, created_at, payload_key, result, problem)
VALUES
  ('waiting', 'match', 'k', 'queued', 0, 0, now(), 'payload', NULL, NULL),
  ('answered', 'match', 'k', 'done', 1, 1, now(), NULL, '{"matches": [{"disputed_with": []}]}', NULL),
  ('registered', 'register', 'k', 'done', 1, 1, now(), NULL, '{"already_registered": false, "receipt": {},
   "record": {"label": "edges of a harbour", "contested_with": ["original"], "edges": [{"operations":
   ["face_swap", "re-encoded"]}]}}', NULL);
"""


def tables_in(engine: Engine) -> dict[str, list[dict[str, object]]]:
    """Returns the rows of every table that the migration touches, in a stable order."""
    found = {}
    with engine.connect() as connection:
        present = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for table in sorted(
            {*present} & {"contest", "dispute", "edge", "declared_source", "api_key", "job"}
        ):
            rows = connection.execute(text(f"SELECT * FROM {table} ORDER BY 1"))
            found[table] = [dict(row) for row in rows.mappings()]
    return found


def names_in(engine: Engine) -> set[str]:
    """Returns the names of all tables, indexes and constraints."""
    with engine.connect() as connection:
        relations = connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        )
        constraints = connection.scalars(
            text("SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace")
        )
        return {*relations, *constraints}


@pytest.fixture
def old_database(database_server: DatabaseServer) -> Iterator[Engine]:
    engine = db.connect(database_server.new_database(template="template0"))
    command.upgrade(db.alembic_config(engine), BEFORE_THE_WORDS)
    with engine.begin() as connection:
        connection.exec_driver_sql(ROWS)
        for job, code in (("plain", "too-plain"), ("cut", "undecodable-media")):
            document = {**PROBLEM, "code": code, "type": f"urn:trueprint:problem:{code}"}
            connection.execute(
                text(
                    "INSERT INTO job (id, kind, status, progress, attempts, created_at, problem) "
                    "VALUES (:id, 'match', 'failed', 1, 1, now(), :problem)"
                ),
                {"id": job, "problem": json.dumps(document)},
            )
    yield engine
    engine.dispose()


def test_the_new_words_reach_what_is_stored_and_no_row_is_lost(old_database: Engine) -> None:
    before = tables_in(old_database)
    db.migrate(old_database)
    after = tables_in(old_database)
    db.require_migrated(old_database)
    command.check(db.alembic_config(old_database))

    assert after["dispute"] == before["contest"]
    (old,), (new,) = before["edge"], after["declared_source"]
    assert new == {**old, "operations": ["face_swap", "re_encoded"], "speaks_for_fake": True}
    (key,) = after["api_key"]
    assert key["scopes"] == ["evidence", "match", "publish_fake", "register"]
    assert not {"contest", "edge"} & after.keys()
    assert not [name for name in names_in(old_database) if "contest" in name or "edge" in name]


def test_signed_answers_of_finished_jobs_go_and_other_jobs_stay(old_database: Engine) -> None:
    waiting = next(job for job in tables_in(old_database)["job"] if job["id"] == "waiting")
    db.migrate(old_database)
    jobs = {str(job["id"]): job for job in tables_in(old_database)["job"]}

    assert jobs.keys() == {"waiting", "plain", "cut", "registered"}
    assert jobs["waiting"] == waiting | {"gate_context": None}  # a column of a later migration
    assert json.loads(str(jobs["registered"]["result"])) == {
        "already_registered": False,
        "receipt": {},
        "record": {
            "label": "edges of a harbour",
            "disputed_with": ["original"],
            "declared_sources": [{"operations": ["face_swap", "re_encoded"]}],
        },
    }
    problems = {job: json.loads(str(jobs[job]["problem"])) for job in ("plain", "cut")}
    assert problems["plain"]["code"] == "insufficient_detail"
    assert problems["cut"]["code"] == "undecodable_media"
    for document in problems.values():
        assert document["type"] == f"urn:trueprint:problem:{document['code']}"
        assert document["detail"] == "d"


def test_the_words_can_be_taken_back(old_database: Engine) -> None:
    before, names = tables_in(old_database), names_in(old_database)
    db.migrate(old_database)
    command.downgrade(db.alembic_config(old_database), BEFORE_THE_WORDS)
    after = tables_in(old_database)

    assert names_in(old_database) == names
    assert {**after, "job": []} == {**before, "job": []}
    kept = {str(job["id"]): job for job in after["job"]}
    assert kept.keys() == {"waiting", "plain", "cut", "registered"}
    assert json.loads(str(kept["plain"]["problem"]))["code"] == "too-plain"
    registered = next(job for job in before["job"] if job["id"] == "registered")
    assert json.loads(str(kept["registered"]["result"])) == json.loads(str(registered["result"]))

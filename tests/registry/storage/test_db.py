from typing import Any

import pytest
from sqlalchemy import text

from registry.storage import liveness
from registry.storage.db import LINK_GONE_AFTER_S, conninfo, reading, release, transaction
from registry.storage.models import Publisher
from registry.storage.models.columns import now
from tests.world import World

OWN_BACKEND = text("SELECT pg_backend_pid()")


def test_both_sides_of_a_connection_notice_that_the_link_is_cut(world: World) -> None:
    # On a unix socket PostgreSQL shows 0, and keeps what it would do on another.
    kept = "SELECT reset_val FROM pg_settings WHERE name = :name"
    with world.engine.connect() as connection:
        times_ms = connection.scalar(text(kept), {"name": "tcp_user_timeout"})
        silent_s = connection.scalar(text(kept), {"name": "tcp_keepalives_idle"})
    assert int(times_ms) == 1000 * LINK_GONE_AFTER_S < 15_000
    assert 0 < int(silent_s) < LINK_GONE_AFTER_S
    for outside_the_pool in ("keepalives_idle=5", "tcp_user_timeout=11000"):
        assert outside_the_pool in conninfo(world.engine)


def test_connections_that_the_database_ended_are_replaced_before_they_are_lent(world: World) -> None:
    ended = set()
    with reading(world.engine) as one, reading(world.engine) as other:
        ended = {one.scalar(OWN_BACKEND), other.scalar(OWN_BACKEND)}
    with world.engine.connect() as connection:
        mine = connection.scalar(OWN_BACKEND)
        end = text("SELECT pg_terminate_backend(:pid)")
        assert all(connection.scalar(end, {"pid": pid}) for pid in ended - {mine})
        for pid in ended - {mine}:
            _wait_for_the_end_of(connection, pid)
    for _ in range(3):
        with reading(world.engine) as one, reading(world.engine) as other:
            assert not {one.scalar(OWN_BACKEND), other.scalar(OWN_BACKEND)} & (ended - {mine})


def _wait_for_the_end_of(connection: Any, pid: int) -> None:
    there = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
    while connection.scalar(there, {"pid": pid}):
        connection.rollback()


def test_a_connection_is_asked_only_after_it_lay_idle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(world.engine.dialect, "do_ping", asked.append)
    for _ in range(3):
        with reading(world.engine) as session:
            session.scalar(OWN_BACKEND)
    asked.clear()
    with reading(world.engine) as session:
        session.scalar(OWN_BACKEND)
    assert asked == []
    monkeypatch.setattr(liveness, "LONG_IDLE_S", 0.0)
    with reading(world.engine) as session:
        session.scalar(OWN_BACKEND)
    assert len(asked) == 1


def test_reading_sees_what_was_committed_meanwhile_and_holds_no_transaction(world: World) -> None:
    names = text("SELECT name FROM publisher")
    with reading(world.engine) as session:
        before = set(session.scalars(names))
        began_with_this = session.scalar(text("SELECT transaction_timestamp() = statement_timestamp()"))
        with transaction(world.engine) as other:
            other.add(Publisher(id="new", name="New", contact="n@example.org", role="publisher"))
        assert set(session.scalars(names)) - before == {"New"}
        release(session)
        assert set(session.scalars(names)) - before == {"New"}
    assert began_with_this


def test_a_session_that_reads_refuses_to_write(world: World) -> None:
    with reading(world.engine) as session:
        session.add(
            Publisher(id="a", name="A", contact="a@example.org", role="publisher", enrolled_at=now())
        )
        with pytest.raises(AssertionError, match="writes nothing"):
            session.flush()
    with reading(world.engine) as session:
        assert session.get(Publisher, "a") is None

from sqlalchemy import text

from registry.storage.db import LINK_GONE_AFTER_S, conninfo
from tests.world import World


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

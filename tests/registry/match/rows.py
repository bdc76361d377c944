"""Rows that no database has seen, for tests of pure functions."""

from typing import Any

from registry.storage.models import Record


def record(name: str = "a", **more: Any) -> Record:
    return Record(
        id=name,
        publisher_id=more.pop("publisher_id", "p"),
        kid="k",
        jws="",
        salt=b"",
        log_index=0,
        digest_sha256=None,
        asset_class="authentic",
        label=name,
        media_type=None,
        width=more.pop("width", 640),
        height=480,
        **more,
    )

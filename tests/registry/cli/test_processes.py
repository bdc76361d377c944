"""Several processes share out what one machine bears, and leave every caller's room in each."""

from pathlib import Path

import pytest

from registry.cli.processes import share_of
from registry.settings import Settings


@pytest.mark.parametrize("processes", [2, 3, 4, 16, 64])
def test_a_caller_never_takes_every_turn_of_a_process(tmp_path: Path, processes: int) -> None:
    whole = Settings(home=tmp_path, processes=processes)
    share = share_of(whole)
    for together, of_one in (("uploads", "uploads_per_key"), ("followers", "followers_per_key")):
        assert 1 <= getattr(share, of_one) < getattr(share, together)
        assert getattr(share, together) <= max(2, -(-getattr(whole, together) // processes))
    assert share.decoder_workers >= 1
    assert share.probed_windows == 64


def test_one_process_has_everything(tmp_path: Path) -> None:
    whole = Settings(home=tmp_path)
    assert share_of(whole) == whole

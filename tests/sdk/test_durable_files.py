import os
import stat
from pathlib import Path

import pytest

from sdk.durable_files import write_durably, write_secret_once
from sdk.keys import generate_key, load_private_key, save_private_key


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_key_is_there_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, key = tmp_path / "key.pem", generate_key()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(OSError, match="No space"):
            save_private_key(key, path)
    assert list(tmp_path.iterdir()) == []
    save_private_key(key, path)
    assert load_private_key(path).thumbprint() == key.thumbprint()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_secret_is_overwritten_with_or_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secret_once(tmp_path / "linked", b"first")
    monkeypatch.setattr(os, "link", no_space)
    write_secret_once(tmp_path / "moved", b"first")
    for name in ("linked", "moved"):
        with pytest.raises(FileExistsError):
            write_secret_once(tmp_path / name, b"second")
        assert (tmp_path / name).read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(b"of somebody")
    (tmp_path / "state.tmp").symlink_to(tmp_path / "letter")
    with pytest.raises(OSError, match=r"state\.tmp"):
        write_durably(tmp_path / "state", b"new")
    assert (tmp_path / "letter").read_bytes() == b"of somebody"

import os
from pathlib import Path

import pytest
import typer

from sdk.cli.folders import pictures_in
from tests.videos import muxed


def made(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")


def names_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in pictures_in([folder])]


def test_what_systems_leave_in_folders_is_no_picture(tmp_path: Path) -> None:
    made(tmp_path, "b.JPG", "a/c.png", "a/film.vob", "notes.txt", "Thumbs.db", "desktop.ini", ".DS_Store")
    made(tmp_path, "._b.JPG", ".hidden.png", "a/._c.png")
    for folder in (
        ".thumbnails",
        "__MACOSX",
        "@eaDir",
        ".Trashes",
        ".Spotlight-V100",
        "System Volume Information",
        "$RECYCLE.BIN",
        ".stversions",
        "lost+found",
    ):
        made(tmp_path, f"{folder}/d.jpg", f"a/{folder}/deeper/d.jpg")
    assert names_in(tmp_path) == ["a/c.png", "a/film.vob", "b.JPG"]


def test_what_is_named_is_tried_whatever_it_is_called(tmp_path: Path) -> None:
    made(tmp_path, "._b.jpg", ".thumbnails/d.jpg", "document")
    named = [tmp_path / "._b.jpg", tmp_path / "document"]
    assert pictures_in(named) == named
    assert pictures_in([tmp_path / ".thumbnails"]) == [tmp_path / ".thumbnails" / "d.jpg"]


def test_links_end_nowhere_and_in_no_circle(tmp_path: Path) -> None:
    made(tmp_path, "a.jpg", "in/b.jpg")
    (tmp_path / "in" / "back").symlink_to(tmp_path)
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "z.jpg").symlink_to(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")  # reading it would never end
    assert names_in(tmp_path) == ["a.jpg", "in/b.jpg", "z.jpg"]


def test_a_folder_may_be_called_like_a_picture(tmp_path: Path) -> None:
    made(tmp_path, "x.jpg/y.png")
    assert names_in(tmp_path) == ["x.jpg/y.png"]
    assert pictures_in([tmp_path / "x.jpg"]) == [tmp_path / "x.jpg" / "y.png"]


def test_a_transport_stream_is_told_from_a_program(tmp_path: Path) -> None:
    (tmp_path / "program.ts").write_text("Get = 1\n" * 100)
    (tmp_path / "film.ts").write_bytes(muxed("mpegts", "mpeg2video"))
    assert names_in(tmp_path) == ["film.ts"]


def test_a_folder_without_pictures_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path, "empty/notes.txt", "full/a.jpg")
    with pytest.raises(typer.BadParameter, match="no pictures or videos"):
        pictures_in([tmp_path / "empty"])
    capsys.readouterr()
    assert pictures_in([tmp_path / "empty", tmp_path / "full"]) == [tmp_path / "full" / "a.jpg"]
    assert f"no pictures or videos in {tmp_path / 'empty'}" in capsys.readouterr().err.replace("\n", "")
    with pytest.raises(typer.BadParameter, match="does not exist"):
        pictures_in([tmp_path / "nowhere"])


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "a.jpg", "locked/b.jpg")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert names_in(tmp_path) == ["a.jpg", "locked"]

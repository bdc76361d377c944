"""Which files of folders are pictures and videos, and not something that a system left there."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from sdk.cli.output import notes, shown

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".gif", ".bmp"}
)
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".3gp", ".apng", ".mpg", ".mpeg", ".vob"}
    | {".ts", ".mts", ".m2ts", ".flv", ".wmv", ".asf", ".ogv"}
)
MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES
# What systems keep beside people's files, in lower case. What begins with a dot is theirs too: AppleDouble
# (._name), .thumbnails, .Trashes, .Spotlight-V100, .stversions.
SYSTEM_FOLDERS = frozenset(
    {
        "__macosx",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
    }  # macOS, Windows, Linux
    | {"@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", ".@__thumb"}  # storage devices
    | {"network trash folder", "temporary items"}
)
SYNC_BYTE, PACKET = b"G", 188  # of a transport stream; a `.ts` is more often a program in TypeScript


def pictures_in(paths: Sequence[Path]) -> list[Path]:
    """Lists files as given, and in folders the pictures and videos, told by suffix, in the order of names.

    Folders are searched to their depths; links to folders inside them are not followed. A folder that
    cannot be listed stands in the list itself. Raises BadParameter where there is no such path, or nothing.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(_walk(path))
            if not inside:
                notes.print(f"no pictures or videos in {shown(path)}")
            found += inside
        elif os.path.lexists(path):
            found.append(path)
        else:
            raise typer.BadParameter(f"{shown(path)} does not exist")
    if not found:
        raise typer.BadParameter("no pictures or videos found")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    refused: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=refused.append):
        folders[:] = [name for name in folders if not _is_systems(name)]
        for name in files:
            path = Path(here, name)
            if path.suffix.lower() in MEDIA_SUFFIXES and not _is_systems(name) and _is_media(path):
                yield path
    yield from (Path(os.fsdecode(error.filename)) for error in refused)


def _is_systems(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def _is_media(path: Path) -> bool:
    """Whether it is a file, at the end of links too; a pipe or a device would be waited for for ever."""
    if not path.is_file():
        return False
    return path.suffix.lower() != ".ts" or _has_packets(path)


def _has_packets(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(2 * PACKET)
    except OSError:
        return True  # what is wrong with it is said when it is read
    return head[:1] == SYNC_BYTE and head[PACKET : PACKET + 1] in (SYNC_BYTE, b"")

"""Reported files of videos and folders that were answered wrongly; skipped where they are not at hand."""

from pathlib import Path

import pytest

from sdk.keys import save_private_key
from sdk.models import MatchRelation, OperationType
from tests.journeys.test_command_line import lines, run
from tests.world import World

SOUND = {OperationType.AUDIO_REPLACED, OperationType.AUDIO_RETIMED}
pytestmark = [pytest.mark.shared]


@pytest.mark.parametrize(
    ("kind", "registered", "upload", "never"),
    [
        (
            "10-video-display-matrix-with-a-flip",
            "s.mp4",
            "mx_hflip.mp4",
            {OperationType.MIRRORED, OperationType.ROTATED},
        ),
        ("17-sound-that-starts-later", "delay.mp4", "delay_flat.mp4", SOUND),
        ("17-sound-that-starts-later", "delay_flat.mp4", "delay.mp4", SOUND),
        ("18-which-sound-is-heard", "s.mp4", "phase.mp4", SOUND),
        ("18-which-sound-is-heard", "phase.mp4", "s.mp4", SOUND),
        ("18-which-sound-is-heard", "s.mp4", "silentfirst.mkv", SOUND),
        ("19-which-picture-track", "s.mp4", "coverfirst.mkv", {OperationType.PICTURES_REPLACED}),
    ],
)
def test_the_same_footage_stays_the_same(
    world: World, shared: Path, kind: str, registered: str, upload: str, never: set[OperationType]
) -> None:
    folder = shared / "reported" / kind
    desk = world.enrol("Daily Example")
    world.register(desk, (folder / registered).read_bytes(), registered)
    answer = desk.client.match((folder / upload).read_bytes())
    [match] = answer.matches
    assert match.relation is MatchRelation.SAME_PICTURE
    assert not {operation.type for operation in match.operations} & never
    world.audit()


def test_a_folder_with_system_files_is_registered_without_them(
    world: World, shared: Path, tmp_path: Path
) -> None:
    folder = shared / "reported" / "20-folder-with-system-files" / "folder"
    desk = world.enrol("Daily Example")
    save_private_key(desk.key, tmp_path / "desk.pem")
    access = ["--sign-with", tmp_path / "desk.pem", "--url", world.url, "--api-key", desk.api_key.secret]
    for known in (False, True):
        [line] = lines(run("register", folder, "--json", *access))
        assert (Path(line["file"]).name, line["answer"]["already_registered"]) == ("IMG_2.jpg", known)


def test_on_this_device_every_file_has_its_line(world: World, shared: Path) -> None:
    folder = shared / "reported" / "22-on-device-stops-at-the-first-bad-file" / "folder"
    desk = world.enrol("Daily Example")
    for name in ("a.jpg", "c.jpg"):
        world.register(desk, (folder / name).read_bytes(), name)
    access = ["--url", world.url, "--api-key", desk.api_key.secret]
    found = lines(run("match", folder, "--on-device", "--json", *access, expect=1))
    assert [Path(line["file"]).name for line in found] == ["a.jpg", "b.mp4", "c.jpg"]
    assert [line["error"] and line["error"]["code"] for line in found] == [None, "unsupported_media", None]
    assert [bool(line["answer"] and line["answer"]["matches"]) for line in found] == [True, False, True]

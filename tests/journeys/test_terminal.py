"""Commands in a terminal: what a person sees while they run, and what Ctrl-C does; real processes."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdk.keys import save_private_key
from tests.journeys.terminal import COLUMNS, Terminal
from tests.journeys.test_command_line import lines, run
from tests.pictures import encoded
from tests.videos import clip, muxed
from tests.world import DatabaseServer, World

BAR = "━"


@pytest.fixture(scope="module")
def access(world_of_module: World, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The options with which a publisher registers and asks."""
    desk = world_of_module.enrol("Daily Example")
    key = tmp_path_factory.mktemp("keys") / "desk.pem"
    save_private_key(desk.key, key)
    return ["--sign-with", key, "--url", world_of_module.url, "--api-key", desk.api_key.secret]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures of the twenty-ninth of November, from the second camera"
    made.mkdir()
    for name in ("cat", "coffee"):
        (made / f"{name}.jpg").write_bytes(encoded(name))
    (made / "a video.mp4").write_bytes(muxed("mp4", frames=clip("rocket").frames))
    (made / "broken.png").write_bytes(b"hello")
    return made


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def without_signing(access: list[object]) -> list[object]:
    return access[2:]


def test_a_progress_bar_leaves_no_half_lines_and_no_broken_words(
    access: list[object], folder: Path
) -> None:
    registering = Terminal(["register", folder, "--jobs", "2", *access])
    assert registering.end() == 1
    assert BAR in registering.said
    screen = [line for line in registering.screen() if line]
    assert not [line for line in screen if BAR in line or len(line) > COLUMNS]
    assert [line.split()[0] for line in screen if not line.startswith(" ")] == [
        "registered",
        "refused",
        "registered",
        "registered",
    ]
    # A path may be longer than a line: then it goes on in the next one. Words never do.
    letters = "".join("".join(screen).split())
    assert "".join(f"refused{folder / 'broken.png'}:".split()) in letters
    words = {word for line in screen for word in line.split()}
    assert {"This", "kind", "read:", "neither", "WebP,", "MPEG-TS,", "registered", "record"} <= words

    matching = Terminal(["match", folder, *without_signing(access)])
    assert matching.end() == 1
    assert not [line for line in matching.screen() if BAR in line or len(line) > COLUMNS]
    assert sum("Exact match: the very file" in line for line in matching.screen()) == 3


def test_json_goes_to_the_pipe_and_the_bar_to_the_terminal(
    access: list[object], folder: Path, tmp_path: Path
) -> None:
    with (tmp_path / "lines").open("wb") as kept:
        matching = Terminal(["match", folder, "--json", *without_signing(access)], stdout=kept.fileno())
        assert matching.end() == 1
    found = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]
    assert [Path(line["file"]).name for line in found] == [
        "a video.mp4",
        "broken.png",
        "cat.jpg",
        "coffee.jpg",
    ]
    assert BAR in matching.said
    assert [line for line in matching.screen() if line] == []
    # Without a terminal for it there is no bar.
    assert BAR not in run("match", folder, "--json", *without_signing(access), expect=1).stderr


@pytest.mark.parametrize("how", [[], ["--on-device"]])
def test_ctrl_c_ends_a_command_that_waits_for_an_answer(silent: str, folder: Path, how: list[str]) -> None:
    matching = Terminal(["match", folder / "cat.jpg", folder / "coffee.jpg", "--url", silent, *how])
    matching.read(lambda said: BAR in said)
    matching.press_ctrl_c()
    assert matching.end() == 130
    words = " ".join(" ".join(matching.screen()).split())
    assert words.startswith("stopped: 0 of 2 done; run the same command again to go on.")
    assert "Traceback" not in words


def test_ctrl_c_ends_a_registration_whose_video_is_worked_on(
    database_server: DatabaseServer, home: Path, folder: Path, tmp_path: Path
) -> None:
    # Nobody takes jobs here, so that the command would wait for ever.
    with World(database_server, home, video_workers=0, video_wait_s=0.0) as world:
        desk = world.enrol("Daily Example")
        save_private_key(desk.key, tmp_path / "desk.pem")
        access = [
            "--sign-with",
            tmp_path / "desk.pem",
            "--url",
            world.url,
            "--api-key",
            desk.api_key.secret,
        ]
        registering = Terminal(["register", folder, *access, "--jobs", "4"])
        registering.read(lambda said: "75 %" in said)
        registering.press_ctrl_c()
        assert registering.end() == 130
        words = " ".join(" ".join(registering.screen()).split())
        assert "stopped: 3 of 4 done" in words
        assert "What had reached the registry is finished there." in words
        assert "Traceback" not in words
        # The video is the first by name: what was answered behind it has its lines.
        begins = [line.split()[0] for line in registering.screen() if line.strip()]
        assert [word for word in begins if word in ("refused", "registered", "stopped:")] == [
            "refused",
            "registered",
            "registered",
            "stopped:",
        ]

        with (tmp_path / "lines").open("wb") as kept:
            asking = ["match", folder, "--json", "--jobs", "4", *access[2:]]
            matching = Terminal(asking, stdout=kept.fileno())
            matching.read(lambda said: "75 %" in said)
            matching.press_ctrl_c()
            assert matching.end() == 130
        answered = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]
        assert [Path(line["file"]).name for line in answered] == ["broken.png", "cat.jpg", "coffee.jpg"]


@pytest.mark.slow
def test_ctrl_c_stops_a_registry_in_a_folder_and_the_next_run_finishes(
    home: Path, tmp_path: Path, folder: Path
) -> None:
    video = tmp_path / "long.mp4"
    video.write_bytes(muxed("mp4", frames=clip("cat", "rocket", "coffee", shot_s=8.0).frames))
    registering = Terminal(["register", video, folder / "cat.jpg", "--home", home])
    registering.read(lambda said: "50 %" in said)
    registering.press_ctrl_c()
    assert registering.end() == 130
    words = " ".join(" ".join(registering.screen()).split())
    assert "stopped: 1 of 2 done" in words
    assert "is finished when this registry next runs." in words
    assert "Traceback" not in words
    assert not (home / "pg" / "postmaster.pid").exists()
    again = lines(run("register", video, folder / "cat.jpg", "--home", home, "--json"))
    assert [line["error"] for line in again] == [None, None]
    assert len({line["answer"]["record"]["id"] for line in again}) == 2
    assert "clean" in run("audit", "--home", home).stdout


def test_a_reader_that_leaves_ends_the_command_quietly(access: list[object], folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `head -1` does, at once
    matching = Terminal(["match", folder, "--json", "--quiet", *without_signing(access)], stdout=writing)
    os.close(writing)
    assert matching.end() == 1
    assert matching.said == ""


def test_every_file_of_a_bad_folder_gets_its_line(access: list[object], folder: Path) -> None:
    (folder / "empty.jpg").write_bytes(b"")
    (folder / os.fsdecode(b"new\nline caf\xe9.jpg")).write_bytes(encoded("rocket"))
    (folder / "in.jpg").mkdir()
    (folder / "._cat.jpg").write_bytes(b"\x00\x05\x16\x07")
    register = lines(run("register", folder, "--json", *access, expect=1))
    asked = without_signing(access)
    match = lines(run("match", folder, "--json", *asked, expect=1))
    on_device = lines(run("match", folder, "--json", "--on-device", *asked, expect=1))
    for found in (register, match, on_device):
        assert len(found) == 6
        assert [line["file"] for line in found] == sorted(line["file"] for line in found)
    failed = [
        [Path(line["file"]).name for line in found if line["error"]]
        for found in (register, match, on_device)
    ]
    assert failed == [["broken.png", "empty.jpg"]] * 2 + [["a video.mp4", "broken.png", "empty.jpg"]]
    said = run("match", folder, *asked, expect=1).stdout
    assert "new\\nline caf\\xe9.jpg" in said
    [compared] = lines(run("compare", folder / "broken.png", "--json", *asked, expect=1))
    assert compared["error"]["code"] == "unsupported_media"
    assert "This kind of file is not read" in run("compare", folder / "empty.jpg", *asked, expect=1).stdout

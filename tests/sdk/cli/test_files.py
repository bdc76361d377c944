from pathlib import Path
from typing import NoReturn

import pytest

from registry.media.decoding import PROBLEMS
from sdk.cli.files import answer_for
from sdk.cli.output import print_json, shown
from sdk.client import Client
from sdk.errors import BadRequest, SdkError, Unreachable
from sdk.local import REFUSALS, fingerprint_file, local_query
from sdk.models import MatchAnswer
from tests.pictures import encoded
from tests.videos import animation, clip, muxed
from tests.world import World


def raising(error: Exception) -> NoReturn:
    raise error


@pytest.mark.parametrize(
    ("error", "title", "detail"),
    [
        (FileNotFoundError(2, "No such file or directory"), "cannot be read", "no such file or directory"),
        (PermissionError(13, "Permission denied"), "cannot be read", "permission denied"),
        (IsADirectoryError(21, "Is a directory"), "folder cannot be listed", "permission denied"),
        (SdkError("no such kind"), "cannot be done here", "no such kind"),
        (MemoryError(), "program failed", ""),
        (ValueError("odd"), "program failed", "odd"),
    ],
)
def test_one_bad_file_ends_no_run_and_is_told_in_plain_words(
    error: Exception, title: str, detail: str
) -> None:
    answer = answer_for(Path("a.jpg"), lambda: raising(error))
    assert answer.answer is None
    assert answer.error is not None
    assert answer.error.code == "client"
    assert title in answer.error.title
    assert answer.error.detail == detail
    assert "Error" not in str(answer.error)


def test_a_connection_that_breaks_over_one_file_ends_no_run(world: World) -> None:
    def asked(client: Client) -> MatchAnswer:
        raise Unreachable("the connection was closed")

    answer = answer_for(Path("a.jpg"), lambda: asked(world.operator), world.operator)
    assert answer.error is not None
    assert "no answer" in answer.error.title
    world.stop()
    with Client(world.url) as nobody, pytest.raises(Unreachable):
        answer_for(Path("a.jpg"), lambda: asked(nobody), nobody)


def test_on_this_device_a_file_is_refused_as_the_registry_refuses_it(tmp_path: Path) -> None:
    assert {
        kind.__name__: (problem.status, problem.code, problem.title) for kind, problem in PROBLEMS.items()
    } == REFUSALS
    for name, content, code, says in (
        ("text.png", b"hello", "unsupported_media", "neither"),
        ("empty.jpg", b"", "unsupported_media", "empty"),
        ("cut.jpg", encoded("cat")[:300], "undecodable_media", "."),
        ("film.mp4", muxed("mp4"), "unsupported_media", "only pictures"),
        ("film.gif", animation(clip("coffee"), "GIF"), "unsupported_media", "only pictures"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadRequest, match=says) as refused:
            local_query(tmp_path / name)
        assert refused.value.code == code, name
    with pytest.raises(FileNotFoundError):
        fingerprint_file(tmp_path / "gone.jpg")


def test_a_name_stays_in_its_line_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(Path("a\nb\x1b[31m\udce9\u202fc\u202e.jpg")) == "a\\nb\\x1b[31m\\xe9\u202fc\\u202e.jpg"
    print_json({"file": "a\nb\u2028c\x85d"})
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1

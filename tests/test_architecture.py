"""ARCHITECTURE.md says what is: every module that it names exists, and every module is named."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
ROOMS = TEXT[TEXT.index("## Rooms") : TEXT.index("**Imports.**")]
MODULES = [
    path.relative_to(ROOT)
    for package in ("sdk", "indexer", "registry")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "__init__.py"
]
# These rooms are described by subject; their files are named nowhere.
BY_SUBJECT = (
    "sdk/models",
    "sdk/cli",
    "indexer/index/gpu",
    "indexer/training/edits",
    "registry/storage/models",
    "registry/api",
    "registry/web",
)


def texts_by_room() -> dict[str, str]:
    """Returns what is said of each package: its lines in the tree, or the section of its own."""
    tree, _, matching = ROOMS.partition("### One way through matching")
    rooms: dict[str, str] = {}
    above: list[str] = []
    for line in tree.splitlines():
        entry = re.match(r"( {0,4})(\w+)(/|\.py) ", line)  # what is indented further goes on with an entry
        if entry:
            above = above[: len(entry[1]) // 2] + ([entry[2]] if entry[3] == "/" else [])
        room = "/".join(above)
        rooms[room] = rooms.get(room, "") + line + "\n"
    rooms["registry/match"] += matching
    rooms["registry/match/video"] += matching
    rooms["indexer/compare/faces"] = rooms["indexer/compare"]
    return rooms


def test_every_module_that_the_rooms_name_exists() -> None:
    named = set(re.findall(r"\b([a-z0-9_]+\.py)\b", ROOMS))
    missing = named - {
        path.name for path in (*MODULES, *(path.relative_to(ROOT) for path in ROOT.glob("tests/*.py")))
    }
    assert not missing


@pytest.mark.parametrize(
    "module", [path for path in MODULES if not path.parent.as_posix().startswith(BY_SUBJECT)], ids=str
)
def test_every_module_is_named_in_its_room(module: Path) -> None:
    said = texts_by_room()[module.parent.as_posix()]
    assert re.search(rf"\b{re.escape(module.name)}\b", said), "say in ARCHITECTURE.md what it knows"


def test_the_files_to_open_first_exist() -> None:
    advice = TEXT[TEXT.index("## Where to add what") :]
    paths = re.findall(r"`((?:indexer|registry|sdk|docs|tests)/[\w/]+\.(?:py|md))`", advice)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []

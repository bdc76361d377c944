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
# Rooms that are described by subject, file by file nowhere.
BY_SUBJECT = (
    "sdk/models",
    "sdk/cli",
    "indexer/index/gpu",
    "indexer/training/edits",
    "registry/storage/models",
    "registry/api",
    "registry/web",
)


def test_every_module_that_the_rooms_name_exists() -> None:
    named = set(re.findall(r"\b([a-z0-9_]+\.py)\b", ROOMS))
    missing = named - {
        path.name for path in (*MODULES, *(path.relative_to(ROOT) for path in ROOT.glob("tests/*.py")))
    }
    assert not missing


@pytest.mark.parametrize(
    "module", [path for path in MODULES if not path.parent.as_posix().startswith(BY_SUBJECT)], ids=str
)
def test_every_module_is_named(module: Path) -> None:
    assert re.search(rf"\b{re.escape(module.name)}\b", ROOMS), "say in ARCHITECTURE.md what it knows"


def test_the_files_to_open_first_exist() -> None:
    advice = TEXT[TEXT.index("## Where to add what") :]
    paths = re.findall(r"`((?:indexer|registry|sdk|docs|tests)/[\w/]+\.(?:py|md))`", advice)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []

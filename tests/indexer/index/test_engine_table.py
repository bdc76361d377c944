"""The table of index engines: light to read, complete, and what the documents say."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from indexer.fingerprints.kinds import PDQ
from indexer.index.engines import DEFAULT, ENGINES, DeviceUse, LocalEngine, SharedEngine
from indexer.index.port import EngineUnavailable
from registry.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"
HEAVY = {"torch", "faiss", "psycopg", "pymilvus", "cv2"}


def test_every_engine_is_a_setting_and_nothing_else_is() -> None:
    assert Settings.model_fields["index"].default == DEFAULT
    for name in ENGINES:
        assert Settings(index=name).index == name
    with pytest.raises(ValidationError, match="must be one of auto, cpu"):
        Settings(index="nowhere")


def test_every_engine_stands_in_the_documents() -> None:
    settings = (DOCS / "settings.md").read_text(encoding="utf-8")
    [line] = [line for line in settings.splitlines() if line.startswith("| `TRUEPRINT_INDEX`")]
    scale = (DOCS / "scale.md").read_text(encoding="utf-8")
    for name, row in ENGINES.items():
        assert row.name == name
        assert f"`{name}`" in line, name
        assert f"`{name}`" in scale, name


def test_a_shared_engine_names_the_setting_of_its_address() -> None:
    for row in ENGINES.values():
        if isinstance(row, SharedEngine) and row.address_setting is not None:
            assert row.address_setting in Settings.model_fields


def test_settings_can_be_read_without_the_libraries_of_the_engines() -> None:
    code = (
        f"import sys, indexer.index.engines, registry.settings; print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name, row in ENGINES.items() if isinstance(row, LocalEngine)])
def test_every_local_engine_makes_an_empty_index(name: str, tmp_path: Path) -> None:
    row = ENGINES[name]
    assert isinstance(row, LocalEngine)
    index = row.make(PDQ, tmp_path, "r", None)
    assert (index.kind, len(index)) == (PDQ, 0)
    assert row.device in DeviceUse


def test_a_shared_engine_that_does_not_answer_is_unavailable() -> None:
    row = ENGINES["pgvector"]
    assert isinstance(row, SharedEngine)
    with pytest.raises(EngineUnavailable):
        row.make(PDQ, "host=127.0.0.1 port=9 connect_timeout=1", "r")

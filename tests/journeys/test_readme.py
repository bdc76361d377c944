"""The README's demo and tour, typed as they stand: what they print must be what it shows."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx2
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from sdk.cli import app
from sdk.models import NewApiKey, Role, Scope
from tests.pictures import encoded
from tests.world import World

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
MATCHED = 10


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def shape(line: str) -> str:
    """Returns a line without what differs from run to run: identifiers, keys and numbers."""
    line = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "#", line)
    line = re.sub(r"with key \S+", "with key #", line)
    line = re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "#", line)  # ids of decisions
    line = re.sub(r"/decisions/[0-9a-f]{32}", "/decisions/#", line)
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)*", "#", line)).strip()


def typed(command: str, folder: Path) -> list[str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, MATCHED), f"{command}\n{done.stdout}\n{done.stderr}"
    return [shape(line) for line in done.stdout.splitlines() if line.strip()]


@pytest.mark.slow
def test_the_demo_and_the_tour_print_what_the_readme_shows(home: Path) -> None:
    [demo] = blocks("text")
    assert typed("trueprint demo", home) == [shape(line) for line in demo.splitlines() if line.strip()]
    for block in blocks("console"):
        first, *shown = block.splitlines()
        assert first.startswith("$ ")
        assert typed(first.removeprefix("$ "), home) == [shape(line) for line in shown if line.strip()], (
            first
        )


def test_the_python_example_runs(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk, platform = world.enrol("Daily Example"), world.enrol("Chat service", Role.PLATFORM)
    world.register(desk, encoded("coffee"), "coffee.jpg")
    upload = tmp_path / "upload.jpg"
    upload.write_bytes(encoded("coffee", quality=50))
    key = world.operator.issue_api_key(NewApiKey(publisher=platform.publisher.id, scopes=(Scope.MATCH,)))
    [example] = blocks("python")
    example = example.replace("http://127.0.0.1:8000", world.url).replace('"..."', f'"{key.secret}"')
    exec(compile(example.replace("upload.jpg", str(upload)), "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "the same picture as 'coffee.jpg'" in said
    assert "very_strong coffee.jpg ['re_encoded']" in said


def test_every_command_and_every_dependency_stands_in_the_docs() -> None:
    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for name in group.commands:
        assert f"`trueprint {name}" in commands, name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    required = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for extra in project["project"]["optional-dependencies"].values():
        required += extra
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    for line in required:
        package = re.match(r"[\w-]+", line)
        assert package is not None
        assert f"| `{package[0]}` |" in reasons, line
        # A GPU's faiss is never installed beside the CPU's, so the lock of one machine has only one.
        assert re.search(rf"^{package[0]}==", pinned, re.MULTILINE) or package[0] == "faiss-gpu", line


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not httpx2.URL(target).is_absolute_url:
                assert (document.parent / target).exists(), f"{document.name}: {target}"

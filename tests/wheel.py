"""Builds the wheel twice, from two copies of the source, and demands one digest.

python -m tests.wheel FOLDER   (`make wheel`: keeps the wheel in FOLDER)

Both builds are given the time of the last commit (SOURCE_DATE_EPOCH), or what the environment says.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("alembic", "indexer", "registry", "sdk", "pyproject.toml", "README.md", "LICENSE")
FALLBACK_EPOCH = "1580601600"  # of a source without its history


def build(source: Path, into: Path, epoch: str) -> Path:
    """Builds one wheel with what is installed; returns its file."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
    (wheel,) = into.glob("*.whl")
    return wheel


def build_twice(folder: Path) -> tuple[Path, Path]:
    """Builds the wheel of two copies whose files differ in time and place only."""
    wheels = []
    for name in ("one", "another"):
        copy = folder / name / "source"
        copy.mkdir(parents=True)
        for source in SOURCES:
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, copy / source, ignore=ignored, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(ROOT / source, copy / source)
        wheels.append(build(copy, folder / name / "dist", _epoch()))
    return wheels[0], wheels[1]


def digest(file: Path) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _epoch() -> str:
    asked = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return os.environ.get("SOURCE_DATE_EPOCH") or asked.stdout.strip() or FALLBACK_EPOCH


def main(into: Path) -> int:
    """Keeps the wheel where both builds agree."""
    with tempfile.TemporaryDirectory() as folder:
        one, another = build_twice(Path(folder))
        if digest(one) != digest(another):
            print("two builds of one source differ", file=sys.stderr)
            return 1
        into.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one, into / one.name)
        print(f"{digest(one)}  {into / one.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

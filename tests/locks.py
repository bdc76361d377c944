"""Writes the lock files, and checks that they are what pyproject.toml and constraints.txt say.

python -m tests.locks UV   (`make lock`; UV: the program that resolves for all platforms at once)

A lock names every package of an installation with the SHA-256 of each file that may be installed for it. It
is installed with `--require-hashes --no-deps`: nothing is resolved, nothing else comes.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "locks"
# Each is a whole installation without torch; `build` makes wheels of what comes as source, and of us.
INSTALLATIONS = {
    "production": ("--extra", "cpu"),
    "demo": ("--extra", "cpu", "--extra", "demo"),
    "test": ("--extra", "cpu", "--extra", "demo", "--group", "dev"),
}
BUILD = ("pip", "cython", "editables", "hatchling", "poetry-core", "setuptools", "wheel")
TORCH, TORCH_CPU, CPU = "torch", "torch-cpu", "+cpu"
CUDA = re.compile(r"(nvidia-|cuda-|triton$)")  # what the build of torch for CUDA wants, on Linux only
HEADS = {
    "build": "What builds a wheel.",
    "production": "The service on a CPU, without torch.",
    "demo": "The service and its demonstration, without torch.",
    "test": "All that tests and checks need, without torch.",
    "torch-cpu": "torch for CPUs, which PyTorch publishes apart from PyPI: taken where pip finds it.",
    "torch": "torch as PyPI has it.",
    "cuda": "What torch from PyPI wants on Linux; its build for CPUs does not.",
}
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)")
Blocks = dict[str, str]  # by the package's normalised name: its lines of a lock


def normalised(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def blocks_of(text: str) -> Blocks:
    """The requirements of a lock, each with its hashes."""
    found: Blocks = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", "\n" + text):
        pin = PIN.match(block.strip())
        if pin:
            found[normalised(pin[1])] = block.strip() + "\n"
    return found


def _compile(uv: str, *arguments: str) -> Blocks:
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-header", "--no-annotate", *arguments]
    return blocks_of(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def _build_for_cpus(version: str) -> str:
    """The builds of torch for CPUs that are locked already, and the one that this machine installs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*command, f"{TORCH}=={version}"], check=True)
        files = [file for file in Path(folder).iterdir() if f"-{version}{CPU}-" in file.name]
        hashes = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    locked = (LOCKS / f"{TORCH_CPU}.txt").read_text()
    if pins(locked)[TORCH] == version + CPU:
        hashes |= set(re.findall("sha256:([0-9a-f]{64})", locked))
    lines = [f"{TORCH}=={version}{CPU}", *(f"    --hash=sha256:{digest}" for digest in sorted(hashes))]
    return " \\\n".join(lines) + "\n"


def _write(name: str, blocks: Blocks) -> None:
    head = f"# {HEADS[name]} Written by `make lock`; installed with --require-hashes --no-deps.\n"
    (LOCKS / f"{name}.txt").write_text(head + "".join(blocks[package] for package in sorted(blocks)))


def write(uv: str) -> None:
    """Writes every lock."""
    faces = _compile(uv, "--no-deps", "faces-requirements.txt")
    for name, wanted in INSTALLATIONS.items():
        blocks = _compile(uv, "--constraint", "constraints.txt", *wanted, "pyproject.toml") | faces
        torch = blocks.pop(TORCH)
        cuda = {package: blocks.pop(package) for package in list(blocks) if CUDA.match(package)}
        _write(name, blocks)
    _write(TORCH, {TORCH: torch})
    _write(TORCH_CPU, {TORCH: _build_for_cpus(pins(torch)[TORCH])})
    _write("cuda", cuda)
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted_file:
        system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
        wanted_file.write("\n".join((*BUILD, *system)))
        wanted_file.flush()
        _write("build", _compile(uv, "--constraint", "constraints.txt", wanted_file.name))


def pins(text: str) -> dict[str, str]:
    """Versions by normalised name, of a lock or of constraints."""
    found = (PIN.match(line) for line in text.splitlines())
    return {normalised(pin[1]): pin[2] for pin in found if pin}


def differences() -> list[str]:
    """What is wrong with the locks, as sentences."""
    wrong = []
    constraints = pins((ROOT / "constraints.txt").read_text())
    locked = {name: (LOCKS / f"{name}.txt").read_text() for name in HEADS}
    for name, text in locked.items():
        for package, block in blocks_of(text).items():
            if "--hash=sha256:" not in block:
                wrong.append(f"locks/{name}.txt: {package} has no hash")
            version = pins(block)[package]
            if constraints.get(package, version) != version.removesuffix(CPU):
                wrong.append(f"locks/{name}.txt: {package} {version}, constraints.txt says otherwise")
    missing = set(constraints) - set(pins(locked["test"])) - {TORCH}
    if missing:
        wrong.append(f"constraints.txt pins what locks/test.txt lacks: {', '.join(sorted(missing))}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        package = normalised(re.split(r"[\[<>=;~! ]", requirement)[0])
        if package != TORCH and package not in blocks_of(locked["production"]):
            wrong.append(f"locks/production.txt lacks {package}: run `make lock`")
    return wrong


if __name__ == "__main__":
    write(sys.argv[1])

"""PostgreSQL's own programs, which write a database into one file and read it back.

Those that come with the embedded database are used, or newer ones that are installed: a program must be at
least as new as the server that it reads.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from registry.errors import BackupFailed, RestoreRefused
from registry.storage.db import conninfo
from registry.storage.embedded import PROGRAM_FOLDERS

DERIVED_SCHEMA = "trueprint_index"  # of indexer.index.pgvector_index: made anew from the rows
_VERSION = re.compile(r"\(PostgreSQL\) ([0-9]+)")
WORDS_SHOWN = 300


def server_major(engine: Engine) -> int:
    """The server's major version, as 18."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10000


def dump_database(engine: Engine, snapshot: str, file: Path) -> int:
    """Writes all rows of an exported snapshot to a file, in pg_dump's custom format, and syncs it.

    Returns the major version of the program. Raises BackupFailed.
    """
    wanted = server_major(engine)
    major, program = _program("pg_dump", wanted) or (0, None)
    if program is None:
        raise BackupFailed(f"no pg_dump for PostgreSQL {wanted} is here: install its client programs")
    options = ["--format=custom", "--no-owner", "--no-privileges", "--extension=plpgsql"]
    options += [f"--exclude-schema={DERIVED_SCHEMA}", f"--snapshot={snapshot}", f"--file={file}"]
    failure = _run(program, engine, options)
    if failure:
        raise BackupFailed(f"pg_dump failed: {failure}")
    return major


def load_database(engine: Engine, file: Path, *, written_by: int, server: int) -> None:
    """Reads what `dump_database` wrote into an empty database, in one transaction.

    `written_by`: major version of the program that wrote it; `server`: of the server that it was read from.
    Raises RestoreRefused.
    """
    here = server_major(engine)
    if here < server:
        raise RestoreRefused(f"the backup is of PostgreSQL {server}, and this server is PostgreSQL {here}")
    _, program = _program("pg_restore", written_by) or (0, None)
    if program is None:
        raise RestoreRefused(f"no pg_restore of PostgreSQL {written_by} or later is here: install it")
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-comments"]
    failure = _run(program, engine, [*options, str(file)])
    if failure:
        raise RestoreRefused(f"pg_restore failed: {failure}")


def _run(program: Path, engine: Engine, options: list[str]) -> str | None:
    """Runs a program on the engine's database; returns what it complained of where it failed."""
    # The password stays out of the list of processes, which others on the machine read.
    url = engine.url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = {**os.environ, "PGPASSWORD": str(engine.url.password or ""), "PGTZ": "UTC", "LC_ALL": "C"}
    done = subprocess.run(
        [program, f"--dbname={url}", *options],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return None
    said = [line for line in done.stderr.splitlines() if "error" in line.lower()] or ["no reason given"]
    return said[0].replace(conninfo(engine), "the database")[:WORDS_SHOWN]


def _program(name: str, at_least: int) -> tuple[int, Path] | None:
    """The oldest program that is new enough: its files can be read by the most others."""
    fit = [(major, path) for major, path in _programs(name) if major >= at_least]
    return min(fit, default=None)


@cache
def _programs(name: str) -> tuple[tuple[int, Path], ...]:
    found = []
    for path in _candidates(name):
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        version = _VERSION.search(said)
        if version:
            found.append((int(version[1]), path))
    return tuple(found)


def _candidates(name: str) -> Iterator[Path]:
    yield from (folder / name for folder in PROGRAM_FOLDERS if (folder / name).exists())
    installed = shutil.which(name)
    if installed:
        yield Path(installed)
    # Debian installs every version beside the others.
    yield from sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))

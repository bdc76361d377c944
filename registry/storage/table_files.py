"""Writes the rows of all tables into files, and reads them into a database that has the same tables.

No file holds SQL, as a dump does, which runs whatever its author wrote with the rights of whoever restores
it: what is read from these files can become rows and nothing else. A file is gzip over one line, the names
of the columns as a JSON list, and then the rows in the text format of PostgreSQL's COPY.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import Connection, MetaData, Table, inspect, text

from registry.errors import BackupFailed, BadBackup, RestoreRefused

SUFFIX = ".copy.gz"
OF_ALEMBIC = "alembic_version"  # the migrations write it themselves
COMPRESSION = 1  # most of it are random bytes: more work saves little
CHUNK_BYTES = 1 << 20
MAXIMUM_COLUMNS_BYTES = 1 << 16
# How values are written, whatever the settings of the database, its role or its server are.
WRITTEN_AS = ("datestyle = ISO", "intervalstyle = postgres", "bytea_output = hex", "extra_float_digits = 3")


def write_tables(connection: Connection, folder: Path) -> dict[str, int]:
    """Writes a file for each table into `folder`; returns the last number that each sequence gave.

    Everything is read in the caller's transaction. Raises BackupFailed, OSError.
    """
    for setting in WRITTEN_AS:
        connection.execute(text(f"SET LOCAL {setting}"))
    look = inspect(connection)
    for name in sorted(look.get_table_names()):
        if name != OF_ALEMBIC:
            columns = [column["name"] for column in look.get_columns(name) if "computed" not in column]
            _write_table(connection, name, columns, folder / (name + SUFFIX))
    rows = connection.execute(
        text(
            "SELECT sequencename, last_value FROM pg_sequences "
            "WHERE schemaname = current_schema() AND last_value IS NOT NULL"
        )
    )
    return {row.sequencename: row.last_value for row in rows}


def read_tables(connection: Connection, folder: Path, sequences: Mapping[str, int]) -> None:
    """Reads what `write_tables` wrote, in the caller's transaction, in place of what the tables hold.

    Raises BadBackup: the files are not those of these tables, or hold no rows. Raises RestoreRefused.
    """
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name != OF_ALEMBIC]
    files = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in files ^ {table.name + SUFFIX for table in tables}:
        raise BadBackup(f"{name} is {'of no table' if name in files else 'missing'}")
    # What triggers did when a row was new is in the files, too: the queue notes an event of each job.
    _switch_triggers(connection, tables, "DISABLE")
    for table in reversed(tables):
        if connection.execute(table.select().limit(1)).first() is not None:  # what a migration put there
            connection.execute(table.delete())
    for table in tables:
        _read_table(connection, table, folder / (table.name + SUFFIX))
    _switch_triggers(connection, tables, "ENABLE")
    for name, last in sequences.items():
        if connection.scalar(text("SELECT to_regclass(quote_ident(:name))"), {"name": name}) is None:
            raise BadBackup("the manifest names a sequence that is none of this registry's")
        connection.execute(text("SELECT setval(quote_ident(:name), :last)"), {"name": name, "last": last})


def _switch_triggers(connection: Connection, tables: Iterable[Table], how: str) -> None:
    """Those that check references stay on; the owner of a table may switch the others."""
    quote = connection.dialect.identifier_preparer.quote
    for table in tables:
        connection.execute(text(f"ALTER TABLE {quote(table.name)} {how} TRIGGER USER"))


def _write_table(connection: Connection, table: str, columns: list[str], file: Path) -> None:
    with gzip.open(file, "wb", COMPRESSION) as written:
        written.write(json.dumps(columns).encode() + b"\n")
        try:
            with _cursor(connection) as cursor, cursor.copy(_copy(table, columns, "TO STDOUT")) as rows:
                for chunk in rows:
                    written.write(chunk)
        except psycopg.Error as error:
            raise BackupFailed(f"the database does not give its rows: {_words(error)}") from error


def _words(error: psycopg.Error) -> str:
    return error.diag.message_primary or type(error).__name__


def _read_table(connection: Connection, table: Table, file: Path) -> None:
    try:
        with gzip.open(file, "rb") as stored:
            columns = json.loads(stored.readline(MAXIMUM_COLUMNS_BYTES))
            if not isinstance(columns, list) or not {column.name for column in table.columns} >= set(
                columns
            ):
                raise BadBackup(f"{file.name} has other columns than its table")
            copy = _copy(table.name, columns, "FROM STDIN")
            with _cursor(connection) as cursor, cursor.copy(copy) as rows:
                while chunk := stored.read(CHUNK_BYTES):
                    rows.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, TypeError):
        raise BadBackup(f"{file.name} is no file of rows") from None
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as error:
        raise BadBackup(f"{file.name} holds no rows of its table: {error.sqlstate}") from None
    except psycopg.Error as error:
        raise RestoreRefused(f"the database does not take the rows: {_words(error)}") from error


def _copy(table: str, columns: list[str], direction: str) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(table), names, sql.SQL(direction))


def _cursor(connection: Connection) -> psycopg.Cursor:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver.cursor()

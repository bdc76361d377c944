"""Writes the rows of all tables into files, and reads them into a database that has the same tables.

No file holds SQL, as a dump does, which runs whatever its author wrote with the rights of whoever restores
it: what is read from these files can become rows and nothing else. A file is gzip over one line, the names
of the columns as a JSON list, and then the rows in the text format of PostgreSQL's COPY.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import Connection, MetaData, Table, inspect, text
from sqlmodel import SQLModel

from registry.errors import BackupFailed, BadBackup, RestoreRefused

SUFFIX = ".copy.gz"
OF_ALEMBIC = "alembic_version"  # the migrations write it themselves
OF_THE_QUEUE = "procrastinate_"  # begins the names of its tables, which a migration makes
COMPRESSION = 1  # most of it are random bytes: more work saves little
CHUNK_BYTES = 1 << 20
MAXIMUM_COLUMNS_BYTES = 1 << 16
# How values are written, whatever the settings of the database, its role or its server are.
WRITTEN_AS = ("datestyle = ISO", "intervalstyle = postgres", "bytea_output = hex", "extra_float_digits = 3")


# Which sequences number a column of a table.
SEQUENCES = text(
    "SELECT numbers.relname AS name, numbered.relname AS of_table, attname AS of_column, last_value "
    "FROM pg_class numbers JOIN pg_depend ON objid = numbers.oid AND deptype IN ('a', 'i') "
    "JOIN pg_class numbered ON numbered.oid = refobjid "
    "JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid "
    "JOIN pg_sequences ON schemaname = current_schema() AND sequencename = numbers.relname "
    "WHERE numbers.relkind = 'S' AND numbers.relnamespace = current_schema()::regnamespace"
)
LAST_NUMBER = 1 << 62  # whoever begins beyond it is soon at the end


@dataclass(frozen=True)
class Written:
    """What was written, beside the files."""

    sequences: dict[str, int]  # the last number that each gave
    left_out: tuple[str, ...]  # tables of somebody else


def write_tables(connection: Connection, folder: Path) -> Written:
    """Writes a file for each table of the registry into `folder`.

    Everything is read in the caller's transaction. Raises BackupFailed, OSError.
    """
    for setting in WRITTEN_AS:
        connection.execute(text(f"SET LOCAL {setting}"))
    look = inspect(connection)
    names = set(look.get_table_names()) - {OF_ALEMBIC}
    ours = {name for name in names if name in SQLModel.metadata.tables or name.startswith(OF_THE_QUEUE)}
    for name in sorted(ours):
        columns = [column["name"] for column in look.get_columns(name) if "computed" not in column]
        _write_table(connection, name, columns, folder / (name + SUFFIX))
    rows = connection.execute(SEQUENCES)
    sequences = {row.name: row.last_value for row in rows if row.of_table in ours and row.last_value}
    return Written(sequences, tuple(sorted(names - ours)))


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
    _go_on_numbering(connection, sequences)


def _go_on_numbering(connection: Connection, sequences: Mapping[str, int]) -> None:
    """Behind the last number that was given, and that a row has."""
    known = connection.execute(SEQUENCES).all()
    if sequences.keys() - {row.name for row in known}:
        raise BadBackup("the manifest names a sequence that is none of this registry's")
    quote = connection.dialect.identifier_preparer.quote
    for row in known:
        newest = text(f"SELECT max({quote(row.of_column)}) FROM {quote(row.of_table)}")
        last = max(sequences.get(row.name, 0), connection.scalar(newest) or 0)
        if last > LAST_NUMBER:
            raise BadBackup(f"the numbers of {row.of_table} are used up")
        if last:
            connection.execute(
                text("SELECT setval(quote_ident(:name), :last)"), {"name": row.name, "last": last}
            )


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

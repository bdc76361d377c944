"""Checks of `make check` that need the program itself: the migrations, what is written from the code (the
OpenAPI document, the tables of thresholds and of policies' facts, the schema of policy packs), the lock
files, and the licences of what is installed.

python -m tests.checks [--write]
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from alembic import command

from indexer.operations import OPERATIONS, OperationType
from registry.app import create_app
from registry.gate.facts import FACTS, Fact
from registry.gate.pack_schema import json_schema
from registry.services import Services
from registry.storage import db
from registry.storage.embedded import EmbeddedDatabase
from registry.thresholds import Thresholds
from tests.licences import refused
from tests.locks import differences

ROOT = Path(__file__).parents[1]
BOUNDS = ("gt", "ge", "le")
DOCUMENT, THRESHOLDS = ROOT / "openapi.json", ROOT / "docs" / "thresholds.md"
FACTS_PAGE, PACK_SCHEMA = ROOT / "docs" / "policy-facts.md", ROOT / "docs" / "policy-pack.schema.json"


def openapi_text() -> str:
    """Returns the OpenAPI document of the running code."""
    # Routes do not depend on the services, so none are started.
    services = cast(Services, SimpleNamespace())
    document: dict[str, Any] = create_app(services).openapi()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def thresholds_text(written: str) -> str:
    """Returns the page of thresholds: the words that stand there, and the table of the running code."""
    rows = ["| line | default | between | stands on |", "| --- | --- | --- | --- |"]
    for name, field in Thresholds.model_fields.items():
        bounds = [
            getattr(rule, bound) for rule in field.metadata for bound in BOUNDS if hasattr(rule, bound)
        ]
        between = f"{max(bounds[:-1])} and {bounds[-1]}"
        stands_on = " ".join((field.description or "").split())
        rows.append(f"| `{name}` | {field.default} | {between} | {stands_on} |")
    words = written.partition("| line |")[0].rstrip()
    return "\n".join((words, "", *rows, ""))


def facts_text(written: str) -> str:
    """Returns the page of policies' facts: the words that stand there, and the tables of the code."""
    rows = ["| fact | is | meaning |", "| --- | --- | --- |"]
    rows += [_row_of(fact) for fact in FACTS if not fact.name.startswith("op.")]
    rows += ["", "## Operations", "", "| fact | operation |", "| --- | --- |"]
    rows += [f"| `op.{one.value}.…` | {OPERATIONS[one].description} |" for one in OperationType]
    rows += ["", "| ends in | is | meaning |", "| --- | --- | --- |"]
    first = f"op.{next(iter(OperationType)).value}."
    rows += [
        _row_of(fact, "`.found`" if fact.name.endswith("found") else f"`.{fact.name.removeprefix(first)}`")
        for fact in FACTS
        if fact.name.startswith(first)
    ]
    words = written.partition("| fact |")[0].rstrip()
    return "\n".join((words, "", *rows, ""))


def _row_of(fact: Fact, name: str | None = None) -> str:
    words = f"{fact.type.value}: {', '.join(f'`{word}`' for word in fact.words)}" if fact.words else ""
    meaning = "it was found" if name == "`.found`" else fact.meaning
    return f"| {name or f'`{fact.name}`'} | {words or fact.type.value} | {meaning} |"


def schema_text(_: str) -> str:
    """Returns the JSON Schema of policy packs."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


# What is written from the code, each from what stands there.
WRITTEN: dict[Path, Callable[[str], str]] = {
    DOCUMENT: lambda _: openapi_text(),
    THRESHOLDS: thresholds_text,
    FACTS_PAGE: facts_text,
    PACK_SCHEMA: schema_text,
}


def check_migrations() -> None:
    """Checks that the migrations lead to exactly the tables that the models describe."""
    with tempfile.TemporaryDirectory(prefix="tp") as folder:
        Path(folder).chmod(0o755)
        database = EmbeddedDatabase(Path(folder) / "pg")
        try:
            engine = db.connect(database.url)
            db.migrate(engine)
            command.check(db.alembic_config(engine))
            engine.dispose()
        finally:
            database.stop()


def main() -> int:
    if "--write" in sys.argv:
        for path, text in WRITTEN.items():
            path.write_text(text(path.read_text("utf-8")), encoding="utf-8")
        return 0
    wrong = [*differences(), *refused()]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    check_migrations()
    for path, text in WRITTEN.items():
        written = path.read_text(encoding="utf-8")
        if written != text(written):
            name = path.relative_to(ROOT)
            print(f"{name} is not what the code says: run `make openapi`", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Checks of `make check` that need the program itself: the migrations, what is written from the code (the
OpenAPI document and the table of thresholds), the lock files, and the licences of what is installed.

python -m tests.checks [--write]
"""

import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from alembic import command

from registry.app import create_app
from registry.services import Services
from registry.storage import db
from registry.storage.embedded import EmbeddedDatabase
from registry.thresholds import Thresholds
from tests.licences import refused
from tests.locks import differences

ROOT = Path(__file__).parents[1]
BOUNDS = ("gt", "ge", "le")
DOCUMENT, THRESHOLDS = ROOT / "openapi.json", ROOT / "docs" / "thresholds.md"


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
        DOCUMENT.write_text(openapi_text(), encoding="utf-8")
        THRESHOLDS.write_text(thresholds_text(THRESHOLDS.read_text("utf-8")), encoding="utf-8")
        return 0
    wrong = [*differences(), *refused()]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    check_migrations()
    if DOCUMENT.read_text(encoding="utf-8") != openapi_text():
        print("openapi.json is not what the code says: run `make openapi`", file=sys.stderr)
        return 1
    written = THRESHOLDS.read_text(encoding="utf-8")
    if written != thresholds_text(written):
        print("docs/thresholds.md is not what the code says: run `make openapi`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

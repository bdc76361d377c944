"""A registry of the version before, with what is in it, is migrated and goes on; what it said still holds.

After a release: `python -m tests.upgrade.kept` with that version's code, and the file before it may go.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from registry.app import running_services
from registry.errors import NotMigrated
from registry.operate.bootstrap import migrate_and_note
from registry.settings import Settings
from registry.storage import db
from sdk.answers import verify_answer
from sdk.client import Client
from sdk.errors import NotAuthenticated, ProblemError
from sdk.models import ActType, MatchAnswer, Receipt, VerdictKind
from sdk.records import AssetClass, new_statement, sign_statement
from sdk.verify import verify_receipt
from tests.pictures import encoded
from tests.upgrade.kept import FOLDER, run_sql, unpack, upload
from tests.world import DatabaseServer, World

VERSIONS = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.tar.xz"))


class Restored(World):
    """A registry that was kept as a file, in a database that is not migrated yet."""

    def __init__(self, server: DatabaseServer, folder: Path, revision: str) -> None:
        unpack(revision, folder)
        self.folder = folder
        self.kept: dict[str, str] = self.read("kept.json")
        self.settings = Settings(
            home=folder / "home",
            database_url=server.new_database(template="template0"),
            blob_url=None,
            decoder_workers=1,
            nightly_audit="off",
        )
        assert self.settings.database_url is not None
        self.engine = db.connect(self.settings.database_url)
        run_sql(self.engine, folder / "dump.sql")
        self.operator_secret = self.kept["operator"]
        self._running = ExitStack()
        self._clients: list[Client] = []

    def read(self, name: str) -> dict[str, Any]:
        """A file that was kept beside the database."""
        content: dict[str, Any] = json.loads((self.folder / name).read_text())
        return content

    def client_of(self, whose: str) -> Client:
        return self.client(self.kept[whose])


@pytest.fixture(scope="module", params=VERSIONS)
def upgraded(
    database_server: DatabaseServer, scratch: Path, request: pytest.FixtureRequest
) -> Iterator[Restored]:
    restored = Restored(database_server, Path(tempfile.mkdtemp(dir=scratch)), request.param)
    with (
        pytest.raises(NotMigrated, match="trueprint migrate"),
        running_services(restored.settings, restored.engine, restored.embedder),
    ):
        pass
    migrate_and_note(restored.engine)
    with restored:
        yield restored
        restored.audit()


def test_the_migration_is_an_act_and_an_audit_finds_nothing(upgraded: Restored) -> None:
    acts = upgraded.operator.list_acts()
    assert [act.type for act in acts][-2:] == [ActType.START, ActType.MIGRATE]
    assert acts[-1].details["before"] in VERSIONS
    assert upgraded.operator.audit().records == 5


def test_an_old_receipt_and_an_old_answer_hold(upgraded: Restored) -> None:
    receipt = Receipt.model_validate_json((upgraded.folder / "receipt.json").read_bytes())
    log_key = upgraded.operator.log_state().log_key
    verified = verify_receipt(receipt, log_key=log_key, media=encoded("coffee"))
    assert verified.statement.label == "coffee"
    answer = MatchAnswer.model_validate_json((upgraded.folder / "answer.json").read_bytes())
    assert verify_answer(answer, upgraded.operator.jwks())
    assert upgraded.operator.jwks() == upgraded.read("jwks.json")
    # The same receipt is given out today, under a checkpoint that continues the old one.
    today = upgraded.operator.receipt(upgraded.kept["coffee"])
    assert verify_receipt(today, log_key=log_key).statement == verified.statement


def test_what_was_registered_is_found_and_what_was_withdrawn_is_not(upgraded: Restored) -> None:
    platform = upgraded.client_of("platform")
    old = MatchAnswer.model_validate_json((upgraded.folder / "answer.json").read_bytes())
    new = platform.match(upload())
    # Words change: what one publisher alone said is a fake was called known by that version.
    assert new.verdict.model_copy(update={"sentence": ""}) == old.verdict.model_copy(
        update={"sentence": ""}
    )
    assert "as a known fake" in old.verdict.sentence
    assert "as a fake, which nobody else has confirmed" in new.verdict.sentence
    assert {match.record.id for match in new.matches} == {match.record.id for match in old.matches}
    assert platform.match(encoded("rocket")).matches == ()
    assert platform.match(encoded("astronaut")).verdict.kind is VerdictKind.NOT_IN_REGISTRY
    with pytest.raises(ProblemError, match="erased"):
        platform.receipt(upgraded.kept["erased"])


def test_who_could_register_registers_and_who_could_not_cannot(upgraded: Restored) -> None:
    key = ECKey.import_key(upgraded.read("publisher.jwk"))
    content = encoded("hubble")
    statement = new_statement(
        upgraded.kept["issuer"], AssetClass.AUTHENTIC, hashlib.sha256(content).hexdigest(), "hubble"
    )
    done = upgraded.client_of("publisher").register(content, sign_statement(statement, key))
    verify_receipt(done.receipt, log_key=upgraded.operator.log_state().log_key, media=content)
    found = upgraded.client_of("platform").match(encoded("hubble", quality=60))
    assert found.matches[0].record.id == done.record.id
    again = upgraded.client_of("publisher").get_record(upgraded.kept["coffee"])
    assert again.status == "active"
    with pytest.raises(NotAuthenticated):
        upgraded.client_of("revoked").who_am_i()

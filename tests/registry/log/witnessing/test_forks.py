"""Two histories of one log: the second signs nothing, and a log that a witness contradicts stops."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from registry.app import create_app, running_services
from registry.cli.home import listening
from registry.log.transparency_log import WRITER_LOCK
from registry.log.witnessed_checkpoints import resume_signing
from registry.storage.db import sole_holder, transaction
from sdk.add_checkpoint import SIZE_MEDIA_TYPE
from sdk.cli import app
from sdk.client import Client
from sdk.verify import verify_receipt
from sdk.witness.cosigning import Answer
from tests.pictures import encoded
from tests.registry.log.witnessing.asking import PICTURES, refused, size_of
from tests.waiting import soon
from tests.witnesses import GONE, WitnessedWorld
from tests.world import Party, SeededEmbedder


def test_two_processes_of_one_registry_do_not_take_one_another_for_a_fork(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    with (
        running_services(world.settings, world.engine, SeededEmbedder()) as other,
        listening(create_app(other)) as url,
        Client(url, desk.api_key.secret) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        there = Party(desk.publisher, desk.key, client, desk.api_key)
        pictures = [encoded(name, quality=quality) for name in PICTURES for quality in (90, 60)]
        parties = [desk, there] * len(PICTURES)
        pairs = zip(parties, pictures, strict=True)
        receipts = [done.receipt for done in pool.map(lambda pair: world.register(*pair), pairs)]
        for receipt in receipts:
            verify_receipt(receipt, witnesses=[key.text() for key in world.witness_keys], quorum=2)
        assert other.witnessing.fault is None
    assert world.services.witnessing.fault is None
    world.audit()


def test_of_two_copies_of_one_registry_the_second_signs_no_second_tree(
    world: WitnessedWorld, scratch: Path
) -> None:
    desk = world.enrol("Daily Example")
    content = encoded("coffee")
    world.register(desk, content)
    world.stop()
    with world.copied(Path(f"{world.settings.home}-copy")) as copy:
        world.start()
        desk, there = world.again(desk), copy.again(desk)
        world.register(desk, encoded("cat"))
        before = httpx2.get(f"{copy.url}/log/checkpoint").text
        error = refused(copy, there, encoded("rocket"))
        assert (error.status, error.code, error.retry_after_s) == (503, "signing_stopped", None)
        assert httpx2.get(f"{copy.url}/log/checkpoint").text == before
        size = size_of(copy)
        copy.restart()
        there = copy.again(there)
        assert refused(copy, there, encoded("astronaut")).code == "signing_stopped"
        assert size_of(copy) == size
        assert copy.operator.match(content).matches  # reading goes on
        (fault,) = copy.operator.status().faults
        assert fault.startswith("the log is stopped.")
        assert "resume-signing" in fault
        assert "see the status" in httpx2.get(f"{copy.url}/readyz").json()["status"]
        with transaction(copy.engine) as session:
            assert resume_signing(session) == fault
            with sole_holder(copy.engine, WRITER_LOCK) as alone:
                assert not alone, "in the order of whoever appends: the lock, then the head"
        copy.services.witnessing.look()  # they are asked again before anything is signed
        assert refused(copy, there, encoded("astronaut")).code == "signing_stopped"
        assert size_of(copy) == size
    world.register(desk, encoded("astronaut"))
    world.audit()


def test_an_old_copy_that_is_restored_signs_nothing(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.stop()
    copied = world.copied(Path(f"{world.settings.home}-old"))
    world.start()
    world.register(world.again(desk), encoded("coffee"))
    world.stop()
    with copied as old:
        size = size_of(old)
        assert refused(old, old.again(desk), encoded("cat")).code == "signing_stopped"
        assert size_of(old) == size
        (fault,) = old.operator.status().faults
        assert f"it cosigned this log with {size + 1} entries, and {size} are here" in fault
    world.start()


def test_where_no_witness_answers_at_the_start_it_reads_and_signs_nothing(world: WitnessedWorld) -> None:
    desk = world.enrol("Daily Example")
    world.answer_instead(GONE, 0, 1, 2)
    world.restart()
    desk = world.again(desk)
    size = size_of(world)
    error = refused(world, desk, encoded("coffee"))
    assert (error.code, size_of(world)) == ("not_cosigned", size)
    assert "nothing was stored" in error.detail
    assert world.operator.match(encoded("coffee")).matches == ()
    world.answer_instead(None, 0, 1, 2)
    world.services.witnessing.look()
    assert not world.register(desk, encoded("coffee")).already_registered


@pytest.mark.parametrize(
    "answer",
    [Answer(422, "no"), Answer(409, "1\n", SIZE_MEDIA_TYPE), Answer(409, "99\n", SIZE_MEDIA_TYPE)],
    ids=["inconsistent", "own_old_size", "larger"],
)
def test_one_witness_that_contradicts_stops_the_log(world: WitnessedWorld, answer: Answer) -> None:
    desk = world.enrol("Daily Example")
    assert soon(lambda: world.operator.status().witnesses[2].size == 1)
    world.answer_instead(GONE, 0)
    world.answer_instead(answer, 2)
    assert refused(world, desk, encoded("coffee")).code in ("signing_stopped", "not_cosigned")
    assert soon(lambda: world.operator.status().faults != ())
    (fault,) = world.operator.status().faults
    assert "witness w2" in fault
    assert refused(world, desk, encoded("cat")).code == "signing_stopped"


def test_the_command_says_why_a_log_stopped_and_lets_it_go_on(
    world: WitnessedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEPRINT_DATABASE_URL", world.settings.database_url or "")
    monkeypatch.setenv("TRUEPRINT_HOME", str(world.settings.home))

    def resume(*options: str, answer: str = "") -> str:
        result = CliRunner().invoke(app, ["resume-signing", *options], input=answer)
        return f"{result.exit_code} {result.output}"

    assert resume() == "0 The log is not stopped.\n"
    world.answer_instead(Answer(422, "no"), 0)
    desk = world.enrol("Daily Example")
    assert soon(lambda: world.services.witnessing.fault is not None)
    assert "witness w0" in resume(answer="n\n")
    assert refused(world, desk, encoded("coffee")).code == "signing_stopped"
    world.answer_instead(None, 0)
    assert resume("--yes").startswith("0 ")
    world.services.witnessing.look()
    world.register(desk, encoded("coffee"))
